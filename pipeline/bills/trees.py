"""Which of a spec's trees a bill is asked of: the image, the suite, or a service's image, for one architecture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from pipeline.bills.bill import Bill, Subject
from pipeline.build.lock import Lock, LockedTree
from pipeline.declare.errors import SpecError
from pipeline.declare.image import BuiltImage
from pipeline.declare.spec import EnvSpec
from pipeline.declare.stages import needed_stages
from runtime.digest import Digest
from runtime.oci.platform import own_architecture
from runtime.plan import Variant

IMAGE, SUITE, SERVICES = "image", "suite", "services/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One tree of a spec.

    Args:
        part: ``image``, ``suite`` or ``services/NAME``.
        architecture: one of the spec's.
    """

    part: str
    architecture: str

    @classmethod
    def find(cls, spec: EnvSpec, part: str, architecture: str | None) -> Self:
        """Return the tree that is asked for.

        Args:
            spec: has it.
            part: its name.
            architecture: None for this machine's own, or the spec's first where it has not that one.

        Raises:
            SpecError: the spec has no such tree; the hint lists those that it has.
        """
        parts = (IMAGE, SUITE, *(f"{SERVICES}{name}" for name in spec.services))
        _require(part in parts, f"{spec.path} has no tree '{part}'", "--of", parts)
        own = own_architecture()
        # Services are built for this machine only: nobody asks how they behave under emulation.
        names = [own] if part.startswith(SERVICES) else list(spec.architectures)
        chosen = architecture or (own if own in names else names[0])
        _require(chosen in names, f"{spec.path}: {part} is not built for '{chosen}'", "--architecture", names)
        return cls(part=part, architecture=chosen)

    def bill(self, spec: EnvSpec, lock: Lock, variants: Sequence[Variant], services: Mapping[str, Digest]) -> Bill:
        """Return its bill.

        Args:
            spec: has it.
            lock: the spec's.
            variants: what was built, one an architecture.
            services: name → digest of the manifest of each service's image.
        """
        platform = lock.platforms[self.architecture]
        beside = {f"{SERVICES}{name}": each for name, each in platform.services.items()}
        trees = {IMAGE: platform.image, SUITE: platform.suite, **beside}
        built = next(each for each in variants if each.architecture == self.architecture)
        subject = self._subject(spec, lock.debian, built, services)
        return Bill.of(subject, trees[self.part], lock, self._stages(spec, trees))

    def _stages(self, spec: EnvSpec, trees: Mapping[str, LockedTree]) -> Mapping[str, LockedTree]:
        """Return what is locked of the stages that made a part of this tree; a suite takes from its image's."""
        service = self.part.removeprefix(SERVICES)
        image = spec.services[service].image if self.part.startswith(SERVICES) else spec.image
        if not isinstance(image, BuiltImage):
            return {}
        locked = trees[IMAGE if self.part == SUITE else self.part].stages
        files = spec.suite.files if self.part == SUITE else image.files
        return {name: locked[name] for name in needed_stages(files, image.stages)}

    def _subject(self, spec: EnvSpec, distribution: str, built: Variant, services: Mapping[str, Digest]) -> Subject:
        image = Subject(name=spec.name, architecture=self.architecture, manifest=built.image, distribution=distribution)
        if self.part == IMAGE:
            return image
        named = replace(image, name=f"{spec.name}/{self.part}")
        if self.part == SUITE:
            return replace(named, manifest=built.suite, below=built.image)
        service = self.part.removeprefix(SERVICES)
        return replace(named, manifest=services[service], distribution=_distribution(spec, service, distribution))


def _distribution(spec: EnvSpec, service: str, usual: str) -> str:
    """Return the suite of Debian that a service's packages are from; a lock has the environment's own only."""
    image = spec.services[service].image
    return image.debian.suite if isinstance(image, BuiltImage) else usual


def _require(holds: bool, message: str, option: str, known: Sequence[str]) -> None:  # noqa: FBT001 - what is required
    if not holds:
        raise SpecError(message, hint=f"write {option} with one of: {', '.join(known)}")
