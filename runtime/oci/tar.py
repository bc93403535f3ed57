"""Write tar archives whose bytes depend on the entries alone.

Plain ustar headers; a pax header stands before an entry only where ustar cannot say it: a name or a target of more than
100 bytes, an extended attribute, a number that has too few digits. Owners are numbers, never names.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block".
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from runtime.data import dataclass, field

BLOCK = 512
END = bytes(2 * BLOCK)
"""The end of every archive."""

_NAME = 100
_MAX_ID = 0o7777777
_MAX_SIZE = 0o77777777777


class Kind(StrEnum):
    """What an entry is; the value is its type flag."""

    FILE = "0"
    HARDLINK = "1"
    SYMLINK = "2"
    DIRECTORY = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of an archive.

    Args:
        path: relative, components divided by ``/``, without a slash at the end.
        kind: what it is.
        mode: permission bits, at most 0o7777.
        uid: owner.
        gid: group.
        mtime: whole seconds.
        size: bytes of content that follow; 0 unless it is a file.
        target: of a link; for a hard link a path in the same archive.
        xattrs: extended attributes by name.
    """

    path: bytes
    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int = 0
    target: bytes = b""
    xattrs: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))


def to_header(entry: Entry) -> bytes:
    """Return the header blocks of an entry; its content, padded by ``padding``, follows."""
    name = entry.path + b"/" if entry.kind is Kind.DIRECTORY else entry.path
    records: dict[bytes, bytes] = {}
    if len(name) > _NAME:
        records[b"path"] = name
    if len(entry.target) > _NAME:
        records[b"linkpath"] = entry.target
    for key, value, most in (
        (b"uid", entry.uid, _MAX_ID),
        (b"gid", entry.gid, _MAX_ID),
        (b"size", entry.size, _MAX_SIZE),
    ):
        if value > most:
            records[key] = str(value).encode()
    for key_text, attribute in entry.xattrs.items():
        records[b"SCHILY.xattr." + key_text.encode()] = attribute
    return _pax(records) + _block(
        name=name[:_NAME],
        mode=entry.mode,
        uid=entry.uid if entry.uid <= _MAX_ID else 0,
        gid=entry.gid if entry.gid <= _MAX_ID else 0,
        size=entry.size if entry.size <= _MAX_SIZE else 0,
        mtime=entry.mtime,
        flag=entry.kind.value.encode(),
        target=entry.target[:_NAME],
    )


def padding(size: int) -> bytes:
    """Return the zeros that fill the last block of ``size`` bytes of content."""
    return bytes(-size % BLOCK)


def _pax(records: Mapping[bytes, bytes]) -> bytes:
    if not records:
        return b""
    content = b"".join(_record(key, records[key]) for key in sorted(records))
    # The name that Python's tarfile gives it; a name with a process id would not be the same twice.
    block = _block(name=b"././@PaxHeader", mode=0o644, uid=0, gid=0, size=len(content), mtime=0, flag=b"x", target=b"")
    return block + content + padding(len(content))


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def _block(*, name: bytes, mode: int, uid: int, gid: int, size: int, mtime: int, flag: bytes, target: bytes) -> bytes:
    block = bytearray(BLOCK)
    block[0 : len(name)] = name
    for start, width, value in ((100, 8, mode), (108, 8, uid), (116, 8, gid), (124, 12, size), (136, 12, mtime)):
        block[start : start + width] = b"%0*o\0" % (width - 1, value)
    block[156:157] = flag
    block[157 : 157 + len(target)] = target
    block[257:265] = b"ustar\x0000"
    block[329:345] = b"0000000\x000000000\x00"
    block[148:156] = b"%06o\0 " % (sum(block) + 8 * 0x20)
    return bytes(block)
