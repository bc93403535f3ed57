"""The value types of specs: what a scalar may be, parsed in one place and printed back the same."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

FORMAT = 1
"""The number that ``seatrial:`` holds in every file of ours."""

_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)")
_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


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


class FlakyPolicy(StrEnum):
    """What a flaky test does to the verdict."""

    REPORT = "report"
    FAIL = "fail"


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


@dataclass(frozen=True, slots=True)
class Like:
    """An annotation: text of this form.

    Args:
        pattern: what the whole text must match; the schema shows it, so it is of the dialect that JSON Schema shares.
        want: what to write, in words.
        types: the JSON types that it may be taken for where it is read as written.
    """

    pattern: str
    want: str
    types: tuple[str, ...] = ("string",)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Check the text after its type."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Show the pattern, and the types that editors, which read YAML 1.2, may take the characters for."""
        schema = {**handler(core), "pattern": f"^{self.pattern}$"}
        return schema | {"type": list(self.types)} if len(self.types) > 1 else schema

    def _check(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"{text!r} is not what is wanted here: {self.want}")
        return text


def _clean(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is not absolute; a path in the image begins with '/'")
    if ".." in path.split("/"):
        raise ValueError(f"{path!r} holds '..'; write the path that it means")
    return "/" + "/".join(part for part in path.split("/") if part not in {"", "."})


def _printable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text may not hold NUL")
    return text


Whole = Annotated[int, Strict()]
"""A whole number; neither text nor a boolean is read as one."""

Switch = Annotated[bool, Strict()]
"""true or false."""

Text = Annotated[str, Field(min_length=1), AfterValidator(_printable)]
"""Text that is not empty."""

AnyText = Annotated[str, AfterValidator(_printable)]
"""Text, perhaps empty."""

ImagePath = Annotated[Text, AfterValidator(_clean)]
"""An absolute path in the image."""

Variable = Annotated[str, Like(r"[^=\x00]+", "the name of an environment variable")]
"""The name of an environment variable."""

Mode = Annotated[str, Like(r"0?[0-7]{3,4}", "a mode in octal digits, such as 0644 or 4755", ("string", "integer"))]
"""Permission bits in octal, as written."""

Owner = Annotated[str, Like(r"[0-9]{1,9}:[0-9]{1,9}", "UID:GID in numbers, such as 1000:1000")]
"""Numeric ``UID:GID``."""

Name = Annotated[
    str, Like(r"[a-z0-9][a-z0-9._-]{0,62}", "a name of lower-case letters, digits, '.', '_' and '-', at most 63")
]
"""The name of a spec, a service or a host."""

Level = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean", "null"]})]
"""A level of a factor, as written; editors, which read YAML 1.2, may take it for anything."""

Url = Annotated[str, Like(r"https?://[^\s/]+(/\S*)?", "a URL that begins with https:// or http://")]
"""A URL."""

Port = Annotated[Whole, Field(ge=1, le=65535)]
"""A TCP port."""

Duration = Annotated[
    Whole,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,9}(ms|s|m|h|d)$", "examples": ["90s", "10m"]}),
]
"""Milliseconds; written as a whole number and a unit."""


def written_as(default: str) -> object:
    """Tell editors a default as people write it, where the value behind it is of another type."""
    return Field(json_schema_extra={"default": default})
