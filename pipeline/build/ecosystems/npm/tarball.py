"""``Tarball``: one package as npm's registry has it, read without trust.

Files lie below a first folder, whose name does not count. Modes become 0755 for what is executable and 0644 for the
rest; owners are those of the caller.

Source: npm's documentation, package.json, "bin" and "scripts"; tar(5).
"""

import json
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.build.ecosystems.pypi.sdist import MAX_MEMBERS, MAX_UNPACKED
from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter, clean
from pipeline.declare.errors import PackageError

_BLOCK = 1 << 20
_MANIFEST_LIMIT = 16 << 20
_LATEST = 253402300799  # 9999-12-31, the last day that a lock can write
_SCRIPTS = ("preinstall", "install", "postinstall")


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What one reading of a package tells.

    Args:
        manifest: its package.json.
        newest: modification time of its files, in seconds since 1970.
        paths: of its files.
    """

    manifest: Mapping[str, Any]
    newest: int
    paths: frozenset[str]


class Tarball(AbstractContextManager["Tarball"]):
    """An open package; it is read once for what is asked of it, and once to be unpacked.

    Args:
        path: the file.
        owner: what messages call it, such as ``npm:ms@2.1.3``.

    Raises:
        PackageError: from every method: it is damaged, hostile (a path that leaves it, a link, a device, a file twice,
            too much), or has no package.json.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self.owner = owner
        self._path = path
        self._file = path.open("rb")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def newest_time(self) -> int:
        """Return the newest modification time of its files, in seconds since 1970."""
        return self._about.newest

    def manifest(self) -> Mapping[str, Any]:
        """Return its package.json."""
        return self._about.manifest

    def install_scripts(self) -> tuple[str, ...]:
        """Return what npm would run when it installs the package, as ``postinstall: node install.js``."""
        scripts = self.manifest().get("scripts")
        scripts = scripts if isinstance(scripts, dict) else {}
        found = tuple(f"{name}: {scripts[name]}" for name in _SCRIPTS if scripts.get(name))
        is_native = self.manifest().get("gypfile") is not False and "binding.gyp" in self._about.paths
        return found or (("install: node-gyp rebuild",) if is_native else ())

    def programs(self) -> Mapping[str, str]:
        """Return name → path in the package of its programs; those that it does not have are left out."""
        named = self.manifest().get("bin")
        if isinstance(named, str):
            named = {str(self.manifest().get("name", "")): named}
        wanted: dict[str, str] = {}
        for name, target in named.items() if isinstance(named, dict) else ():
            link = _inside(str(name).replace("\\", "/").replace(":", "/")).rpartition("/")[2]
            if link and "\0" not in link and not link.startswith("."):
                wanted.setdefault(link, _inside(str(target)))
        return {name: target for name, target in sorted(wanted.items()) if target in self._about.paths}

    def unpack(self, tree: TreeWriter, to: str) -> None:
        """Lay its files into a folder of a tree; programs are executable there, whatever the archive says."""
        programs = frozenset(self.programs().values())
        for path, member, content in self._members():
            executable = path in programs or member.mode & 0o111
            mode = 0o755 if executable else 0o644
            tree.file(f"{to}/{path}", content, mode=mode, mtime=_seconds(member))

    @cached_property
    def _about(self) -> "_About":
        paths: set[str] = set()
        newest, written = 0, None
        for path, member, content in self._members():
            paths.add(path)
            newest = max(newest, _seconds(member))
            if path == "package.json":
                if member.size > _MANIFEST_LIMIT:
                    raise PackageError(f"{self.owner}: its package.json is larger than {_MANIFEST_LIMIT >> 20} MiB")
                written = b"".join(content)
        if written is None:
            raise PackageError(f"{self.owner} has no package.json")
        return _About(manifest=self._parsed(written), newest=newest, paths=frozenset(paths))

    def _parsed(self, content: bytes) -> Mapping[str, Any]:
        try:
            manifest = json.loads(content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise PackageError(f"{self.owner}: its package.json cannot be read: {type(error).__name__}") from None
        if not isinstance(manifest, dict):
            raise PackageError(f"{self.owner}: its package.json is no object")
        return manifest

    def _members(self) -> Iterator[tuple[str, tarfile.TarInfo, Iterator[bytes]]]:
        """Yield path, member and content of each file, which is read before the next one is asked for."""
        self._file.seek(0)
        seen: set[str] = set()
        try:
            with tarfile.open(fileobj=self._file, mode="r:*") as archive:
                for member in self._bounded(archive):
                    path = self._path_of(member)
                    if not path:
                        continue
                    if path in seen:
                        raise PackageError(f"{self.owner}: {path!r} is in it twice")
                    seen.add(path)
                    yield path, member, _content(archive, member)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise PackageError(f"{self.owner} is no package of npm: {error}") from None
        except OSError as error:
            if error.errno is None:  # a damaged stream of gzip
                raise PackageError(f"{self.owner} is damaged: {error}") from None
            raise

    def _bounded(self, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        left = MAX_UNPACKED
        for count, member in enumerate(archive):
            left -= member.size
            if count >= MAX_MEMBERS or left < 0:
                raise PackageError(f"{self.owner} holds more than {MAX_MEMBERS} files or {MAX_UNPACKED} bytes")
            yield member

    def _path_of(self, member: tarfile.TarInfo) -> str:
        """Return the path of a file below the first folder; empty for a folder, and for a file beside it."""
        path = clean(member.name, self.owner)
        if member.issym() or member.islnk():
            raise PackageError(f"{self.owner}: {path!r} is a link, which packages of npm may not hold")
        if not member.isreg() and not member.isdir():
            raise PackageError(f"{self.owner}: {path!r} is a device, a pipe or unknown")
        if not 0 <= member.mtime <= _LATEST:
            raise PackageError(f"{self.owner}: {path!r} has the time {member.mtime}, which is none since 1970")
        return "" if member.isdir() else path.partition("/")[2]


def _inside(path: str) -> str:
    """Return a path of a package.json as it is in the package, which it never leaves."""
    return posixpath.normpath(posixpath.join("/", path)).lstrip("/")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    content = archive.extractfile(member)
    if content is not None:
        with content:
            while block := content.read(_BLOCK):
                yield block


def _seconds(member: tarfile.TarInfo) -> int:
    return int(member.mtime)
