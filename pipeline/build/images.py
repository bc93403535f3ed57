"""Build an image and a suite from a lock: two trees, two digests.

What fills a layer is loaded where one is made: a `verify` that finds all layers built pays for none of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.assemble import assemble_image, assemble_suite
from pipeline.build.fetch import Fetcher
from pipeline.build.files import files_digest, find_files, lay_files
from pipeline.build.left_out import LEFT_OUT
from pipeline.build.leftovers import trees_of
from pipeline.build.lock import Lock, LockedTree, Platform
from pipeline.build.owners import add_user, adopt, give_home
from pipeline.build.twice import Conditions, Workshop
from pipeline.declare.errors import BuildError
from pipeline.declare.image import BuiltImage, FilesEntry, LocalFiles, SdistFiles
from pipeline.declare.spec import EnvSpec
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.oci.image import Image, Layer
from runtime.oci.layout import Layout
from runtime.oci.trees import Trees

_SITE = "usr/lib/python3/dist-packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What verifying adds to every suite that has Python tools.

    Args:
        folder: where its tools lie, such as ``/.seatrial/python``.
        files: path relative to ``folder`` → content.
        path_file: content of the ``.pth`` file in the last site folder.
        tree_file: absolute path of the file that lists the suite's own paths.
        tree_content: makes its content of those paths.
    """

    folder: str
    files: Mapping[str, bytes]
    path_file: bytes
    tree_file: str
    tree_content: Callable[[tuple[str, ...]], bytes]


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

    def build(self, spec: EnvSpec, lock: Lock, architecture: str = "amd64") -> tuple[Digest, Digest]:
        """Return the digests of the image's and the suite's manifest; what is built already is not built again.

        A layer that was never built here is built twice under different conditions, and compared.

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
        base = self._base(spec.image, platform, lock.epoch)
        image_layers = [base, *self._app(spec, spec.image, platform, lock.epoch, base)]
        suite_layers = [self._suite(spec, platform, lock.epoch, image_layers)]
        name, layout, epoch = spec.name, self.layout, lock.epoch
        image = assemble_image(spec.image, image_layers, layout, name=name, architecture=architecture, epoch=epoch)
        suite = assemble_suite(suite_layers, layout, name=name, architecture=architecture, epoch=epoch)
        return image, suite

    def _base(self, image: BuiltImage, platform: Platform, epoch: int) -> Layer:
        packages = platform.image.debian
        key: dict[str, Json] = {
            "debian": [each.artifact.hash for each in packages],
            "locales": list(image.locales),
            "epoch": epoch,
        }

        def fill(folder: Path, conditions: Conditions) -> None:
            from pipeline.build.bootstrap import bootstrap  # noqa: PLC0415 - as the docstring says

            paths = self.fetcher.fetch_all([each.artifact for each in packages])
            named = {each.name: path for each, path in zip(packages, paths, strict=True)}
            bootstrap(folder, named, epoch=epoch, locales=image.locales, hostname=conditions.hostname)

        return self.workshop.layer("debian", key, fill, epoch=epoch, left_out=LEFT_OUT)

    def _app(self, spec: EnvSpec, image: BuiltImage, platform: Platform, epoch: int, base: Layer) -> tuple[Layer, ...]:
        python = ".".join(platform.image.interpreter.split(".")[:2])
        local = find_files([each for each in image.files if isinstance(each, LocalFiles)], spec.directory)
        key: dict[str, Json] = {
            "base": base.diff_id.text,
            "packages": [each.artifact.hash for each in platform.image.packages],
            "files": [each.model_dump(mode="json") for each in image.files],
            "content": files_digest(local).text,
            "user": image.user.model_dump(mode="json"),
            "epoch": epoch,
        }

        def fill(folder: Path, _: Conditions) -> None:
            (lower,) = self._paths([base])
            add_user(folder, lower, image, epoch=epoch)
            site = f"usr/local/lib/python{python}/dist-packages"
            self._install(folder, platform.image, site, "usr/local/bin")
            lay_files(local, folder, epoch=epoch)
            self._unpack_sources(folder, image.files, platform.image)
            self._finish(folder, [base], platform.image, site, epoch)
            give_home(folder, image)

        return (self.workshop.layer("app", key, fill, epoch=epoch),)

    def _suite(self, spec: EnvSpec, platform: Platform, epoch: int, below: list[Layer]) -> Layer:
        suite = spec.suite
        local = find_files([each for each in suite.files if isinstance(each, LocalFiles)], spec.directory)
        own = _own_paths(suite.files)
        listed = self.tools.tree_content(own)
        key: dict[str, Json] = {
            "below": [each.diff_id.text for each in below],
            "packages": [each.artifact.hash for each in platform.suite.packages],
            "files": [each.model_dump(mode="json") for each in suite.files],
            "content": files_digest(local).text,
            "tools": {path: Digest.of(content).text for path, content in self.tools.files.items()},
            "tree": Digest.of(listed).text,
            "epoch": epoch,
        }

        def fill(folder: Path, _: Conditions) -> None:
            from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter  # noqa: PLC0415 - as the docstring says

            top = self.tools.folder.strip("/")
            self._install(folder, platform.suite, top, f"{top.rpartition('/')[0]}/bin")
            with TreeWriter(folder, "the plug-in") as tree:
                if suite.python is not None:
                    for path, content in self.tools.files.items():
                        tree.file(f"{top}/{path}", (content,), mode=0o644, mtime=epoch)
                    tree.file(f"{_SITE}/seatrial.pth", (self.tools.path_file,), mode=0o644, mtime=epoch)
                tree.file(self.tools.tree_file.strip("/"), (listed,), mode=0o644, mtime=epoch)
            lay_files(local, folder, epoch=epoch)
            self._unpack_sources(folder, suite.files, platform.suite)
            self._finish(folder, below, platform.suite, top, epoch)

        return self.workshop.layer("suite", key, fill, epoch=epoch)

    def _install(self, folder: Path, tree: LockedTree, site: str, scripts: str) -> None:
        if tree.python:
            from pipeline.build.ecosystems.pypi.wheel import install_wheels  # noqa: PLC0415 - as the docstring says

            wheels = self.fetcher.fetch_all([each.artifact for each in tree.python])
            install_wheels(wheels, folder, site=site, scripts=scripts)

    def _unpack_sources(self, folder: Path, entries: tuple[FilesEntry, ...], tree: LockedTree) -> None:
        locked = {f"{each.name.lower().replace('_', '-')}=={each.version}": each for each in tree.sources}
        for entry in entries:
            if isinstance(entry, SdistFiles):
                from pipeline.build.ecosystems.pypi.sdist import unpack_sdist  # noqa: PLC0415 - as the docstring says

                package = locked[entry.sdist.lower().replace("_", "-")]
                archive = self.fetcher.fetch(package.artifact)
                unpack_sdist(archive, folder, to=entry.to.strip("/"), only=entry.only, name=package.artifact.name)

    def _finish(self, folder: Path, below: Sequence[Layer], tree: LockedTree, site: str, epoch: int) -> None:
        """Settle whose the files of a layer are, and add the byte-code of what was installed into ``site``."""
        lower = self._paths(below)
        adopt(folder, lower[::-1])
        if tree.python:
            from pipeline.build.bytecode import compile_bytecode  # noqa: PLC0415 - as the docstring says
            from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter  # noqa: PLC0415 - as the docstring says

            with TreeWriter(folder, "byte-code") as writer:
                for path, content in compile_bytecode((*lower, folder), f"/{site}"):
                    writer.file(f"{site}/{path}", (content,), mode=0o644, mtime=epoch)
            adopt(folder, lower[::-1])

    def _paths(self, layers: Sequence[Layer]) -> tuple[Path, ...]:
        return self.trees.paths(tuple(layers))


def _own_paths(entries: tuple[FilesEntry, ...]) -> tuple[str, ...]:
    return tuple(sorted({each.to for each in entries}))
