"""What a run wrote into its tree, read from the folder that caught it."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

Mark = tuple[int, ...]
"""What of one file tells that it was written: inode, kind and mode, owner, size, times."""

Owner = Callable[[int, int], tuple[int, int]]
"""User and group as they are seen here → as they are seen inside the run."""

MOST = 10_000
"""How many paths are reported."""

_DEEPEST = 200
_FEW = 256


class ManyPathsError(Exception):
    """There is more to read than whoever has other work may wait for."""


def marks(upper: int) -> dict[str, Mark]:
    """Return a mark for every path in the upper folder: what was laid there before the program began."""
    return {path: _mark(found, found.st_uid, found.st_gid) for path, found in _walk(upper, "", 0)}


def changed_paths(upper: int, layers: Sequence[int], before: Mapping[str, Mark]) -> tuple[str, ...]:
    """Return the absolute paths that were written, made or removed since ``before``, sorted, at most 10,000.

    A folder counts if no layer has it, or if its mode or owner is another there: the kernel copies each parent of a
    written file into the upper folder, which is no change. A removed path is a character device 0:0 there.

    Source: Linux Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
    """
    return _compare(dict(_walk(upper, "", 0)), layers, before, lambda uid, gid: (uid, gid))


def changed_if_few(upper: int, layers: Sequence[int], before: Mapping[str, Mark], owner: Owner) -> tuple[str, ...]:
    """Return what ``changed_paths`` does, if that is soon told: most runs write next to nothing.

    Args:
        upper: as of ``changed_paths``, like the next two.
        layers: likewise.
        before: likewise.
        owner: ids as this process sees them → as whoever wrote ``before`` saw them.

    Raises:
        ManyPathsError: the upper folder holds more than a few paths.
        OSError: a folder of the run is closed to this process.
    """
    return _compare(dict(_walk_few(upper)), layers, before, owner)


def _compare(
    after: Mapping[str, os.stat_result], layers: Sequence[int], before: Mapping[str, Mark], owner: Owner
) -> tuple[str, ...]:
    found = {path for path in before if path not in after}
    for path, status in after.items():
        if path in before and (
            stat.S_ISDIR(status.st_mode) or before[path] == _mark(status, *owner(status.st_uid, status.st_gid))
        ):
            continue
        if not stat.S_ISDIR(status.st_mode) or not _is_copied(path, status, layers):
            found.add(path)
    return tuple("/" + path for path in sorted(found)[:MOST])


def _is_copied(path: str, status: os.stat_result, layers: Sequence[int]) -> bool:
    for layer in reversed(layers):
        try:
            lower = os.stat(path, dir_fd=layer, follow_symlinks=False)
        except OSError:
            continue
        same = (lower.st_mode, lower.st_uid, lower.st_gid) == (status.st_mode, status.st_uid, status.st_gid)
        return stat.S_ISDIR(lower.st_mode) and same
    return False


def _walk(folder: int, prefix: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
    for name in sorted(os.listdir(folder)):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        # Names of a run may be any bytes; a reader of the report gets text that says so.
        yield os.fsencode(prefix + name).decode("utf-8", "backslashreplace"), status
        if stat.S_ISDIR(status.st_mode) and depth < _DEEPEST:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                yield from _walk(inner, f"{prefix}{name}/", depth + 1)
            finally:
                os.close(inner)


def _walk_few(folder: int) -> Iterator[tuple[str, os.stat_result]]:
    """Walk as ``_walk`` does, in no order, and without reading the whole of a large folder."""
    waiting = [(os.dup(folder), "", 0)]
    seen = 0
    try:
        while waiting:
            inner, prefix, depth = waiting.pop()
            try:
                os.lseek(inner, 0, os.SEEK_SET)  # a copy shares its position with the original
                with os.scandir(inner) as found:
                    names = [each.name for each in islice(found, _FEW)]
                seen += len(names)
                if seen >= _FEW:
                    raise ManyPathsError
                for name in names:
                    status = os.stat(name, dir_fd=inner, follow_symlinks=False)
                    yield os.fsencode(prefix + name).decode("utf-8", "backslashreplace"), status
                    if stat.S_ISDIR(status.st_mode) and depth < _DEEPEST:
                        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                        waiting.append((os.open(name, flags, dir_fd=inner), f"{prefix}{name}/", depth + 1))
            finally:
                os.close(inner)
    finally:
        for inner, _, _ in waiting:
            os.close(inner)


def _mark(found: os.stat_result, uid: int, gid: int) -> Mark:
    return (
        found.st_ino,
        found.st_mode,
        uid,
        gid,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
