"""The value types of specs: what a scalar may be, parsed in one place and printed back the same."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema

_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)")
_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_VARIABLE = re.compile(r"[^=\x00]+")


class Part(BaseModel):
    """One mapping of a spec: frozen, keys in kebab-case, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.rstrip("_").replace("_", "-"),
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )


def parse_duration(text: object) -> int:
    """Return the milliseconds that ``text`` names: a whole number and one of ms, s, m, h, d.

    Raises:
        ValueError: it has another form, or is zero.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        raise ValueError(f"a duration needs a unit: write {text}s, {text}m or {text}h")  # noqa: TRY004 - pydantic collects ValueError only
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is no duration; write a whole number and a unit, such as 90s, 10m or 1h")
    duration = int(found[1]) * _UNITS[found[2]]
    if duration == 0:
        raise ValueError("a duration must be longer than zero")
    return duration


def print_duration(milliseconds: int) -> str:
    """Return the shortest text that ``parse_duration`` reads as ``milliseconds``."""
    unit, size = next((unit, size) for unit, size in _UNITS.items() if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}"


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is not absolute; a path in the image begins with '/'")
    if ".." in path.split("/"):
        raise ValueError(f"{path!r} holds '..'; write the path that it means")
    return path if path == "/" else path.rstrip("/")


def _printable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text may not hold NUL")
    return text


def _octal(text: str) -> str:
    if not re.fullmatch(r"0?[0-7]{3,4}", text):
        raise ValueError(f"{text!r} is no mode; write octal digits, such as 0644 or 4755")
    return text


def _owner(text: str) -> str:
    found = re.fullmatch(r"(\d{1,10}):(\d{1,10})", text)
    if found is None or max(int(found[1]), int(found[2])) >= 2**32 - 1:
        raise ValueError(f"{text!r} is no owner; write UID:GID in numbers, such as 1000:1000")
    return text


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{name!r} cannot name an environment variable")
    return name


Whole = Annotated[int, Strict()]
"""A whole number; neither text nor a boolean is read as one."""

Switch = Annotated[bool, Strict()]
"""true or false."""

Text = Annotated[str, Field(min_length=1), AfterValidator(_printable)]
"""Text that is not empty."""

AnyText = Annotated[str, AfterValidator(_printable)]
"""Text, perhaps empty."""

ImagePath = Annotated[Text, AfterValidator(_absolute)]
"""An absolute path in the image."""

Variable = Annotated[Text, AfterValidator(_variable)]
"""The name of an environment variable."""

Mode = Annotated[Text, AfterValidator(_octal)]
"""Permission bits in octal, as written."""

Owner = Annotated[Text, AfterValidator(_owner)]
"""Numeric ``UID:GID``."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
"""The name of a spec, a service or a host: lower-case letters, digits, ``.``, ``_`` and ``-``."""

Port = Annotated[Whole, Field(ge=1, le=65535)]
"""A TCP port."""

Duration = Annotated[
    Whole,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,9}(ms|s|m|h|d)$", "examples": ["90s", "10m"]}),
]
"""Milliseconds; written as a whole number and a unit."""
