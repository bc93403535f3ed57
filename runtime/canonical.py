"""Canonical JSON: equal values have equal bytes.

Source: RFC 8785 (JSON Canonicalization Scheme), without floating-point numbers, which nothing digested may hold.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = Mapping[str, "Json"] | Sequence["Json"] | str | int | bool | None


def to_canonical_json(value: Json) -> bytes:
    """Return the canonical UTF-8 bytes of ``value``.

    Args:
        value: mappings with text keys, sequences, text, whole numbers, booleans, None. Text may not hold surrogates.

    Returns:
        One line without spaces; keys sorted by their UTF-16 code units, as RFC 8785 section 3.2.3 demands.

    Raises:
        TypeError: the value holds a float or something that JSON has not.
        UnicodeEncodeError: text holds a lone surrogate; escape bytes with ``to_text`` first.
    """
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def to_text(raw: bytes) -> str:
    r"""Return bytes as text that JSON can hold, reversibly: ``\xNN`` for a byte that is no UTF-8, ``\\`` for ``\``."""
    doubled = raw.replace(b"\\", b"\\\\")
    return doubled.decode("utf-8", errors="backslashreplace")


def unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Return a JSON object from its keys and values: the ``object_pairs_hook`` of readers that take no key twice.

    Raises:
        ValueError: a key is there twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"it holds the key {twice!r} twice in one object")
    return found


def _ordered(value: Json) -> Json:
    match value:
        case None | str() | bool():
            return value
        case int():
            return value
        case Mapping():
            return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
        case Sequence():
            return [_ordered(item) for item in value]
        case _:
            raise TypeError(f"canonical JSON cannot hold {type(value).__name__} {value!r}")
