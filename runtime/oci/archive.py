"""Read a tar archive entry by entry, as hostile; nothing is written here.

``read_entries`` yields entries whose own fields are sound. Whether they fit together is for who lays them out.
"""

import re
import stat
from collections.abc import Iterator
from decimal import Decimal
from typing import Protocol

from runtime.data import dataclass, field
from runtime.oci.headers import Header, parse_header, parse_records
from runtime.oci.owners import OURS
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.tar import BLOCK, Entry, Kind

_MODES = {
    Kind.FILE: stat.S_IFREG,
    Kind.HARDLINK: stat.S_IFREG,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.DIRECTORY: stat.S_IFDIR,
}
_REFUSED_FLAGS = {b"3": Refusal.DEVICE, b"4": Refusal.DEVICE, b"6": Refusal.FIFO, b"S": Refusal.TAR_SPARSE}
_IGNORED_KEYS = frozenset({b"atime", b"ctime", b"uname", b"gname", b"comment", b"LIBARCHIVE.creationtime"})
_KNOWN_KEYS = _IGNORED_KEYS | {b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime"}
_XATTR = b"SCHILY.xattr."
_XATTR_LIBARCHIVE = b"LIBARCHIVE.xattr."  # the same again in base64; bsdtar writes both
_TIME_FORM = re.compile(rb"-?[0-9]+(\.[0-9]*)?")  # POSIX.1-2017, pax, "mtime"; Decimal reads more
_LAST_TIME = 253402300799  # the end of the year 9999
_LAST_ID = 65534  # no tree has more: the ids of a run end here
_ARBITRARY = 1000660000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a layer may have; more is a bomb."""

    total: int = 16 * 1024**3
    entries: int = 1_000_000
    metadata: int = 256 * 1024**2  # names, targets and attributes, of which some are kept until the end
    file: int = 8 * 1024**3 - 1
    ratio: int = 200
    ratio_from: int = 64 * 1024**2
    pax: int = 1024**2
    xattrs: int = 64 * 1024
    depth: int = 128


class Source(Protocol):
    """A stream of the archive's bytes."""

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes, fewer at the end only."""


@dataclass(slots=True)
class _Pending:
    """What extension headers said of the entry that follows."""

    records: dict[bytes, bytes] = field(default_factory=dict)
    gnu: dict[bytes, bytes] = field(default_factory=dict)


def read_entries(source: Source, limits: Limits) -> Iterator[Entry]:
    """Yield the entries of an archive to its end.

    After each file its content and padding must be read from ``source``, by ``read_content``, before the next entry
    is asked for.

    Raises:
        RefusedError: the archive is malformed, or holds what is refused.
    """
    pending, count = _Pending(), 0
    while True:
        block = _read(source, BLOCK)
        if not block.strip(b"\0"):
            break
        header = parse_header(block)
        if header.flag in b"xgLK":
            _extend(pending, header, source, limits)
            continue
        count += 1
        if count > limits.entries:
            raise RefusedError(Refusal.ENTRY_COUNT, f"the archive has more than {limits.entries} entries")
        yield _entry(header, pending, limits)
        pending = _Pending()
    if pending.records or pending.gnu:
        raise RefusedError(Refusal.PAX_LOST, "the archive ends with an extension header that belongs to no entry")
    _read_end(source)


def read_content(source: Source, size: int, step: int = 1 << 20) -> Iterator[bytes]:
    """Yield the content of a file in parts, and read its padding.

    Raises:
        RefusedError: the archive ends before, or the padding holds something.
    """
    left = size
    while left:
        part = _read(source, min(left, step))
        left -= len(part)
        yield part
    if _read(source, -size % BLOCK).strip(b"\0"):
        raise RefusedError(Refusal.TAR_PADDING, "the padding after a file in the archive is not zero")


def _read(source: Source, size: int) -> bytes:
    content = source.read(size) if size else b""
    if len(content) != size:
        raise RefusedError(Refusal.TAR_TRUNCATED, f"the archive ends in the middle of {size} bytes")
    return content


def _read_end(source: Source) -> None:
    if _read(source, BLOCK).strip(b"\0"):
        raise RefusedError(Refusal.TAR_TRAILING, "the archive has one block of zeros where its end has two")
    while rest := source.read(1 << 20):
        if rest.strip(b"\0"):
            raise RefusedError(Refusal.TAR_TRAILING, "the archive goes on after its end")


def _extend(pending: _Pending, header: Header, source: Source, limits: Limits) -> None:
    if header.size > limits.pax:
        message = f"an extension header of the archive has {header.size} bytes; at most {limits.pax} are read"
        raise RefusedError(Refusal.PAX_SIZE, message)
    content = b"".join(read_content(source, header.size))
    match header.flag:
        case b"x" if pending.records or pending.gnu:
            raise RefusedError(Refusal.PAX_DUPLICATE, "two extension headers of the archive stand before one entry")
        case b"x":
            pending.records = parse_records(content)
        case b"g":
            if parse_records(content).keys() - _IGNORED_KEYS:
                raise RefusedError(Refusal.PAX_GLOBAL, "a global pax header of the archive changes entries")
        case flag:
            if flag in pending.gnu or pending.records:
                raise RefusedError(Refusal.PAX_DUPLICATE, "two extension headers of the archive stand before one entry")
            pending.gnu[flag] = content.removesuffix(b"\0")


def _entry(header: Header, pending: _Pending, limits: Limits) -> Entry:
    records = pending.records
    name = records.get(b"path", pending.gnu.get(b"L", header.name))
    kind = _kind(header, name)
    xattrs = _xattrs(records, name, limits)
    entry = Entry(
        path=_path(name, kind),
        kind=kind,
        mode=_mode(header.mode, kind, name),
        uid=_owner(records.get(b"uid"), header.uid, name),
        gid=_owner(records.get(b"gid"), header.gid, name),
        mtime=_time(records.get(b"mtime"), header.mtime, name),
        size=_size(records.get(b"size"), header.size, kind, name, limits),
        target=records.get(b"linkpath", pending.gnu.get(b"K", header.target)),
        xattrs=xattrs,
    )
    _check_target(entry)
    if entry.xattrs and kind not in (Kind.FILE, Kind.DIRECTORY):
        raise RefusedError(Refusal.XATTR_ON_LINK, f"{name!r} is a link and has extended attributes")
    return entry


def _kind(header: Header, name: bytes) -> Kind:
    if header.flag in _REFUSED_FLAGS:
        raise RefusedError(_REFUSED_FLAGS[header.flag], f"{name!r} is a device, a pipe or a sparse file: not accepted")
    flag = header.flag.replace(b"\0", b"0").decode("latin-1")
    if flag not in set(Kind):
        raise RefusedError(Refusal.TAR_TYPE, f"{name!r} has the tar type {header.flag!r}, not accepted")
    return Kind(flag)


def _path(name: bytes, kind: Kind) -> bytes:
    if not name:
        raise RefusedError(Refusal.NAME_EMPTY, "an entry of the archive has no name")
    if name.startswith(b"/"):
        raise RefusedError(Refusal.NAME_ABSOLUTE, f"{name!r} is absolute")
    if b"\0" in name:
        raise RefusedError(Refusal.NAME_NUL, f"{name!r} holds a NUL")
    if name.endswith(b"/") and kind is not Kind.DIRECTORY:
        raise RefusedError(Refusal.NAME_SLASH, f"{name!r} ends with a slash and is no directory")
    return name.removesuffix(b"/")


def _mode(mode: int, kind: Kind, name: bytes) -> int:
    # Writers in Go once put the type among the mode bits; where it agrees with the entry, that is no lie.
    if mode & ~0o7777 not in (0, _MODES[kind]):
        raise RefusedError(Refusal.MODE, f"{name!r} has the mode {mode:o}, more than permission bits")
    return mode & 0o7777


def _owner(record: bytes | None, field_value: int, name: bytes) -> int:
    value = field_value if record is None else _decimal(record, name)
    if value > _LAST_ID and value != _ARBITRARY:
        raise RefusedError(Refusal.OWNER, f"{name!r} belongs to the id {value}; ids up to {_LAST_ID} can be mapped")
    return value


def _time(record: bytes | None, field_value: int, name: bytes) -> int:
    if record is not None and not _TIME_FORM.fullmatch(record):
        raise RefusedError(Refusal.PAX_SYNTAX, f"{name!r} has the time {record[:40]!r}")
    value = Decimal(field_value) if record is None else Decimal(record.decode("ascii"))
    if not 0 <= value <= _LAST_TIME:
        raise RefusedError(Refusal.TIME, f"{name!r} has the time {value}, before 1970 or after 9999")
    return int(value)


def _size(record: bytes | None, field_value: int, kind: Kind, name: bytes, limits: Limits) -> int:
    if record is not None and _decimal(record, name) != field_value:
        # A reader that trusts the other field would see other entries (CVE-2025-62518).
        message = f"{name!r} has {record!r} bytes by its pax header and {field_value} by its own"
        raise RefusedError(Refusal.PAX_DISAGREES, message)
    if kind is not Kind.FILE and field_value:
        raise RefusedError(Refusal.TAR_LINK_SIZE, f"{name!r} is no file and has {field_value} bytes of content")
    if field_value > limits.file:
        raise RefusedError(Refusal.FILE_SIZE, f"{name!r} has {field_value} bytes; at most {limits.file} are written")
    return field_value


def _xattrs(records: dict[bytes, bytes], name: bytes, limits: Limits) -> dict[str, bytes]:
    found = {}
    for key, value in records.items():
        if key.startswith(_XATTR):
            found[_xattr_name(key.removeprefix(_XATTR), value, name)] = value
        elif key not in _KNOWN_KEYS and not key.startswith(_XATTR_LIBARCHIVE):
            raise RefusedError(Refusal.PAX_KEY, f"{name!r} has the pax key {key!r}, not known")
    if sum(len(key) + len(value) for key, value in found.items()) > limits.xattrs:
        raise RefusedError(Refusal.XATTR_SIZE, f"{name!r} has more than {limits.xattrs} bytes of extended attributes")
    return found


def _xattr_name(key: bytes, value: bytes, name: bytes) -> str:
    if key.startswith((b"user.overlay.", b"trusted.overlay.")):
        # They would forge whiteouts, redirects and metacopies, by which any file of a lower layer can be read.
        raise RefusedError(Refusal.XATTR_OVERLAY, f"{name!r} has the attribute {key!r}, which belongs to overlayfs")
    if key.startswith(OURS.encode()):
        raise RefusedError(Refusal.XATTR_OWNER, f"{name!r} has the attribute {key!r}, which would forge an owner")
    if key == b"security.capability":
        if len(value) != 20 or value[3] != 2:  # linux/capability.h: VFS_CAP_REVISION_2, without a root id
            raise RefusedError(
                Refusal.CAPABILITY, f"{name!r} has file capabilities of an unknown revision: {value.hex()}"
            )
        return "security.capability"
    if not key.startswith(b"user.") or len(key) > 255 or not key.isascii() or b"\0" in key:
        raise RefusedError(
            Refusal.XATTR_NAME, f"{name!r} has the attribute {key!r}; only user.* and security.capability are"
        )
    return key.decode()


def _check_target(entry: Entry) -> None:
    is_link = entry.kind in (Kind.SYMLINK, Kind.HARDLINK)
    if is_link and (not entry.target or len(entry.target) > 4095 or b"\0" in entry.target):
        raise RefusedError(Refusal.LINK_TARGET, f"{entry.path!r} is a link to {entry.target[:40]!r}")


def _decimal(record: bytes, name: bytes) -> int:
    if not record.isdigit() or len(record) > 19:
        raise RefusedError(Refusal.PAX_SYNTAX, f"{name!r} has the pax number {record[:40]!r}")
    return int(record)
