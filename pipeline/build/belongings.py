"""Whose the files of a tree are: of which Debian source package, by dpkg's database, or of which wheel, by its RECORD.

The tree was made by scripts of packages, so nothing in it is trusted: no link is followed, nothing is read that is no
file, and no more of it than a limit. A lie moves a file into another layer of the same image, and does no more.
"""

import csv
import io
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence

from pipeline.build.ecosystems.debian.stanza import parse_stanza
from pipeline.build.essential import essential_closure
from pipeline.build.parts import FIRST

_STATUS = "var/lib/dpkg/status"
_INFO = "var/lib/dpkg/info"
_LIST = ".list"  # written by dpkg when it unpacks: its time is that of the making
_TOPS = ("bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32")
_LIMIT = 64 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def debian_owners(root: int) -> Mapping[bytes, str]:
    """Return path → source package, ``FIRST`` for what the essential packages need; what two packages have is nobody's.

    Packages of one source are released together, so they change together. Links at the top into /usr are nobody's: they
    are made before any package is unpacked, at the time of the epoch.

    Args:
        root: descriptor of a tree that dpkg has configured.

    Source: dpkg(1), files; Debian policy, section 3.8.
    """
    stanzas = [parse_stanza(each) for each in _text(root, _STATUS).split("\n\n") if each.strip()]
    packages = {each["package"]: each for each in stanzas if "package" in each}
    essential = frozenset(essential_closure(packages))
    merged = tuple(each for each in _TOPS if not _is_folder(root, each))
    taken: list[tuple[bytes, str]] = []
    for name in _names(root, _INFO):
        package = _package(name)
        if package not in packages:
            continue
        source = FIRST if package in essential else packages[package].get("source", package).partition(" ")[0]
        if name.endswith(_LIST):
            listed = _text(root, f"{_INFO}/{name}").split("\n")
            paths = [each.lstrip("/") for each in listed]
            taken += [(os.fsencode(_in_usr(each, merged)), source) for each in paths if each and each not in merged]
        else:
            taken.append((os.fsencode(f"{_INFO}/{name}"), source))
    return _single(taken)


def wheel_owners(root: int, site: str) -> Mapping[bytes, str]:
    """Return path → distribution of the wheels in a folder of a tree; what two of them have is nobody's.

    Args:
        root: descriptor of the tree.
        site: the folder, relative to it.

    Source: "Recording installed projects" of the Python packaging specifications.
    """
    taken: list[tuple[bytes, str]] = []
    for name in _names(root, site):
        if name.endswith(".dist-info"):
            rows = csv.reader(io.StringIO(_text(root, f"{site}/{name}/RECORD"), newline=""))
            paths = (posixpath.normpath(f"{site}/{row[0]}") for row in rows if row)
            taken += [(os.fsencode(path), name.partition("-")[0]) for path in paths]
    return _single(taken)


def _single(taken: Sequence[tuple[bytes, str]]) -> Mapping[bytes, str]:
    found: dict[bytes, str] = {}
    twice = set()
    for path, owner in taken:
        if found.setdefault(path, owner) != owner:
            twice.add(path)
    return {path: owner for path, owner in found.items() if path not in twice}


def _package(name: str) -> str:
    """Return the package of a file of dpkg's database: ``libc6:amd64.list`` is of ``libc6``."""
    return name.rpartition(".")[0].partition(":")[0]


def _in_usr(path: str, merged: Sequence[str]) -> str:
    top, slash, _ = path.partition("/")
    return f"usr/{path}" if slash and top in merged else path


def _is_folder(root: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=root, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _names(root: int, folder: str) -> Iterator[str]:
    descriptor = _open_folder(root, folder)
    if descriptor is not None:
        try:
            yield from sorted(os.listdir(descriptor))  # noqa: PTH208 - a descriptor has no path
        finally:
            os.close(descriptor)


def _text(root: int, path: str) -> str:
    """Return what a file says; nothing if it is none, or larger than any that dpkg and installers write."""
    folder, _, name = path.rpartition("/")
    above = _open_folder(root, folder)
    if above is None:
        return ""
    try:
        descriptor = os.open(name, _FILE, dir_fd=above)
    except OSError:
        return ""
    finally:
        os.close(above)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LIMIT:
            return ""
        return os.fsdecode(file.read(_LIMIT))


def _open_folder(root: int, path: str) -> int | None:
    here = os.dup(root)
    for name in path.split("/"):
        try:
            below = os.open(name, _FOLDER, dir_fd=here)
        except OSError:
            return None
        finally:
            os.close(here)
        here = below
    return here
