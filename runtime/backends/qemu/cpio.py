"""Write a cpio archive, from which a kernel takes its first files.

Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst; the format is ``newc``.
"""

import stat
from collections.abc import Iterable, Iterator

from runtime.data import dataclass

_MAGIC = "070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file, a folder (``mode`` says so) or a link of the archive, all root's.

    Args:
        path: relative to the root.
        mode: file type and permission bits, as ``st_mode`` has them.
        content: of a file, or the target of a link.
    """

    path: str
    mode: int
    content: bytes = b""


def archive(items: Iterable[Item]) -> Iterator[bytes]:
    """Yield the parts of an archive: folders that nobody names are made before what lies in them, in sorted order.

    Equal items give equal bytes, whatever their order; of two with one path the last counts.
    """
    wanted = {each.path: each for each in items}
    for path in tuple(wanted):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            wanted.setdefault(above, Item(path=above, mode=stat.S_IFDIR | 0o755))
    for number, path in enumerate(sorted(wanted), 1):
        yield from _entry(number, wanted[path])
    yield from _entry(0, Item(path=_TRAILER, mode=0))


def _entry(number: int, item: Item) -> Iterator[bytes]:
    name = item.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(item.mode) else 1
    fields = (number, item.mode, 0, 0, links, 0, len(item.content), 0, 0, 0, 0, len(name), 0)
    head = (_MAGIC + "".join(f"{each:08X}" for each in fields)).encode() + name
    yield head + _padding(len(head))
    if item.content:
        yield item.content
        yield _padding(len(item.content))


def _padding(size: int) -> bytes:
    return b"\0" * (-size % 4)
