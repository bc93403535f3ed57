"""``Node``: YAML with the line and column of every key and value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands: line and column count from 1, ``length`` in characters on that line."""

    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A scalar: ``text`` as written (quotes and escapes resolved), ``value`` as YAML reads it."""

    place: Place
    text: str
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A sequence."""

    place: Place
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A mapping: key → value, and key → the place of the key, in the order of the file."""

    place: Place
    values: Mapping[str, "Node"]
    keys: Mapping[str, Place]


Node: TypeAlias = Scalar | Items | Table
