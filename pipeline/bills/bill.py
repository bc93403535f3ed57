"""``Bill``: what one tree holds, the image's, the suite's or a service's, before it takes a format's form."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import NAMESPACE_URL, uuid5

from pipeline.bills.purl import package_url
from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.lock import Lock, LockedTree
from pipeline.declare.errors import LockError
from runtime.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a bill is about: one manifest that was built.

    Args:
        name: the spec's, and what of it: ``web``, ``web/suite`` or ``web/services/db``.
        architecture: as its config has it: ``amd64``.
        manifest: its digest.
        distribution: the suite of Debian that its packages are from, such as ``bookworm``.
        below: the image that a suite is laid over, and whose interpreter compiled its byte-code; None for an image.
    """

    name: str
    architecture: str
    manifest: Digest
    distribution: str
    below: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A package that the tree does not hold, and that a stage needed to make what the tree has from it.

    Args:
        package: what it is.
        stages: the names of the stages that have it, sorted.
    """

    package: LockedPackage
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one tree holds, exactly as its lock has it. Equal bills give equal bytes in every format.

    Args:
        subject: what was built.
        packages: all of its packages, sorted by their package URLs.
        lock: digest of the lock.
        answers: digest of the parts of the spec that the lock answers.
        epoch: seconds since 1970; the only time that a bill tells.
        inputs: what its stages needed beside, sorted as ``packages``: told of how it was made, not of what it holds.

    Raises:
        LockError: one file is locked twice, so that nothing could refer to one of the two.
    """

    subject: Subject
    packages: tuple[LockedPackage, ...]
    lock: Digest
    answers: Digest
    epoch: int
    inputs: tuple[Input, ...] = ()

    def __post_init__(self) -> None:
        counted = Counter(each.artifact.source for each in self.packages)
        for source, count in counted.items():
            if count > 1:
                raise LockError(
                    f"{source} is locked {count} times in {self.subject.name}",
                    hint="make the lock again: move it away, and run `seatrial lock`",
                )

    @classmethod
    def of(cls, subject: Subject, tree: LockedTree, lock: Lock, stages: Mapping[str, LockedTree] | None = None) -> Self:
        """Return the bill of a tree of a lock.

        Args:
            subject: what was built.
            tree: what it holds.
            lock: the whole lock.
            stages: name → what is locked of a stage, for those that made a part of it.

        Raises:
            LockError: see the class.
        """

        def place(package: LockedPackage) -> tuple[str, str]:
            return package_url(package, subject.distribution), package.artifact.source

        held = {each.artifact.source for each in tree.packages}
        needed: dict[LockedPackage, tuple[str, ...]] = {}
        for name, stage in sorted((stages or {}).items()):
            for each in stage.packages:
                if each.artifact.source not in held:
                    needed[each] = (*needed.get(each, ()), name)
        return cls(
            subject=subject,
            packages=tuple(sorted(tree.packages, key=place)),
            lock=lock.digest,
            answers=lock.answers,
            epoch=lock.epoch,
            inputs=tuple(Input(package=each, stages=needed[each]) for each in sorted(needed, key=place)),
        )

    @property
    def created(self) -> str:
        """The lock's epoch, as ``2026-10-29T10:32:16Z``: a document says nothing of when it was written."""
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def url(self, package: LockedPackage) -> str:
        """Return the package URL of one of its packages."""
        return package_url(package, self.subject.distribution)

    def identity(self, form: str) -> str:
        """Return the UUID of this bill's document in a format.

        It is drawn from all that decides the document, the manifest's digest before all, so that equal documents have
        equal ones and others have others.

        Args:
            form: name of the format.
        """
        subject = self.subject
        below = subject.below.text if subject.below else ""
        parts = (subject.manifest, subject.name, subject.architecture, subject.distribution, below)
        decided = Digest.of_json([str(each) for each in (*parts, self.lock, self.answers, self.epoch)])
        return str(uuid5(NAMESPACE_URL, f"https://seatrial.dev/bills/{form}/{decided}"))


def hashes(artifact: Artifact) -> dict[str, str]:
    """Return algorithm → hexadecimal digits, of every hash that the lock has of a file."""
    algorithm, _, digits = artifact.hash.partition(":")
    return {algorithm: digits} | ({"sha256": artifact.sha256} if artifact.sha256 else {})
