"""Lay the content of a ZIP archive that nobody vouches for into a tree."""

import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.build.ecosystems.pypi.sdist import MAX_MEMBERS, MAX_UNPACKED, refuse_unmatched
from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter, clean
from pipeline.declare.errors import PackageError
from pipeline.declare.patterns import is_chosen

_BLOCK = 1 << 20
_EPOCH = 315_532_800
"""1980-01-01: a ZIP archive tells times without their zone."""

_ENCRYPTED = 0x1
"""Source: APPNOTE.TXT 4.4.4, bit 0."""

_DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError)
"""What reading a damaged archive raises; OSError where it says that something lies before its begin."""


def unpack_zip(
    archive: Path, root: Path | int, *, to: str = "", only: Sequence[str] = (), name: str = "", mode: int | None = None
) -> tuple[str, ...]:
    """Unpack a ZIP archive; in everything as ``unpack_archive``, but that all times are the first that it can have.

    Raises:
        PackageError: it is damaged, has a path that leaves it, a link, a device, a path twice, something encrypted, too
            much, or a pattern matches nothing.
    """
    owner = name or archive.name
    laid: list[str] = []
    listed: list[str] = []
    with _opened(archive, owner) as file, TreeWriter(root, owner) as tree:
        for path, info in _judged(file, owner).items():
            listed.append(path)
            if is_chosen(path, only):
                executable = bool(info.external_attr >> 16 & 0o111)
                own = (0o755 if executable else 0o644) if mode is None else mode
                tree.file(f"{to}/{path}".lstrip("/"), _blocks(file, info, owner), mode=own, mtime=_EPOCH)
                laid.append(path)
    refuse_unmatched(listed, only, owner)
    return tuple(sorted(laid))


def _opened(archive: Path, owner: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except _DAMAGED as error:
        raise _damaged(owner, error) from None


def _judged(file: zipfile.ZipFile, owner: str) -> Mapping[str, zipfile.ZipInfo]:
    """Return all files by their paths, after each was judged: none is written before the last of them."""
    infos = file.infolist()
    if len(infos) > MAX_MEMBERS or sum(each.file_size for each in infos) > MAX_UNPACKED:
        raise PackageError(f"{owner} holds more than {MAX_MEMBERS} files or {MAX_UNPACKED} bytes")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise PackageError(f"{owner}: {info.filename!r} is a link or a device, which is refused in a ZIP archive")
        if info.is_dir():
            continue
        path = clean(info.filename, owner)
        if info.flag_bits & _ENCRYPTED:
            raise PackageError(f"{owner}: {path!r} is encrypted")
        if path in found:
            raise PackageError(f"{owner}: {path!r} is in it twice")
        found[path] = info
    return found


def _blocks(file: zipfile.ZipFile, info: zipfile.ZipInfo, owner: str) -> Iterator[bytes]:
    left = info.file_size
    try:
        with file.open(info) as content:
            while block := content.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise PackageError(f"{owner}: {info.filename!r} is longer than it says")
                yield block
    except _DAMAGED as error:
        raise _damaged(owner, error) from None


def _damaged(owner: str, error: Exception) -> PackageError:
    return PackageError(f"{owner} is damaged, or no archive: {error}")
