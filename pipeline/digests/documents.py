"""Compare two JSON documents: their fields by path, the order of their keys, and how they are written."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import TypeAlias

from pipeline.digests.differences import Cause, Difference
from runtime.canonical import Json
from runtime.data import dataclass, field
from runtime.digest import Digest
from runtime.oci.document import parse_document

Pair: TypeAlias = tuple[Json, Json]

_ABSENT = object()
_SHOWN = 200  # characters of a value
_MOST_ALIGNED = 200  # items; finding what moved takes the square of it
_INDENTED = re.compile(rb"\s*\{\r?\n([ \t]+)\"")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as bytes and as parsed."""

    digest: Digest
    raw: bytes
    value: Mapping[str, Json]

    @classmethod
    def of(cls, raw: bytes, what: str) -> "Document":
        """Parse a document that came with an image.

        Raises:
            RefusedError: it is refused; see ``parse_document``.
        """
        return cls(digest=Digest.of(raw), raw=raw, value=parse_document(raw, what))


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One field that differs; a missing one is empty text."""

    path: str
    one: str = ""
    two: str = ""
    keys: tuple[str | int, ...] = field(default_factory=tuple)
    is_order: bool = False


def changed_fields(one: Json, two: Json) -> Iterator[Changed]:
    """Yield the smallest parts that differ, in the first's order; lists of equal items in another order are one."""
    yield from _changed(one, two, ())


def form_difference(one: Document, two: Document, where: str) -> Iterator[Difference]:
    """Yield how two documents are written differently, whatever is in them."""
    if one.raw == two.raw:
        return
    for path in _other_orders(one.value, two.value, ()):
        detail = f"the keys stand in another order at {path}" if path else "the keys stand in another order"
        yield Difference(cause=Cause.JSON_FORM, where=where, path=path, one=detail)
        break
    forms = _form(one.raw), _form(two.raw)
    if forms[0] != forms[1]:
        yield Difference(cause=Cause.JSON_FORM, where=where, one=forms[0], two=forms[1])
    elif one.value == two.value and not any(True for _ in _other_orders(one.value, two.value, ())):
        yield Difference(cause=Cause.JSON_FORM, where=where, one="the same values, other white space or escapes")


def to_path(keys: tuple[str | int, ...]) -> str:
    """Return a path as people write it: ``config.Env[2]``, ``annotations["a.b/c"]``."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        elif _NAME.fullmatch(key):
            text += f".{key}" if text else key
        else:
            text += f"[{json.dumps(key, ensure_ascii=False)}]"
    return text


def _changed(one: object, two: object, keys: tuple[str | int, ...]) -> Iterator[Changed]:
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        for key in (*one, *(each for each in two if each not in one)):
            yield from _changed(one.get(key, _ABSENT), two.get(key, _ABSENT), (*keys, key))
    elif isinstance(one, list) and isinstance(two, list):
        yield from _changed_list(one, two, keys)
    elif type(one) is not type(two) or one != two:
        yield Changed(path=to_path(keys), one=_shown(one), two=_shown(two), keys=keys)


def _changed_list(one: list[object], two: list[object], keys: tuple[str | int, ...]) -> Iterator[Changed]:
    if one == two:
        return
    texts = [sorted(json.dumps(each, sort_keys=True) for each in side) for side in (one, two)]
    if texts[0] == texts[1]:
        yield Changed(path=to_path(keys), one=_shown(one), two=_shown(two), keys=keys, is_order=True)
        return
    for first, second in _aligned(one, two):
        was, now = (_ABSENT if at is None else side[at] for side, at in ((one, first), (two, second)))
        yield from _changed(was, now, (*keys, first if first is not None else second or 0))


def _aligned(one: list[object], two: list[object]) -> Iterator[tuple[int | None, int | None]]:
    """Yield the places of items that differ: one that was put in or left out moves the others, and changes none."""
    if max(len(one), len(two)) > _MOST_ALIGNED:
        yield from itertools.zip_longest(range(len(one)), range(len(two)))
        return
    before, after = ([json.dumps(each, sort_keys=True) for each in side] for side in (one, two))
    for kind, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from itertools.zip_longest(range(first, last), range(start, end))


def _other_orders(one: object, two: object, keys: tuple[str | int, ...]) -> Iterator[str]:
    """Yield the paths of the objects whose common keys stand in another order."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        common = [each for each in one if each in two]
        if common != [each for each in two if each in one]:
            yield to_path(keys)
        for key in common:
            yield from _other_orders(one[key], two[key], (*keys, key))
    elif isinstance(one, list) and isinstance(two, list):
        for index, pair in enumerate(zip(one, two, strict=False)):
            yield from _other_orders(*pair, (*keys, index))


def _form(raw: bytes) -> str:
    """Return how a document is written: on one line or indented, and what follows it."""
    found = _INDENTED.match(raw)
    end = ", then a line end" if raw.endswith(b"\n") else ""
    if found:
        blanks = found.group(1)
        width = "a tab" if blanks.startswith(b"\t") else f"{len(blanks)}"
        return f"indented by {width}{end}"
    return f"on one line{end}" if raw.count(b"\n") <= 1 else f"on several lines{end}"


def _shown(value: object) -> str:
    if value is _ABSENT:
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
