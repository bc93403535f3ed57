"""Which packages are needed: as apt chooses them without recommends, and the same on every machine.

What is forced is chosen first (dependencies with one way to meet them, transitively), so that a choice between
alternatives sees everything that is there anyway. Then each open choice takes its first alternative that can be
installed, in the order in which the choices were met; if that leads nowhere, the latest choice takes its next one.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.build.ecosystems.debian.index import Candidate, Universe
from pipeline.build.ecosystems.debian.relations import Alternatives, Relation
from pipeline.build.ecosystems.debian.selection import Reason, Selection
from pipeline.declare.errors import ResolveError

_MOST_DECISIONS = 20_000

# usrmerge converts a system whose /bin is a folder and needs perl for it; usr-is-merged says that none is needed.
# A new image is merged from the start. Measured: 45 MiB less of a small bookworm image.
_PREFERRED = {"usrmerge": "usr-is-merged"}


class UnmetError(ResolveError):
    """A dependency cannot be met.

    Args:
        message: what and why.
        hint: the next step.
        involved: the packages that would have to be others: that which needs it, and those that stand in its way.
        asked: the package that was asked for, where it is that one; empty where another needs it.
    """

    def __init__(self, message: str, *, hint: str, involved: frozenset[str], asked: str = "") -> None:
        super().__init__(message, hint=hint)
        self.involved = involved
        self.asked = asked


@dataclass(slots=True)
class _Branch:
    """One way through the choices made so far.

    Args:
        selection: what is chosen.
        forced: dependencies that were not looked at yet.
        open: dependencies that more than one candidate meets.
    """

    selection: Selection
    forced: deque[Reason]
    open: deque[Reason]

    def copy(self) -> "_Branch":
        return _Branch(self.selection.copy(), deque(self.forced), deque(self.open))

    def choose(self, candidate: Candidate, reason: Reason) -> None:
        self.selection.add(candidate, reason)
        self.forced.extend(Reason(needs, candidate) for needs in candidate.needs)


def resolve(
    universe: Universe, wanted: Sequence[Relation], *, installed: Iterable[Candidate] = (), base: bool = True
) -> tuple[Candidate, ...]:
    """Return the packages that must be added so that everything wanted is installed and works.

    Args:
        universe: what there is.
        wanted: the packages that were asked for, in order.
        installed: packages that are there and stay as they are.
        base: whether the essential packages are wanted too, before the others.

    Returns:
        The packages to add, by name.

    Raises:
        UnmetError: there is no such set; the message explains the first thing that could not be met.
        ResolveError: none was found among very many choices.
    """
    start = _Branch(Selection(universe.architecture), deque(), deque())
    for candidate in installed:
        start.selection.add(candidate, None)
    there = frozenset(start.selection.chosen)
    essential = [Relation(candidate.name) for candidate in universe.essential()] if base else []
    start.forced.extend(Reason((relation,), None) for relation in (*essential, *wanted))
    chosen = _search(universe, start).chosen
    return tuple(chosen[name] for name in sorted(chosen) if name not in there)


def _search(universe: Universe, branch: _Branch) -> Selection:
    others: list[tuple[_Branch, Reason, list[Candidate]]] = []
    first: UnmetError | None = None
    for _ in range(_MOST_DECISIONS):
        failure = _propagate(universe, branch)
        if failure is None and not branch.open:
            return branch.selection
        if failure is None:
            reason = branch.open.popleft()
            options = _options(universe, branch.selection, reason.needs)
            if branch.selection.meets(reason.needs):
                continue
            if options:
                if options[1:]:
                    others.append((branch.copy(), reason, options[1:]))
                branch.choose(options[0], reason)
                continue
            failure = reason
        first = first or _unmet(universe, branch.selection, failure)
        if not others:
            raise first
        earlier, reason, options = others.pop()
        branch = earlier
        if options[1:]:
            others.append((earlier.copy(), reason, options[1:]))
        branch.choose(options[0], reason)
    raise ResolveError(f"gave up after {_MOST_DECISIONS} choices between packages; the first problem: {first}")


def _propagate(universe: Universe, branch: _Branch) -> Reason | None:
    """Choose all that is forced; return what cannot be met, if anything."""
    while branch.forced:
        reason = branch.forced.popleft()
        if branch.selection.meets(reason.needs):
            continue
        options = _options(universe, branch.selection, reason.needs)
        if not options:
            return reason
        if len(options) == 1:
            branch.choose(options[0], reason)
        else:
            branch.open.append(reason)
    return None


def _options(universe: Universe, selection: Selection, needs: Alternatives) -> list[Candidate]:
    """Return the candidates that meet a dependency and can be chosen, the preferred first."""
    names = {relation.name for relation in needs}
    avoided = {name for name, better in _PREFERRED.items() if better in names}
    ordered = sorted(needs, key=lambda relation: relation.name in avoided)
    found = dict.fromkeys(candidate for relation in ordered for candidate in universe.matching(relation))
    return [candidate for candidate in found if selection.obstacle(candidate) is None]


def _unmet(universe: Universe, selection: Selection, failure: Reason) -> UnmetError:
    involved = {relation.name for relation in failure.needs}
    if failure.parent is not None:
        involved.add(failure.parent.name)
    for relation in failure.needs:
        obstacles = (selection.obstacle(candidate) for candidate in universe.matching(relation))
        involved.update(obstacle.other.name for obstacle in obstacles if obstacle is not None)
    return UnmetError(
        _explain(universe, selection, failure),
        hint=_hint(universe, failure),
        involved=frozenset(involved),
        asked=failure.needs[0].name if failure.parent is None else "",
    )


def _explain(universe: Universe, selection: Selection, failure: Reason) -> str:
    asked = failure.parent is None
    if failure.parent is None:
        lead = f"cannot install {failure}"
    else:
        chain = selection.because(failure.parent)
        lead = f"cannot install {failure}, which {failure.parent} needs{chain}"
    problems = [_problem(universe, selection, relation, asked=asked) for relation in failure.needs]
    return f"{lead}: {'; '.join(problems)}"


def _problem(universe: Universe, selection: Selection, relation: Relation, *, asked: bool) -> str:
    for candidate in universe.matching(relation):
        obstacle = selection.obstacle(candidate)
        if obstacle is not None:
            return str(obstacle)
    known = universe.candidate(relation.name)
    if known is not None:
        return f"the archive has {known}"
    near = universe.near(relation.name) if asked else ""
    return f"the archive has no package {relation.name!r}{f'; did you mean {near!r}?' if near else ''}"


def _hint(universe: Universe, failure: Reason) -> str:
    if failure.parent is None and all(universe.candidate(relation.name) is None for relation in failure.needs):
        return "the names are those of Debian packages: look them up at https://packages.debian.org"
    if not any(universe.matching(relation) for relation in failure.needs):
        return "ask for another version, or name a suite or a `mirror:` that has what is needed"
    return (
        "leave out one of the packages that refuse each other, or `seatrial lock --upgrade` if an older lock holds one"
    )
