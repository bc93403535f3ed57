"""Write a tree as an EROFS image, uncompressed: a disk that a kernel mounts at once, read-only, with every attribute.

An image is made of three parts: the superblock, the inodes, and the blocks of files, links and folders.

Source: Linux fs/erofs/erofs_fs.h; Documentation/filesystems/erofs.rst.
"""

import stat
import struct
from collections.abc import Iterable, Mapping, Sequence

from runtime.data import dataclass, field

BLOCK = 4096

_MAGIC = 0xE0F5E1E2  # EROFS_SUPER_MAGIC_V1
_SUPERBLOCK_AT = 1024
_SUPERBLOCK = struct.Struct("<IIIBBHQQIIII16s16sI44x")  # struct erofs_super_block
_INODE = struct.Struct("<HHHHQIIIIQII16x")  # struct erofs_inode_extended
_EXTENDED = 1  # i_format: an extended inode; its data lies in whole blocks (EROFS_INODE_FLAT_PLAIN)
_SLOT = 32  # bytes; the number of an inode counts them
_ALIGNMENT = 64
_ENTRY = struct.Struct("<QHBx")  # struct erofs_dirent
_ATTRIBUTES = struct.Struct("<IB7x")  # struct erofs_xattr_ibody_header
_ATTRIBUTE = struct.Struct("<BBH")  # struct erofs_xattr_entry
_PREFIXES = (("user.", 1), ("trusted.", 4), ("security.", 6))  # EROFS_XATTR_INDEX_*
# erofs_fs.h: the types of entries are those of ext2, FT_*
_TYPES = {stat.S_IFREG: 1, stat.S_IFDIR: 2, stat.S_IFCHR: 3, stat.S_IFLNK: 7}
_META_BLOCK = 1  # where the inodes begin: behind the superblock's own block
_FIRST = 64  # no inode has the number 0


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """A file, folder, link or whiteout.

    Args:
        mode: file type and permission bits.
        uid: owner, as the kernel that mounts the image is to see it.
        gid: group, likewise.
        mtime: nanoseconds since 1970.
        size: bytes of a file.
        target: of a link.
        xattrs: extended attributes.
        entries: name → node, of a folder.
        links: how many names a file has.
    """

    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    target: bytes = b""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    entries: dict[bytes, "Node"] = field(default_factory=dict)
    links: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plotted:
    """Where everything of an image goes.

    Args:
        head: the bytes of the superblock, the inodes, the folders and the links: the image up to its files.
        files: each file with the offset of its content, rising.
        size: of the whole image, whole blocks.
    """

    head: bytes
    files: tuple[tuple[Node, int], ...]
    size: int


def plot(root: Node) -> Plotted:
    """Lay out the image of a tree; nothing of its files is read.

    Raises:
        ValueError: an attribute is of a kind that the format has not, or is too long for it.
    """
    nodes = _in_order(root)
    numbers, end = _place_inodes(nodes)
    block = _META_BLOCK + _blocks(end)
    folders = {each: _folder(each, above, numbers) for each, above in nodes if stat.S_ISDIR(each.mode)}
    content = {each: folders.get(each, each.target) for each, _ in nodes if not stat.S_ISREG(each.mode)}
    starts: dict[Node, int] = {}
    for each, raw in content.items():
        starts[each] = block if raw else 0
        block += _blocks(len(raw))
    begin_of_files = block
    files = []
    for each, _ in nodes:
        if stat.S_ISREG(each.mode):
            starts[each] = block if each.size else 0
            files.append((each, block * BLOCK))
            block += _blocks(each.size)
    head = bytearray(begin_of_files * BLOCK)
    _SUPERBLOCK.pack_into(
        head, _SUPERBLOCK_AT, _MAGIC, 0, 0, 12, 0, numbers[root], len(nodes), 0, 0, block, _META_BLOCK, 0, b"", b"", 0
    )
    for number, (each, _) in enumerate(nodes, 1):
        raw = _inode(each, number, starts[each], len(content[each]) if each in content else each.size)
        at = _META_BLOCK * BLOCK + numbers[each] * _SLOT
        head[at : at + len(raw)] = raw
    for each, raw in content.items():
        at = starts[each] * BLOCK
        head[at : at + len(raw)] = raw
    return Plotted(head=bytes(head), files=tuple(files), size=block * BLOCK)


def _in_order(root: Node) -> list[tuple[Node, Node]]:
    """Return every node once, with the folder above it, the root first."""
    found = {root: root}
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        for each in folder.entries.values():
            each.links += 1
            if each not in found:
                found[each] = folder
                if stat.S_ISDIR(each.mode):
                    waiting.append(each)
    return list(found.items())


def _place_inodes(nodes: Sequence[tuple[Node, Node]]) -> tuple[dict[Node, int], int]:
    """Return the number of each inode, and where the last one ends; none crosses a block that fits into one."""
    numbers, at = {}, _FIRST
    for each, _ in nodes:
        size = _INODE.size + len(_attributes(each.xattrs))
        if at % BLOCK + size > BLOCK:
            at += -at % BLOCK
        numbers[each] = at // _SLOT
        at += size + -size % _ALIGNMENT
    return numbers, at


def _inode(node: Node, number: int, start: int, size: int) -> bytes:
    attributes = _attributes(node.xattrs)
    count = (len(attributes) - _ATTRIBUTES.size) // 4 + 1 if attributes else 0
    folders = sum(stat.S_ISDIR(each.mode) for each in node.entries.values())
    links = 2 + folders if stat.S_ISDIR(node.mode) else node.links
    seconds, nanoseconds = divmod(node.mtime, 1_000_000_000)
    fields = (_EXTENDED, count, node.mode, 0, size, start, number, node.uid, node.gid, seconds, nanoseconds, links)
    return _INODE.pack(*fields) + attributes


def _attributes(xattrs: Mapping[str, bytes]) -> bytes:
    if not xattrs:
        return b""
    parts = [_ATTRIBUTES.pack(0, 0)]
    for name, value in sorted(xattrs.items()):
        prefix, index = next((each for each in _PREFIXES if name.startswith(each[0])), ("", 0))
        raw = name.removeprefix(prefix).encode()
        if not index or len(raw) > 255 or len(value) > 0xFFFF:
            raise ValueError(f"an EROFS image cannot hold the attribute {name!r} of {len(value)} bytes")
        entry = _ATTRIBUTE.pack(len(raw), index, len(value)) + raw + value
        parts.append(entry + b"\0" * (-len(entry) % 4))
    return b"".join(parts)


def _folder(node: Node, above: Node, numbers: Mapping[Node, int]) -> bytes:
    """Return the entries of a folder, sorted by name over all its blocks; each block begins with its own table."""
    named = sorted({b".": node, b"..": above, **node.entries}.items())
    rows = [(name, numbers[each], _TYPES[stat.S_IFMT(each.mode)]) for name, each in named]
    blocks: list[list[tuple[bytes, int, int]]] = [[]]
    used = 0
    for row in rows:
        size = _ENTRY.size + len(row[0])
        if used + size > BLOCK:
            blocks.append([])
            used = 0
        blocks[-1].append(row)
        used += size
    packed = [_folder_block(each) for each in blocks]
    return b"".join(each.ljust(BLOCK, b"\0") for each in packed[:-1]) + packed[-1]


def _folder_block(rows: Iterable[tuple[bytes, int, int]]) -> bytes:
    listed = tuple(rows)
    at = len(listed) * _ENTRY.size
    table = b""
    for name, number, kind in listed:
        table += _ENTRY.pack(number, at, kind)
        at += len(name)
    return table + b"".join(name for name, _, _ in listed)


def _blocks(size: int) -> int:
    return -(-size // BLOCK)
