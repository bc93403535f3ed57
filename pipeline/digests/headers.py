"""What differs in the header blocks of one entry where the entry is the same: the format, names, finer times."""

from collections.abc import Iterator

from runtime.canonical import to_text
from runtime.oci.headers import parse_header, parse_records
from runtime.oci.tar import BLOCK

_FIELDS = {
    "mode": (100, 108),
    "uid": (108, 116),
    "gid": (116, 124),
    "size": (124, 136),
    "mtime": (136, 148),
    "type": (156, 157),
    "magic": (257, 265),
    "user name": (265, 297),
    "group name": (297, 329),
    "device": (329, 345),
    "prefix": (345, 512),
    "name": (0, 100),
    "target": (157, 257),
}
_EXTENSIONS = {b"x": "pax", b"g": "global pax", b"L": "GNU long name", b"K": "GNU long target"}
_SHOWN = 60


def header_differences(one: bytes, two: bytes) -> Iterator[tuple[str, str]]:
    """Yield what two entries' header blocks have differently, as pairs of text that do not name the entry.

    Args:
        one: the blocks of an entry: extension headers with their content, and its own, which is the last.
        two: those of the same entry in the other archive.
    """
    sides = [dict(_described(each)) for each in (one, two)]
    is_found = False
    for key in (*sides[0], *(each for each in sides[1] if each not in sides[0])):
        was, now = (side.get(key) for side in sides)
        if was != now:
            is_found = True
            yield (f"{key}: {_cut(was)}", f"{key}: {_cut(now)}")
    if not is_found:
        yield ("header blocks", "other header blocks of the same meaning")


def _described(header: bytes) -> Iterator[tuple[str, str]]:
    """Yield the parts of header blocks with their values, the format first."""
    rest, extensions, values = header, [], []
    while len(rest) > BLOCK:
        block = rest[:BLOCK]
        parsed = parse_header(block)
        content = rest[BLOCK : BLOCK + parsed.size]
        rest = rest[BLOCK + parsed.size + -parsed.size % BLOCK :]
        kind = _EXTENSIONS.get(parsed.flag, "unknown")
        extensions.append(kind)
        values.append((f"{kind} header's own fields", _text(block[:148] + block[156:])))
        if parsed.flag in b"xg":
            values += [(f"{kind} {_text(key)}", _text(value)) for key, value in parse_records(content).items()]
    yield "format", f"{_format(rest)}{' with ' if extensions else ''}{', '.join(extensions)}"
    yield from values
    for name, (start, end) in _FIELDS.items():
        yield f"field {name}", _text(rest[start:end])


def _format(block: bytes) -> str:
    return "GNU" if block[257:265] == b"ustar  \0" else "ustar"


def _text(raw: bytes) -> str:
    """Return a field as text, with the blanks and zeros that end it: they may be the difference."""
    text = to_text(raw.rstrip(b"\0")).replace("\0", "\\0")
    return text if len(raw.rstrip(b"\0")) == len(raw) else text + "\\0"


def _cut(text: str | None) -> str:
    return "none" if text is None else text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
