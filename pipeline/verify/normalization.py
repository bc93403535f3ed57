"""``Normalization``: what was seen to be unstable on the reference, and is no difference anywhere."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import Match, SequenceMatcher
from types import MappingProxyType
from typing import Any, Self

from runtime.canonical import Json
from runtime.digest import Digest

FORMAT = 1
_TOKEN = re.compile(rb"\w+|[^\w]")
_NUMBERS_AT_START = re.compile(rb"^(?:[.,:/+-]?\d+)*")
_NUMBERS_AT_END = re.compile(rb"(?:\d+[.,:/+-]?)*$")
_MAXIMAL_LINE = 4096
_MAXIMAL_LINES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """Lines of a stream that vary between runs of the reference.

    Args:
        fixed: the parts of such a line that do not vary, in order; anything may stand between two of them. One empty
            part is no pattern of a line but of the whole stream: it varies too much to be compared.
    """

    fixed: tuple[bytes, ...]

    def matches(self, line: bytes) -> bool:
        """Tell whether the line has the parts, in order, the first at its start and the last at its end."""
        first, *middle, last = self.fixed
        if not line.startswith(first):
            return False
        position = len(first)
        for part in middle:
            found = line.find(part, position)
            if found < 0:
                return False
            position = found + len(part)
        return line.endswith(last) and len(line) - len(last) >= position


WHOLE = Mask(fixed=(b"",))
"""The mask of a stream that varies in more than the content of its lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalization:
    """What was seen to be unstable on the reference.

    Args:
        unstable: ids of tests whose behavior varied between runs of the reference.
        unstable_artifacts: paths of artifacts that did.
        masks: declared stream → masks of its lines, sorted.
    """

    unstable: frozenset[str] = frozenset()
    unstable_artifacts: frozenset[str] = frozenset()
    masks: Mapping[str, tuple[Mask, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def to_json(self) -> Json:
        """Return it as JSON, sorted."""
        return {
            "format": FORMAT,
            "unstable": sorted(self.unstable),
            "artifacts": sorted(self.unstable_artifacts),
            "masks": {
                stream: [[part.hex() for part in mask.fixed] for mask in masks] for stream, masks in self.masks.items()
            },
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:  # noqa: ANN401 - what somebody has written
        """Return the normalization that ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: the value is none.
        """
        found = cls(
            unstable=frozenset(value["unstable"]),
            unstable_artifacts=frozenset(value["artifacts"]),
            masks=MappingProxyType(
                {
                    stream: tuple(Mask(fixed=tuple(bytes.fromhex(part) for part in fixed)) for fixed in masks)
                    for stream, masks in value["masks"].items()
                }
            ),
        )
        if found.to_json() != value:
            raise ValueError("it is no normalization of this format")
        return found

    def joined(self, other: "Normalization") -> "Normalization":
        """Return what is unstable by one or the other."""
        streams = sorted({*self.masks, *other.masks})
        masks = {each: {*self.masks.get(each, ()), *other.masks.get(each, ())} for each in streams}
        return Normalization(
            unstable=self.unstable | other.unstable,
            unstable_artifacts=self.unstable_artifacts | other.unstable_artifacts,
            masks=MappingProxyType(
                {each: tuple(sorted(found, key=lambda mask: mask.fixed)) for each, found in masks.items()}
            ),
        )

    @property
    def digest(self) -> Digest:
        """Over its JSON: two runs of one image are compared under one normalization."""
        return Digest.of_json(self.to_json())


def learn_masks(streams: Sequence[bytes]) -> tuple[Mask, ...]:
    """Return the masks under which some runs' outputs of one stream are equal.

    Args:
        streams: the whole output of each run of the reference, at least one.

    Returns:
        Nothing if they are equal; ``(WHOLE,)`` if they differ in more than the content of their lines, or so that one
        line has several masks.
    """
    first, *others = (each.split(b"\n") for each in streams)
    masks: set[Mask] = set()
    for other in others:
        if other == first:
            continue
        if len(other) != len(first) or len(first) > _MAXIMAL_LINES:
            return (WHOLE,)
        for one, two in zip(first, other, strict=True):
            if one != two and not any(mask.matches(one) and mask.matches(two) for mask in masks):
                masks.add(_mask_of(one, two))
    learned = tuple(sorted(masks, key=lambda mask: mask.fixed))
    return learned if len({masked(each, learned) for each in streams}) == 1 else (WHOLE,)


def masked(stream: bytes, masks: Iterable[Mask]) -> bytes:
    """Return a stream with every line that a mask matches replaced by the mask."""
    chosen = tuple(masks)
    if WHOLE in chosen:
        return b""
    if not chosen:
        return stream
    return b"\n".join(_masked_line(line, chosen) for line in stream.split(b"\n"))


def _masked_line(line: bytes, masks: tuple[Mask, ...]) -> bytes:
    for mask in masks:
        if mask.matches(line):
            return b"\0".join(mask.fixed)
    return line


def _mask_of(one: bytes, two: bytes) -> Mask:
    """Return the mask of two lines that differ; it matches both.

    Where a part of a number varies, such as the fraction of a second, all of the number does: runs that follow at once
    share the rest of it by chance.
    """
    left, right = _TOKEN.findall(one[:_MAXIMAL_LINE]), _TOKEN.findall(two[:_MAXIMAL_LINE])
    *blocks, _ = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    starts = bool(blocks) and blocks[0].a == blocks[0].b == 0
    ends = bool(blocks) and _is_end(blocks[-1], left, right) and max(len(one), len(two)) <= _MAXIMAL_LINE
    parts = [b"".join(left[block.a : block.a + block.size]) for block in blocks]
    for at, block in enumerate(blocks):
        if _is_number(left[: block.a], right[: block.b], -1):
            parts[at] = _NUMBERS_AT_START.sub(b"", parts[at])
        if _is_number(left[block.a + block.size :], right[block.b + block.size :], 0):
            parts[at] = _NUMBERS_AT_END.sub(b"", parts[at])
    first = [parts.pop(0)] if starts else [b""]
    last = [parts.pop()] if ends and parts else [b""]
    return Mask(fixed=(*first, *filter(None, parts), *last))


def _is_number(left: list[bytes], right: list[bytes], place: int) -> bool:
    """Tell whether either line has a number at its start (0) or end (-1)."""
    return any(tokens[place][:1].isdigit() for tokens in (left, right) if tokens)


def _is_end(block: Match, left: list[bytes], right: list[bytes]) -> bool:
    return block.a + block.size == len(left) and block.b + block.size == len(right)
