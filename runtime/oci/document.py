"""Read JSON that came with an image: hostile until it has been looked at.

Duplicate keys, floats, NaN, deep nesting and surprising types are refused, since two readers of one document must not
see two things.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

from runtime.canonical import Json
from runtime.oci.refusal import Refusal, RefusedError

DOCUMENT_LIMIT = 4 * 1024 * 1024
"""Bytes of a manifest, an index or a config; registries accept no larger manifest."""

_DEPTH = 32
_DIGITS = 19
_MARKS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z|\\\Z)|[][{}]', re.DOTALL)
"""Whole texts, the last of which may have no end, and brackets outside of them."""

DIGITS_OF_64_BITS = 20
"""For documents whose numbers go up to 2**64 - 1, such as those of runtimes."""


def parse_document(raw: bytes, what: str, *, digits: int = _DIGITS) -> Mapping[str, Json]:
    """Parse one JSON object.

    Args:
        raw: its UTF-8 bytes.
        what: how messages call it.
        digits: how many digits a number may have.

    Raises:
        RefusedError: it is too large, no JSON, no object, too deep, has a key twice or a number with a fraction.
    """
    if len(raw) > DOCUMENT_LIMIT:
        raise RefusedError(Refusal.DOCUMENT_SIZE, f"{what} has {len(raw)} bytes; at most {DOCUMENT_LIMIT} are read")
    _check_depth(raw, what)
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=lambda pairs: _unique(pairs, what),
            parse_float=lambda text: _no_number(text, what),
            parse_constant=lambda name: _no_number(name, what),
            parse_int=lambda text: _integer(text, what, digits),
        )
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RefusedError(Refusal.JSON_SYNTAX, f"{what} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise RefusedError(Refusal.JSON_TYPE, f"{what} is {_kind(value)}, not an object")
    return value


def member(value: Json, key: str, what: str) -> Json:
    """Return ``value[key]``, or None if it is missing; refuse if ``value`` is no object."""
    if not isinstance(value, Mapping):
        raise RefusedError(Refusal.JSON_TYPE, f"{what} is {_kind(value)}, not an object")
    return value.get(key)


def text(value: Json, what: str) -> str:
    """Return ``value`` if it is text; refuse it otherwise."""
    if not isinstance(value, str):
        raise RefusedError(Refusal.JSON_TYPE, f"{what} is {_kind(value)}, not text")
    return value


def integer(value: Json, what: str) -> int:
    """Return ``value`` if it is a whole number; refuse it otherwise."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise RefusedError(Refusal.JSON_TYPE, f"{what} is {_kind(value)}, not a whole number")
    return value


def items(value: Json, what: str) -> tuple[Json, ...]:
    """Return the items of a list, none for None; refuse anything else."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise RefusedError(Refusal.JSON_TYPE, f"{what} is {_kind(value)}, not a list")
    return tuple(value)


def texts(value: Json, what: str) -> tuple[str, ...]:
    """Return the items of a list of text, none for None; refuse anything else."""
    return tuple(text(item, what) for item in items(value, what))


def text_map(value: Json, what: str) -> Mapping[str, str]:
    """Return an object whose values are text, empty for None; refuse anything else."""
    if value is None:
        return MappingProxyType({})
    if not isinstance(value, Mapping):
        raise RefusedError(Refusal.JSON_TYPE, f"{what} is {_kind(value)}, not an object")
    return MappingProxyType({key: text(item, f"{what}, {key}") for key, item in value.items()})


def _check_depth(raw: bytes, what: str) -> None:
    # Before the parser, which recurses.
    depth = 0
    for found in _MARKS.finditer(raw):
        mark = raw[found.start()]
        if mark in b"[{":
            depth += 1
            if depth > _DEPTH:
                raise RefusedError(Refusal.JSON_DEPTH, f"{what} is nested deeper than {_DEPTH}")
        elif mark in b"]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Json]], what: str) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in pairs:
        if key in found:
            raise RefusedError(Refusal.JSON_DUPLICATE_KEY, f"{what} has the key {key!r} twice")
        found[key] = value
    return found


def _no_number(digits: str, what: str) -> NoReturn:
    raise RefusedError(Refusal.JSON_NUMBER, f"{what} holds the number {digits[:40]}; only whole numbers are read")


def _integer(text: str, what: str, digits: int) -> int:
    if len(text) > digits:
        _no_number(text, what)
    return int(text)


def _kind(value: object) -> str:
    return "missing" if value is None else type(value).__name__
