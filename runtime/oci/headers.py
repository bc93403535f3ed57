"""Read one tar header block as hostile: what two readers could understand differently is refused.

Source: POSIX.1-2017, pax; GNU tar manual, "Basic Tar Format".
"""

from runtime.data import dataclass
from runtime.oci.refusal import Refusal, RefusedError

_KNOWN_MAGIC = (b"ustar\x0000", b"ustar  \x00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The fields of one header block, before any pax header is applied."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    flag: bytes
    target: bytes


def parse_header(block: bytes) -> Header:
    """Parse 512 bytes that are not all zero.

    Raises:
        RefusedError: the checksum is wrong, the format is older than ustar, a number or a text is malformed.
    """
    found = _number(block[148:156], "checksum")
    wanted = sum(block) - sum(block[148:156]) + 8 * 0x20
    if found != wanted:
        raise RefusedError(Refusal.TAR_CHECKSUM, f"a tar header has the checksum {found}, its bytes have {wanted}")
    if block[257:265] not in _KNOWN_MAGIC:
        raise RefusedError(Refusal.TAR_MAGIC, f"a tar header has the magic {block[257:265]!r}, neither ustar nor GNU")
    # GNU uses the place of the prefix for times that we do not read.
    prefix = _text(block[345:500], "prefix") if block[257:265] == _KNOWN_MAGIC[0] else b""
    name = _text(block[0:100], "name")
    return Header(
        name=prefix + b"/" + name if prefix else name,
        mode=_number(block[100:108], "mode"),
        uid=_number(block[108:116], "uid"),
        gid=_number(block[116:124], "gid"),
        size=_number(block[124:136], "size"),
        mtime=_number(block[136:148], "mtime"),
        flag=block[156:157],
        target=_text(block[157:257], "target"),
    )


def parse_records(content: bytes) -> dict[bytes, bytes]:
    """Parse the content of a pax header.

    Raises:
        RefusedError: a record is malformed, or a key stands there twice.
    """
    records: dict[bytes, bytes] = {}
    rest = content
    while rest:
        digits, space, _ = rest.partition(b" ")
        if not space or not digits.isdigit() or len(digits) > 8 or digits.startswith(b"0"):
            raise RefusedError(Refusal.PAX_SYNTAX, f"a pax record begins with {rest[:20]!r}, not with its length")
        record, rest = rest[len(digits) + 1 : int(digits)], rest[int(digits) :]
        key, equals, value = record[:-1].partition(b"=")
        if int(digits) > len(digits) + 1 + len(record) or not record.endswith(b"\n") or not equals or not key:
            raise RefusedError(
                Refusal.PAX_SYNTAX, f"the pax record {record[:40]!r} is not 'LENGTH KEY=VALUE' and a newline"
            )
        if key in records:
            raise RefusedError(Refusal.PAX_DUPLICATE, f"a pax header has the key {key[:40]!r} twice")
        records[key] = value
    return records


def _text(raw: bytes, what: str) -> bytes:
    content, _, rest = raw.partition(b"\0")
    if rest.strip(b"\0"):
        raise RefusedError(
            Refusal.NAME_NUL, f"the {what} {content!r} of a tar header is followed by hidden bytes {rest[:20]!r}"
        )
    return content


def _number(raw: bytes, what: str) -> int:
    if raw[0] & 0x80:
        # GNU's base-256, for numbers too large for octal digits; the second-highest bit is the sign.
        if raw[0] & 0x40:
            raise RefusedError(Refusal.TAR_NUMBER, f"the {what} of a tar header is negative")
        return int.from_bytes(bytes([raw[0] & 0x3F]) + raw[1:], "big")
    digits = raw.strip(b" \0")
    if not digits:
        return 0
    if digits.strip(b"01234567") or raw.lstrip(b" ")[: len(digits)] != digits:
        raise RefusedError(Refusal.TAR_NUMBER, f"the {what} {raw!r} of a tar header is no octal number")
    return int(digits, 8)
