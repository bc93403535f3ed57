"""The packages chosen so far, and what they allow beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.build.ecosystems.debian.index import Candidate
from pipeline.build.ecosystems.debian.relations import Alternatives, Relation


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a package was chosen, or what could not be met.

    Args:
        needs: the dependency.
        parent: whose it is; None for what was asked for.
    """

    needs: Alternatives
    parent: Candidate | None

    def __str__(self) -> str:
        return " | ".join(str(relation) for relation in self.needs)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a package cannot be chosen.

    Args:
        other: the chosen package that stands in its way.
        text: the same for people.
    """

    other: Candidate
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class Selection:
    """Packages that can be installed together, at one version each.

    Values in its mappings are never changed in place, so that a copy shares them.

    Args:
        architecture: the machine's.
        chosen: the packages by name, in the order in which they were chosen.
        reasons: why, by name; packages that are there already have none.
    """

    architecture: str
    chosen: dict[str, Candidate] = field(default_factory=dict)
    reasons: dict[str, Reason] = field(default_factory=dict)
    _answering: dict[str, tuple[Candidate, ...]] = field(default_factory=dict)
    _refused: dict[str, tuple[tuple[Relation, Candidate], ...]] = field(default_factory=dict)

    def copy(self) -> "Selection":
        """Return a selection that can be changed without changing this one."""
        return Selection(
            self.architecture,
            dict(self.chosen),
            dict(self.reasons),
            dict(self._answering),
            dict(self._refused),
        )

    def add(self, candidate: Candidate, reason: Reason | None) -> None:
        """Choose ``candidate``; that nothing refuses it was checked before with ``obstacle``."""
        self.chosen[candidate.name] = candidate
        if reason is not None:
            self.reasons[candidate.name] = reason
        for name in _names(candidate):
            self._answering[name] = (*self._answering.get(name, ()), candidate)
        for relation in candidate.refuses:
            self._refused[relation.name] = (*self._refused.get(relation.name, ()), (relation, candidate))

    def meets(self, needs: Alternatives) -> bool:
        """Return whether a chosen package satisfies one of the alternatives."""
        return any(
            candidate.answers(relation, self.architecture)
            for relation in needs
            for candidate in self._answering.get(relation.name, ())
        )

    def obstacle(self, candidate: Candidate) -> Obstacle | None:
        """Return why ``candidate`` cannot be chosen beside the others; None if it can.

        A package never stands in its own way: one that provides and conflicts with a name means the others of it.
        """
        known = self.chosen.get(candidate.name)
        if known is not None:
            return None if known is candidate else Obstacle(known, f"{known} is there already")
        for relation in candidate.refuses:
            for other in self._answering.get(relation.name, ()):
                if other.answers(relation, self.architecture):
                    text = f"{candidate} refuses {relation}, and {other} is chosen{self.because(other)}"
                    return Obstacle(other, text)
        for name in _names(candidate):
            for relation, other in self._refused.get(name, ()):
                if candidate.answers(relation, self.architecture):
                    return Obstacle(other, f"{other} refuses {relation}, and it is chosen{self.because(other)}")
        return None

    def because(self, candidate: Candidate) -> str:
        """Return ``" (asked for → … → name)"``: the chain of dependencies that led to ``candidate``."""
        names: list[str] = []
        current: Candidate | None = candidate
        while current is not None and current.name not in names:
            names.append(current.name)
            reason = self.reasons.get(current.name)
            current = reason.parent if reason is not None else None
        return f" ({' → '.join(reversed(names))})" if len(names) > 1 else ""


def _names(candidate: Candidate) -> Mapping[str, None]:
    return dict.fromkeys((candidate.name, *(relation.name for relation in candidate.provides)))
