"""Read one file of unpacked layers as a run would find it, without stacking them: no file system is mounted for it.

Trees are as hostile here as in a run: every component is opened by itself, below the one before, and links are followed
by their text, inside of the layers.

Source: Linux Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
"""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import ImageError
from runtime.oci.folder import is_opaque, is_whiteout

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_LINKS = 40  # linux/namei.h: MAXSYMLINKS
_LARGEST = 4 << 20
_SKIPPED = ("", ".")


def read_stacked(layers: Sequence[Path], path: str) -> bytes:
    """Return the content of a file, empty where there is none.

    Args:
        layers: the folders of the layers, lowest first.
        path: relative to the root.

    Raises:
        ImageError: it is no regular file, too large, leads around in links, or cannot be read.
    """
    left, done, links = path.split("/"), list[str](), 0
    while left:
        part = left.pop(0)
        if part in _SKIPPED:
            continue
        if part == "..":
            done = done[:-1]
            continue
        found = _look(layers, [*done, part])
        if isinstance(found, str):
            links += 1
            if links > _MOST_LINKS:
                raise ImageError(f"/{path} of the image leads around in links")
            done = [] if found.startswith("/") else done
            left = [*found.split("/"), *left]
        elif found is None:
            return b""
        else:
            done.append(part)
            if isinstance(found, bytes):
                return found if not any(each not in _SKIPPED for each in left) else b""
    raise ImageError(f"/{path} of the image is a folder, and a file is wanted")


def _look(layers: Sequence[Path], parts: list[str]) -> str | bytes | bool | None:
    """Return what the highest layer that has the path has there: a link's text, a file's content, True for a folder.

    None is returned where nothing is, or where a higher layer hides it.
    """
    for layer in reversed(layers):
        found, is_hidden = _look_in(layer, parts)
        if found is not None or is_hidden:
            return found
    return None


def _look_in(layer: Path, parts: list[str]) -> tuple[str | bytes | bool | None, bool]:
    """Return what one layer has at a path, and whether it hides what lies lower."""
    hides = False
    above = os.open(layer, _FOLDER)
    try:
        for part in parts[:-1]:
            try:
                below = os.open(part, _FOLDER, dir_fd=above)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    # Not even a folder: a file, a link or a whiteout, which hides what is lower.
                    return None, hides or error.errno != errno.ENOENT
                raise
            os.close(above)
            above = below
            hides = hides or is_opaque(above)
        return _read(parts[-1], above, "/".join(parts)), hides or _is_whiteout(parts[-1], above)
    except OSError as error:
        raise ImageError(f"/{'/'.join(parts)} of the image cannot be read: {error.strerror}") from error
    finally:
        os.close(above)


def _read(name: str, folder: int, path: str) -> str | bytes | bool | None:
    try:
        kind = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(kind.st_mode):
        return True
    if stat.S_ISLNK(kind.st_mode):
        return os.readlink(name, dir_fd=folder)
    if stat.S_ISCHR(kind.st_mode):
        return None
    if not stat.S_ISREG(kind.st_mode) or kind.st_size > _LARGEST:
        raise ImageError(f"/{path} of the image is no file of at most {_LARGEST} bytes")
    with os.fdopen(os.open(name, _FILE, dir_fd=folder), "rb") as file:
        return file.read(_LARGEST)


def _is_whiteout(name: str, folder: int) -> bool:
    try:
        kind = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return is_whiteout(kind)
