"""Build an image and a suite from a lock: two trees, two digests."""

import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.assemble import assemble_image, assemble_suite
from pipeline.build.bootstrap import LEFT_OUT, bootstrap
from pipeline.build.ecosystems.pypi.sdist import unpack_sdist
from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter
from pipeline.build.ecosystems.pypi.wheel import install_wheels
from pipeline.build.fetch import Fetcher
from pipeline.build.files import files_digest, find_files, lay_files
from pipeline.build.lock import Lock, LockedTree, Platform
from pipeline.build.locking import python_version
from pipeline.declare.errors import BuildError, NotReproducibleError
from pipeline.declare.image import BuiltImage, FilesEntry, LocalFiles, SdistFiles
from pipeline.declare.spec import EnvSpec
from runtime.backends.native.idmap import BASE
from runtime.backends.native.mapped import run_mapped
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.oci.descriptor import LAYER_GZIP, Descriptor
from runtime.oci.image import Image, Layer
from runtime.oci.layout import Layout
from runtime.oci.pack import pack_tree
from runtime.oci.trees import Trees

FORMAT = 1
"""Of the assembly: another number where the same lock gives other bytes."""

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
        owner = (BASE, BASE) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        return Trees(self.store / "trees", self.layout, run_mapped, owner=owner)

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
        image = assemble_image(spec.image, image_layers, self.layout, architecture=architecture, epoch=lock.epoch)
        suite = assemble_suite(suite_layers, self.layout, architecture=architecture, epoch=lock.epoch)
        return image, suite

    def _base(self, image: BuiltImage, platform: Platform, epoch: int) -> Layer:
        packages = platform.image.debian
        key: dict[str, Json] = {
            "debian": [each.artifact.hash for each in packages],
            "locales": list(image.locales),
            "epoch": epoch,
        }

        def fill(folder: Path, attempt: int) -> None:
            paths = self.fetcher.fetch_all([each.artifact for each in packages])
            named = {each.name: path for each, path in zip(packages, paths, strict=True)}
            hostname = ("seatrial", "another-host")[attempt]
            bootstrap(folder, named, epoch=epoch, locales=image.locales, hostname=hostname)

        return self._layer({"kind": "debian", **key}, fill, epoch, LEFT_OUT)

    def _app(self, spec: EnvSpec, image: BuiltImage, platform: Platform, epoch: int, base: Layer) -> tuple[Layer, ...]:
        python = ".".join(python_version(platform.image.debian).split(".")[:2])
        local = find_files([each for each in image.files if isinstance(each, LocalFiles)], spec.directory)
        key: dict[str, Json] = {
            "base": base.diff_id.text,
            "packages": [each.artifact.hash for each in platform.image.packages],
            "files": [each.model_dump(mode="json") for each in image.files],
            "content": files_digest(local).text,
            "user": image.user.model_dump(mode="json"),
            "epoch": epoch,
        }

        def fill(folder: Path, _: int) -> None:
            _add_user(folder, self.trees.path(base.descriptor, base.diff_id), image, epoch)
            self._install(folder, platform.image, f"usr/local/lib/python{python}/dist-packages", "usr/local/bin")
            lay_files(local, folder, epoch=epoch)
            self._unpack_sources(folder, image.files, platform.image)
            self._adopt(folder, (base,))
            home = image.user.home.strip("/")
            uid = image.user.uid
            run_mapped(lambda root: os.chown(home, uid, uid, dir_fd=root), directories=(folder,))

        return (self._layer({"kind": "app", **key}, fill, epoch, ()),)

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

        def fill(folder: Path, _: int) -> None:
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
            self._adopt(folder, tuple(below))

        return self._layer({"kind": "suite", **key}, fill, epoch, ())

    def _install(self, folder: Path, tree: LockedTree, site: str, scripts: str) -> None:
        if tree.python:
            wheels = self.fetcher.fetch_all([each.artifact for each in tree.python])
            install_wheels(wheels, folder, site=site, scripts=scripts)

    def _unpack_sources(self, folder: Path, entries: tuple[FilesEntry, ...], tree: LockedTree) -> None:
        locked = {f"{each.name.lower().replace('_', '-')}=={each.version}": each for each in tree.sources}
        for entry in entries:
            if isinstance(entry, SdistFiles):
                package = locked[entry.sdist.lower().replace("_", "-")]
                archive = self.fetcher.fetch(package.artifact)
                unpack_sdist(archive, folder, to=entry.to.strip("/"), only=entry.only, name=package.artifact.name)

    def _adopt(self, folder: Path, below: tuple[Layer, ...]) -> None:
        """Give what was laid into a folder to user 0 inside; folders of lower layers keep their owner and mode."""
        if os.geteuid() == 0:
            for path, folders, files in os.walk(folder):
                for name in (*folders, *files):
                    os.lchown(os.path.join(path, name), BASE, BASE)  # noqa: PTH118
        lower = tuple(self.trees.path(each.descriptor, each.diff_id) for each in reversed(below))
        run_mapped(_keep_folders, directories=(folder, *lower))

    def _layer(
        self, key: Mapping[str, Json], fill: Callable[[Path, int], None], epoch: int, left_out: tuple[bytes, ...]
    ) -> Layer:
        record = self.store / "builds" / f"{Digest.of_json({'format': FORMAT, **key}).hex}.json"
        known = _read_record(record)
        if known is not None and not self.is_fresh and self.layout.has(known.descriptor.digest):
            return known
        first, second = (self._attempt(fill, attempt, epoch, left_out) for attempt in (0, 1))
        if first.diff_id != second.diff_id:
            raise NotReproducibleError(
                f"two builds of the {key['kind']} layer differ: {first.diff_id} and {second.diff_id}",
                hint="both are in the store; compare them with diffoscope",
            )
        _write_record(record, first)
        return first

    def _attempt(
        self, fill: Callable[[Path, int], None], attempt: int, epoch: int, left_out: tuple[bytes, ...]
    ) -> Layer:
        before = os.umask((0o022, 0o077)[attempt])
        try:
            with self.trees.new_folder() as folder:
                fill(folder, attempt)
                with self.layout.stage() as out:
                    packed = run_mapped(
                        lambda root: pack_tree(root, out, epoch=epoch, exclude=left_out), directories=(folder,)
                    )
                    return Layer(descriptor=self.layout.commit(out, LAYER_GZIP), diff_id=packed.diff_id)
        finally:
            os.umask(before)


def _add_user(folder: Path, base: Path, image: BuiltImage, epoch: int) -> None:
    """Write the user into copies of the base's account files, and make its home.

    Source: passwd(5), group(5), shadow(5); the day of the last change is the epoch's.
    """
    user = image.user
    home = folder / user.home.strip("/")
    home.mkdir(parents=True)
    home.chmod(0o755)
    if user.uid == 0:
        return
    etc = folder / "etc"
    etc.mkdir(exist_ok=True)
    lines = {
        "passwd": f"{user.name}:x:{user.uid}:{user.uid}::{user.home}:/bin/sh\n",
        "group": f"{user.name}:x:{user.uid}:\n",
        "shadow": f"{user.name}:!:{epoch // 86400}:0:99999:7:::\n",
        "gshadow": f"{user.name}:!::\n",
    }
    for name, line in lines.items():
        source = base / "etc" / name
        if source.is_file() and not source.is_symlink():
            (etc / name).write_bytes(source.read_bytes() + line.encode())
            (etc / name).chmod(stat.S_IMODE(source.stat().st_mode))


def _keep_folders(root: int, *below: int) -> None:
    """Give each folder, and each account file, of a tree the owner and mode that the nearest lower layer gives it."""
    for path, folders, files, descriptor in os.fwalk(".", dir_fd=root):
        inside = path.removeprefix(".").lstrip("/")
        for name in (*folders, *(each for each in files if inside == "etc")):
            found = _stat(f"{inside}/{name}".lstrip("/"), below)
            if found is not None:
                os.chown(name, found.st_uid, found.st_gid, dir_fd=descriptor, follow_symlinks=False)
                os.chmod(name, stat.S_IMODE(found.st_mode), dir_fd=descriptor)
            elif name in folders:
                os.chmod(name, 0o755, dir_fd=descriptor)  # noqa: S103 - folders of an image are open to read
            os.utime(name, (0, 0), dir_fd=descriptor, follow_symlinks=False)


def _stat(path: str, below: tuple[int, ...]) -> os.stat_result | None:
    for lower in below:
        try:
            return os.stat(path, dir_fd=lower, follow_symlinks=False)
        except FileNotFoundError:
            continue
    return None


def _own_paths(entries: tuple[FilesEntry, ...]) -> tuple[str, ...]:
    return tuple(sorted({each.to for each in entries}))


def _read_record(path: Path) -> Layer | None:
    try:
        found = json.loads(path.read_bytes())
        return Layer(descriptor=Descriptor.parse(found["descriptor"], str(path)), diff_id=Digest(found["diff_id"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_record(path: Path, layer: Layer) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.new")
    new.write_text(json.dumps({"descriptor": layer.descriptor.to_json(), "diff_id": layer.diff_id.text}))
    new.rename(path)
