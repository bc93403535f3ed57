"""What an archive offers: of each package name the newest version, over all pockets."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.ecosystems.debian.relations import Alternatives, Relation, parse_relations
from pipeline.build.ecosystems.debian.stanza import parse_stanza
from pipeline.build.ecosystems.debian.version import version_order
from pipeline.declare.errors import ArchiveError, LockError
from pipeline.declare.reasons import Reason

_PRIORITIES = ("required", "important", "standard", "optional", "extra")
_HASHES = (("sha512", "sha512"), ("sha256", "sha256"))
_WRONG = "the archive itself was made wrong: tell whoever keeps it, or name another one in `mirror:`"


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidate:
    """One version of a package; two objects are two candidates.

    Args:
        name: the package.
        version: its version.
        architecture: its own, ``all`` or that of the machine.
        archive: the archive that offers it.
        fields: its control fields by lower-case name.
    """

    name: str
    version: str
    architecture: str
    archive: str
    fields: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def is_essential(self) -> bool:
        """Whether no system may be without it."""
        return self.fields.get("essential", "") == "yes"

    @property
    def rank(self) -> tuple[int, str]:
        """Order among packages that provide the same: by priority, then by name."""
        priority = self.fields.get("priority", "")
        return (_PRIORITIES.index(priority) if priority in _PRIORITIES else len(_PRIORITIES), self.name)

    @cached_property
    def needs(self) -> tuple[Alternatives, ...]:
        """What must be installed with it: ``Pre-Depends``, then ``Depends``."""
        return self._relations("pre-depends") + self._relations("depends")

    @cached_property
    def refuses(self) -> tuple[Relation, ...]:
        """What may not be installed beside it: ``Conflicts`` and ``Breaks``."""
        groups = self._relations("conflicts") + self._relations("breaks")
        return tuple(relation for group in groups for relation in group)

    @cached_property
    def provides(self) -> tuple[Relation, ...]:
        """The names that it answers to beside its own, some with a version."""
        return tuple(relation for group in self._relations("provides") for relation in group)

    def answers(self, relation: Relation, architecture: str) -> bool:
        """Return whether it satisfies ``relation``, by itself or by what it provides.

        Args:
            relation: a name, perhaps with a version; one with a version is met by a provided name of that version only.
            architecture: the machine's, the only one whose packages are installed.
        """
        if relation.qualifier not in {"", "any", "native", architecture}:
            return False
        if relation.name == self.name and relation.admits(self.version):
            return True
        return any(own.name == relation.name and relation.admits(own.version) for own in self.provides)

    def locked(self) -> LockedPackage:
        """Return the package as a lock pins it.

        Raises:
            ArchiveError: the archive lists no strong hash, or no usable path or size.
        """
        strongest = next((f"{name}:{self.fields[key]}" for key, name in _HASHES if self.fields.get(key)), "")
        if not strongest:
            message = f"{self.archive}: lists no SHA-256 or SHA-512 of {self}, and weaker hashes are refused"
            raise ArchiveError(message, hint=_WRONG, reason=Reason.INDEX_WEAK)
        size = self.fields.get("size", "")
        if not size.isdigit() or not self.fields.get("filename"):
            message = f"{self.archive}: lists no size or no file name of {self}"
            raise ArchiveError(message, hint=_WRONG, reason=Reason.INDEX_LISTED)
        try:
            artifact = Artifact(
                source=f"{self.archive}:{self.fields['filename'].removeprefix('./')}",
                size=int(size),
                hash=strongest,
                sha256=self.fields.get("sha256", ""),
            )
        except LockError as error:
            raise ArchiveError(
                f"{self.archive}: what is listed of {self} is refused: {error.message}",
                hint=_WRONG,
                reason=Reason.INDEX_LISTED,
            ) from error
        return LockedPackage(name=self.name, version=self.version, architecture=self.architecture, artifact=artifact)

    def _relations(self, name: str) -> tuple[Alternatives, ...]:
        return parse_relations(" ".join(self.fields.get(name, "").split()))


class Universe:
    """All candidates of one lock: one for each name, the newest that any index lists.

    Stanzas are split when they are added, and parsed when their name is asked for.

    Args:
        architecture: the machine's; others are ignored.
    """

    def __init__(self, architecture: str) -> None:
        self.architecture = architecture
        self._stanzas: dict[str, list[tuple[str, bytes]]] = {}
        self._providers: dict[str, set[str]] = {}
        self._essential: set[str] = set()
        self._chosen: dict[str, Candidate] = {}
        self._kept: set[str] = set()

    def copy(self) -> "Universe":
        """Return the same offer without what was kept; what the indexes list is shared."""
        twin = Universe(self.architecture)
        twin._stanzas, twin._essential = self._stanzas, self._essential
        twin._providers = {name: set(providers) for name, providers in self._providers.items()}
        twin._chosen = {name: one for name, one in self._chosen.items() if name not in self._kept}
        return twin

    def add(self, archive: str, packages: bytes) -> None:
        """Add what a ``Packages`` file lists; of equal versions the one that was added first is kept."""
        for stanza in packages.split(b"\n\n"):
            name = _value(stanza, b"Package")
            if not name:
                continue
            text = name.decode("ascii", "replace")
            self._stanzas.setdefault(text, []).append((archive, stanza))
            if b"\nEssential: yes" in stanza:
                self._essential.add(text)
            if b"\nProvides:" in stanza:
                for provided in _value(stanza, b"Provides").split(b","):
                    virtual = provided.strip().partition(b" ")[0].partition(b"(")[0].partition(b":")[0]
                    self._providers.setdefault(virtual.decode("ascii", "replace"), set()).add(text)

    def keep(self, candidate: Candidate) -> None:
        """Make ``candidate`` the only one of its name, whatever the indexes list."""
        self._chosen[candidate.name] = candidate
        self._kept.add(candidate.name)
        for provided in candidate.provides:
            self._providers.setdefault(provided.name, set()).add(candidate.name)

    def candidate(self, name: str) -> Candidate | None:
        """Return the one candidate of a name, or None if there is none."""
        if name not in self._chosen:
            newest = self.newest(name)
            if newest is None:
                return None
            self._chosen[name] = newest
        return self._chosen[name]

    def newest(self, name: str) -> Candidate | None:
        """Return the newest version that an index lists, whatever is kept."""
        # max keeps the first of equal ones; indexes are added in a fixed order.
        return max(self.versions(name), key=lambda candidate: version_order(candidate.version), default=None)

    def versions(self, name: str) -> tuple[Candidate, ...]:
        """Return every version of a package that an index lists for this architecture."""
        found = []
        for archive, stanza in self._stanzas.get(name, ()):
            fields = parse_stanza(stanza.decode("utf-8", errors="replace"))
            architecture = fields.get("architecture", "")
            if architecture in {"all", self.architecture} and fields.get("version"):
                found.append(
                    Candidate(
                        name=name, version=fields["version"], architecture=architecture, archive=archive, fields=fields
                    )
                )
        return tuple(found)

    def matching(self, relation: Relation) -> tuple[Candidate, ...]:
        """Return the candidates that satisfy ``relation``: a real package first, then those that provide it by rank."""
        real = self.candidate(relation.name)
        virtual = [self.candidate(name) for name in sorted(self._providers.get(relation.name, ()))]
        ordered = [real] if real is not None else []
        ordered += sorted((one for one in virtual if one is not None and one is not real), key=lambda one: one.rank)
        return tuple(one for one in ordered if one.answers(relation, self.architecture))

    def essential(self) -> Iterator[Candidate]:
        """Yield the essential packages by name."""
        for name in sorted(self._essential):
            candidate = self.candidate(name)
            if candidate is not None and candidate.is_essential:
                yield candidate

    def near(self, name: str) -> str:
        """Return the name of a package that is written much like ``name``, or empty."""
        # The whole archive has too many names for difflib; a slip seldom changes the first letter and the length.
        alike = [known for known in self._names() if known[:1] == name[:1] and abs(len(known) - len(name)) <= 2]
        return next(iter(difflib.get_close_matches(name, sorted(alike), n=1, cutoff=0.75)), "")

    @property
    def names(self) -> Collection[str]:
        """The names of all packages that an index lists, in no order."""
        return self._stanzas.keys()

    def _names(self) -> Iterable[str]:
        return self._stanzas.keys() | self._providers.keys()


def _value(stanza: bytes, name: bytes) -> bytes:
    """Return a field's value from a raw stanza, continuation lines included."""
    start = 0
    if not stanza.startswith(name + b":"):
        start = stanza.find(b"\n" + name + b":") + 1
        if not start:
            return b""
    start += len(name) + 1
    end = stanza.find(b"\n", start)
    while end >= 0 and stanza[end + 1 : end + 2] in {b" ", b"\t"}:
        end = stanza.find(b"\n", end + 1)
    return stanza[start : end if end >= 0 else len(stanza)].strip()
