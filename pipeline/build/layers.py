"""What fills the layers of an image and of a suite.

What is needed for that is loaded where a layer is made: a `verify` that finds all layers built pays for none of it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.artifact import Artifact
from pipeline.build.fetch import Fetcher
from pipeline.build.files import files_digest, find_files, lay_files, with_content
from pipeline.build.forge import Forge
from pipeline.build.given import Gift, gifts_of, give
from pipeline.build.interpreter import Interpreter
from pipeline.build.lock import LockedTree, Platform
from pipeline.build.modules import LockedModule
from pipeline.build.owners import add_user, adopt, give_home, refuse_links
from pipeline.build.workshop import Conditions, Owners, Workshop
from pipeline.declare.errors import BuildError
from pipeline.declare.image import BuiltImage, FilesEntry, StageFiles
from pipeline.declare.spec import EnvSpec, ResultsFormat
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.oci.image import Layer

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
class Making:
    """Makes the layers of one environment for one architecture.

    Args:
        workshop: where layers are made.
        fetcher: reaches packages.
        tools: what verifying adds to the suite.
        spec: what is asked for.
        platform: what is locked for the architecture.
        epoch: the newest time of a file; seconds since 1970.
        foreign: the architecture, where it is not this machine's: the image's programs are emulated.
        interpreter: the Python that runs the suite, where the image is not built here: one that is has Debian's.
    """

    workshop: Workshop
    fetcher: Fetcher
    tools: Tools
    spec: EnvSpec
    platform: Platform
    epoch: int
    foreign: str = ""
    interpreter: Interpreter | None = None

    def image(self, image: BuiltImage) -> tuple[Layer, ...]:
        """Return the layers of an image: Debian packages, packages of the language, the app; what changes most last."""
        base = self._forge.debian(self.platform.image.debian, image.locales)
        packages = (*base, *self._packages(base), *self._modules(image, base))
        return (*packages, *self._app(image, packages))

    def _packages(self, base: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the layers of the wheels, with their byte-code."""
        tree, epoch = self.platform.image, self.epoch
        if not tree.python:
            return ()
        site = f"usr/local/lib/python{'.'.join(tree.interpreter.split('.')[:2])}/dist-packages"
        key: dict[str, Json] = {
            "below": [each.diff_id.text for each in base],
            "packages": [each.artifact.hash for each in tree.python],
            "epoch": epoch,
        }

        def fill(folder: Path, _: Conditions) -> None:
            self._install(folder, tree, site, "usr/local/bin")
            self._finish(folder, base, tree, site)

        def owners() -> Owners:
            from pipeline.build.belongings import wheel_owners  # noqa: PLC0415 - as the docstring says

            return lambda root: wheel_owners(root, site)

        return self.workshop.layers(
            "python", key, fill, epoch=epoch, owners=owners, needs=lambda: self.fetcher.fetch_all(_artifacts(tree))
        )

    def _modules(self, image: BuiltImage, base: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the layers of the packages of npm; they do not depend on the wheels."""
        modules, epoch = self.platform.image.node, self.epoch
        if not modules or image.node is None:
            return ()
        to = (image.node.to or image.workdir).strip("/")
        key: dict[str, Json] = {
            "below": [each.diff_id.text for each in base],
            "modules": _placed(modules),
            "to": to,
            "epoch": epoch,
        }

        def fill(folder: Path, _: Conditions) -> None:
            lower = self._paths(base)[::-1]
            self._install_modules(folder, modules, to, lower)
            adopt(folder, lower)

        def owners() -> Owners:
            from pipeline.build.ecosystems.npm.install import module_owners  # noqa: PLC0415 - as the docstring says

            return lambda root: module_owners(root, to, modules)

        artifacts = _artifacts(self.platform.image)
        return self.workshop.layers(
            "node", key, fill, epoch=epoch, owners=owners, needs=lambda: self.fetcher.fetch_all(artifacts)
        )

    def _app(self, image: BuiltImage, below: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the layer of the app's files and its user."""
        tree, epoch = self.platform.image, self.epoch
        local = with_content(find_files(image.files, self.spec.directory, self._taken(image, image.files)))
        key: dict[str, Json] = {
            "below": [each.diff_id.text for each in below],
            "sources": [each.artifact.hash for each in tree.sources],
            "files": [each.model_dump(mode="json") for each in image.files],
            "content": files_digest(local).text,
            "user": image.user.model_dump(mode="json"),
            "epoch": epoch,
        }

        def fill(folder: Path, _: Conditions) -> None:
            lower = self._paths(below)[::-1]
            refuse_links((each.path for each in local), lower)
            add_user(folder, lower, image, epoch=epoch)
            lay_files(local, folder, epoch=epoch)
            laid = self._lay_sources(folder, image.files, tree, lower)
            adopt(folder, lower)
            give(folder, lower, (*gifts_of(local), *laid))
            give_home(folder, image)

        return self.workshop.layers(
            "app", key, fill, epoch=epoch, needs=lambda: self.fetcher.fetch_all(_artifacts(tree))
        )

    def suite(self, below: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the layers of the suite tree, which are stacked over ``below`` for a run."""
        added = self._suite_debian(below)
        below = (*below, *added)
        spec, suite, platform, epoch = self.spec, self.spec.suite, self.platform, self.epoch
        stages = self._taken(spec.image, suite.files) if isinstance(spec.image, BuiltImage) else {}
        local = with_content(find_files(suite.files, spec.directory, stages))
        to = (suite.node.to or "/").strip("/") if suite.node else ""
        listed = self.tools.tree_content(_own_paths(suite.files))
        key: dict[str, Json] = {
            "below": [each.diff_id.text for each in below],
            "packages": [each.artifact.hash for each in platform.suite.packages],
            "files": [each.model_dump(mode="json") for each in suite.files],
            "content": files_digest(local).text,
            "tools": {path: Digest.of(content).text for path, content in self.tools.files.items()},
            "tree": Digest.of(listed).text,
            "epoch": epoch,
        }
        if self.interpreter is not None:
            key["interpreter"] = self.interpreter.to_json()
        if platform.suite.node:
            key["node"] = {"modules": _placed(platform.suite.node), "to": to}

        def fill(folder: Path, _: Conditions) -> None:
            from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter  # noqa: PLC0415 - as the docstring says

            top = self.tools.folder.strip("/")
            self._install(folder, platform.suite, top, f"{top.rpartition('/')[0]}/bin")
            with TreeWriter(folder, "the plug-in") as tree:
                if self._is_python:
                    for path, content in self.tools.files.items():
                        tree.file(f"{top}/{path}", (content,), mode=0o644, mtime=epoch)
                    site = self.interpreter.site if self.interpreter else _SITE
                    tree.file(f"{site}/seatrial.pth", (self.tools.path_file,), mode=0o644, mtime=epoch)
                tree.file(self.tools.tree_file.strip("/"), (listed,), mode=0o644, mtime=epoch)
            self._install_modules(folder, platform.suite.node, to, self._paths(below))
            refuse_links((each.path for each in local), self._paths(below)[::-1])
            lay_files(local, folder, epoch=epoch)
            lower = self._paths(below)[::-1]
            laid = self._lay_sources(folder, suite.files, platform.suite, lower)
            self._finish(folder, below, platform.suite, top)
            give(folder, lower, (*gifts_of(local), *laid))

        own = self.workshop.layers(
            "suite", key, fill, epoch=epoch, needs=lambda: self.fetcher.fetch_all(_artifacts(platform.suite))
        )
        return (*added, *own)

    def _suite_debian(self, below: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the layers of the Debian packages that only the suite has."""
        added, installed = self.platform.suite.debian, self.platform.image.debian
        if not added:
            return ()
        key: dict[str, Json] = {
            "below": [each.diff_id.text for each in below],
            "packages": [each.artifact.hash for each in added],
            "epoch": self.epoch,
        }
        names = {each.name for each in added}
        return self.workshop.recorded(
            "suite-debian", key, lambda: self._forge.debian_layers((*installed, *added)).over(tuple(below), names)
        )

    @property
    def _forge(self) -> Forge:
        return Forge(workshop=self.workshop, fetcher=self.fetcher, epoch=self.epoch, foreign=self.foreign)

    def _taken(self, image: BuiltImage, entries: Sequence[FilesEntry]) -> Mapping[str, Path]:
        """Return stage → the folder of what is taken from it, for each stage that some files come from."""
        if not any(isinstance(each, StageFiles) for each in entries):
            return {}
        from pipeline.build.stage_layers import Stages  # noqa: PLC0415 - as the docstring says

        stages = Stages(
            forge=self._forge,
            image=image,
            locked=self.platform.image.stages,
            directory=self.spec.directory,
            suite=self.spec.suite.files if image is self.spec.image else (),
        )
        return stages.taken(entries)

    def _lay_sources(
        self, folder: Path, entries: Sequence[FilesEntry], tree: LockedTree, lower: Sequence[Path]
    ) -> tuple[Gift, ...]:
        """Lay what is fetched for some entries, and refuse what leads through a link of the image."""
        laid = self._forge.lay_sources(folder, entries, tree)
        refuse_links((path for each in laid for path in each.paths), lower)
        return laid

    @property
    def _is_python(self) -> bool:
        """Whether the suite has the plug-in of pytest; an image that exists already may have pytest itself."""
        has_own = self.interpreter is not None and self.spec.suite.results == ResultsFormat.PYTEST
        return has_own or self.spec.suite.python is not None

    def _install(self, folder: Path, tree: LockedTree, site: str, scripts: str) -> None:
        if tree.python:
            from pipeline.build.ecosystems.pypi.wheel import install_wheels  # noqa: PLC0415 - as the docstring says

            wheels = self.fetcher.fetch_all([each.artifact for each in tree.python])
            install_wheels(wheels, folder, site=site, scripts=scripts)

    def _install_modules(self, folder: Path, modules: Sequence[LockedModule], to: str, below: Sequence[Path]) -> None:
        if not modules:
            return
        from pipeline.build.ecosystems.npm.install import install_modules  # noqa: PLC0415 - as the docstring says

        top = f"{to}/node_modules".lstrip("/")
        if any(os.path.lexists(each / top) for each in below):
            raise BuildError(
                f"{self.spec.path}: packages of npm would be laid over /{top}, which is in the image already",
                hint="name another folder in `to:` of `node:`, one above the files that need them",
            )
        tarballs = self.fetcher.fetch_all([each.package.artifact for each in modules])
        install_modules(modules, tarballs, folder, to=to)

    def _finish(self, folder: Path, below: Sequence[Layer], tree: LockedTree, site: str) -> None:
        """Settle whose the files of a layer are, and add the byte-code of what was installed into ``site``."""
        lower = self._paths(below)
        adopt(folder, lower[::-1])
        if tree.python and (self.interpreter is None or self.interpreter.has_bytecode):
            from pipeline.build.bytecode import DEBIAN_PYTHON, compile_bytecode  # noqa: PLC0415 - as the docstring says
            from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter  # noqa: PLC0415 - as the docstring says

            with TreeWriter(folder, "byte-code") as writer:
                python = self.interpreter.executable if self.interpreter else DEBIAN_PYTHON
                compiled = compile_bytecode((*lower, folder), f"/{site}", interpreter=python, architecture=self.foreign)
                for path, content in compiled:
                    writer.file(f"{site}/{path}", (content,), mode=0o644, mtime=self.epoch)
            adopt(folder, lower[::-1])

    def _paths(self, layers: Sequence[Layer]) -> tuple[Path, ...]:
        return self.workshop.trees.paths(tuple(layers))


def _placed(modules: Sequence[LockedModule]) -> Json:
    """Return what decides the bytes of a ``node_modules``: which tarball lies where."""
    return {each.package.artifact.hash: list(each.paths) for each in modules}


def _artifacts(tree: LockedTree) -> tuple[Artifact, ...]:
    """Return what the packages of a language, and the sources, of a tree are made of."""
    modules = (each.package for each in tree.node)
    return tuple(each.artifact for each in (*tree.python, *tree.sources, *modules))


def _own_paths(entries: tuple[FilesEntry, ...]) -> tuple[str, ...]:
    return tuple(sorted({each.to for each in entries}))
