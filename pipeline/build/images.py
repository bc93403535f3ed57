"""Build an image and a suite from a lock, two trees with two digests, and the images of the services beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.assemble import assemble_image, assemble_suite
from pipeline.build.fetch import Fetcher
from pipeline.build.layers import Making, Tools
from pipeline.build.lock import Lock, LockedTree, Platform
from pipeline.build.twice import Workshop
from pipeline.build.unpacked import trees_of
from pipeline.declare.errors import BuildError
from pipeline.declare.image import BuiltImage
from pipeline.declare.spec import EnvSpec
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

    def build(self, spec: EnvSpec, lock: Lock, architecture: str) -> Variant:
        """Return the digests of the image's and the suite's manifest; what is built already is not built again.

        A layer that was never built here is built twice under different conditions, and compared.

        Args:
            spec: what is asked for.
            lock: pins it.
            architecture: one of the lock's; one that is not this machine's is built by emulation.

        Raises:
            BuildError, PackageError: it cannot be built; the message says why.
            NotReproducibleError: two builds of a layer differ.
            FetchError: a package cannot be had.
        """
        if not isinstance(spec.image, BuiltImage):
            raise BuildError(f"{spec.path}: an image that exists already is not built")
        platform = lock.platforms[architecture]
        if platform.suite.debian:
            names = ", ".join(each.name for each in platform.suite.debian[:5])
            raise BuildError(
                f"{spec.path}: Debian packages of a suite are not built yet ({names})",
                hint="name python3 in image.packages where only the suite uses it",
            )
        is_own = architecture == own_architecture()
        making = self._making(spec, spec.image, platform, lock.epoch, foreign="" if is_own else architecture)
        base = making.base()
        image_layers = [base, *making.app(base)]
        suite_layers = [making.suite(image_layers)]
        name = spec.name if is_own else f"{spec.name}.{architecture}"
        layout, epoch = self.layout, lock.epoch
        image = assemble_image(spec.image, image_layers, layout, name=name, architecture=architecture, epoch=epoch)
        suite = assemble_suite(suite_layers, layout, name=name, architecture=architecture, epoch=epoch)
        return Variant(architecture=architecture, image=image, suite=suite)

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
            if not isinstance(service.image, BuiltImage):
                raise BuildError(f"{spec.path}: an image that exists already is not built")
            platform = Platform(image=lock.platforms[own].services[name], suite=LockedTree())
            making = self._making(spec, service.image, platform, lock.epoch)
            base = making.base()
            layers = [base, *making.app(base)]
            listed = f"{spec.name}/services/{name}"
            built[name] = assemble_image(
                service.image, layers, self.layout, name=listed, architecture=own, epoch=lock.epoch
            )
        return built

    def _making(self, spec: EnvSpec, image: BuiltImage, platform: Platform, epoch: int, *, foreign: str = "") -> Making:
        return Making(
            workshop=self.workshop,
            fetcher=self.fetcher,
            tools=self.tools,
            spec=spec,
            image=image,
            platform=platform,
            epoch=epoch,
            foreign=foreign,
        )
