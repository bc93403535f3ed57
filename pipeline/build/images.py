"""Build an image and a suite from a lock, two trees with two digests, and the images of the services beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.build.assemble import assemble_image, assemble_index, assemble_suite
from pipeline.build.existing import Ways, check_tools, interpreter_of, pin, take
from pipeline.build.fetch import Fetcher
from pipeline.build.files import find_files
from pipeline.build.interpreter import Interpreter
from pipeline.build.layers import Making, Tools
from pipeline.build.lock import Lock, LockedTree, Platform
from pipeline.build.unpacked import trees_of
from pipeline.build.workshop import Workshop
from pipeline.declare.errors import BuildError
from pipeline.declare.faults import SpecFaults
from pipeline.declare.image import BuiltImage, ExistingImage, LocalFiles
from pipeline.declare.spec import EnvSpec
from pipeline.declare.validate import place_of
from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.platform import own_architecture
from runtime.oci.trees import Trees
from runtime.plan import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Builds into one store.

    Args:
        store: its folder; the layout is ``oci``, unpacked layers are in ``trees``, what is built already in ``builds``.
        fetcher: reaches packages.
        tools: what verifying adds to suites.
        is_fresh: whether every layer is built again, whatever was built before.
    """

    store: Path
    fetcher: Fetcher
    tools: Tools
    is_fresh: bool = False

    @property
    def layout(self) -> Layout:
        """The store's images."""
        return Layout(self.store / "oci")

    @property
    def trees(self) -> Trees:
        """The store's unpacked layers."""
        return trees_of(self.store)

    @property
    def workshop(self) -> Workshop:
        """Where the layers are made."""
        return Workshop(layout=self.layout, trees=self.trees, records=self.store / "builds", is_fresh=self.is_fresh)

    def layers(self, manifest: Digest) -> tuple[Path, ...]:
        """Return the unpacked layers of an image or a suite, the lowest first."""
        return self.trees.paths(Image.open(self.layout, manifest).layers)

    def build(self, spec: EnvSpec, lock: Lock, architecture: str, instead: ExistingImage | None = None) -> Variant:
        """Return the digests of the image's and the suite's manifest; what is built already is not built again.

        A layer that was never built here is built twice under different conditions, and compared.

        Args:
            spec: what is asked for.
            lock: pins it.
            architecture: one of the lock's; one that is not this machine's is built by emulation.
            instead: an image that the suite is built for, in place of the spec's own.

        Raises:
            ImageError, StoreError, DigestError: an image that exists already cannot be had as it should be.
            BuildError, PackageError: it cannot be built; the message says why.
            NotReproducibleError: two builds of a layer differ.
            FetchError: a package cannot be had.
        """
        platform = lock.platforms[architecture]
        is_own = architecture == own_architecture()
        name = spec.name if is_own else f"{spec.name}.{architecture}"
        making = self._making(spec, platform, lock.epoch, foreign="" if is_own else architecture)
        layout, epoch = self.layout, lock.epoch
        _refuse_files(spec)
        if instead is None and isinstance(spec.image, BuiltImage):
            below = making.image(spec.image)
            image = assemble_image(spec.image, below, layout, name=name, architecture=architecture, epoch=epoch)
        else:
            taken, python = self._take(spec, platform, architecture, instead)
            making = replace(making, interpreter=python)
            image, below = taken.digest, taken.layers
        suite = assemble_suite(making.suite(below), layout, name=name, architecture=architecture, epoch=epoch)
        return Variant(architecture=architecture, image=image, suite=suite)

    def image(self, spec: EnvSpec, lock: Lock, architecture: str) -> Digest:
        """Return the digest of the manifest of an image alone, which is built as ``build`` does it.

        Raises:
            BuildError: the image exists already, or cannot be built; the message says why.
            PackageError, NotReproducibleError, FetchError: as of ``build``.
        """
        if not isinstance(spec.image, BuiltImage):
            raise BuildError(f"{spec.path}: its image exists already, and is not built")
        foreign = "" if architecture == own_architecture() else architecture
        layers = self._making(spec, lock.platforms[architecture], lock.epoch, foreign=foreign).image(spec.image)
        name = spec.name if not foreign else f"{spec.name}.{foreign}"
        return assemble_image(spec.image, layers, self.layout, name=name, architecture=architecture, epoch=lock.epoch)

    def index(self, spec: EnvSpec, variants: Sequence[Variant]) -> Digest | None:
        """Return the digest of an index of the images that were built for several architectures; None for fewer."""
        if len(variants) < 2 or not isinstance(spec.image, BuiltImage):
            return None
        return assemble_index(variants, self.layout, name=spec.name)

    def build_services(self, spec: EnvSpec, lock: Lock) -> Mapping[str, Digest]:
        """Return name → digest of the manifest of each service's image, made as the environment's own is.

        The layout lists each as ``NAME/services/SERVICE`` too.

        Raises:
            BuildError: as of ``build``, or the spec has not this machine's own architecture: nobody asks how a service
                behaves under emulation.
            PackageError, NotReproducibleError, FetchError: as of ``build``.
        """
        own, built = own_architecture(), {}
        if spec.services and own not in lock.platforms:
            raise BuildError(
                f"{spec.path}: services run on this machine's own architecture, which the spec has not ({own})",
                hint=f"add {own} to `architectures`, and lock again",
            )
        for name, service in spec.services.items():
            tree = lock.platforms[own].services[name]
            if not isinstance(service.image, BuiltImage):
                built[name] = take(service.image, tree, self._ways(spec.directory), own).digest
                continue
            making = self._making(spec, Platform(image=tree, suite=LockedTree()), lock.epoch)
            layers = making.image(service.image)
            listed = f"{spec.name}/services/{name}"
            built[name] = assemble_image(
                service.image, layers, self.layout, name=listed, architecture=own, epoch=lock.epoch
            )
        return built

    def _take(
        self, spec: EnvSpec, platform: Platform, architecture: str, instead: ExistingImage | None
    ) -> tuple[Image, Interpreter | None]:
        """Return an image that exists already, and the Python of it that the suite needs, if it needs one."""
        if instead is not None:
            taken = pin(instead, self._ways(Path()), architecture)
        else:
            taken = take(spec.image, platform.image, self._ways(spec.directory), architecture)
        python = interpreter_of(spec, taken, self.store)
        if python is not None:
            check_tools(platform.image, platform.suite.python, python, architecture)
        return taken, python

    def _ways(self, directory: Path) -> Ways:
        return Ways(directory=directory, store=self.store, connections=self.fetcher.connections)

    def _making(self, spec: EnvSpec, platform: Platform, epoch: int, *, foreign: str = "") -> Making:
        return Making(
            workshop=self.workshop,
            fetcher=self.fetcher,
            tools=self.tools,
            spec=spec,
            platform=platform,
            epoch=epoch,
            foreign=foreign,
        )


def _refuse_files(spec: EnvSpec) -> None:
    """Refuse local files that no tree can hold before anything is built: the packages below them take minutes.

    Raises:
        SpecFaults: there are some; at the line that brings them.
    """
    faults = []
    for key, part in (("image", spec.image), ("suite", spec.suite)):
        for index, entry in enumerate(() if isinstance(part, ExistingImage) else part.files):
            try:
                find_files([each for each in (entry,) if isinstance(each, LocalFiles)], spec.directory)
            except BuildError as error:
                if spec.source is None:
                    raise
                place = place_of(spec.source, (key, "files", index, "from"))
                faults.append(place.fault(error.message, error.hint))
    if faults:
        raise SpecFaults(faults)
