"""Every field of every file that people write, as a page of the reference, made from the JSON Schemas.

``python -m pipeline.declare.fields`` prints docs/reference/fields.md.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.declare.schema import SCHEMAS, to_draft07

_ABOUT = """\
# Fields

<!-- generated: python -m pipeline.declare.fields -->

What the files hold that people write, field by field. A field in **bold** has to be there, and every other name is an
error, with its line and what was probably meant. An editor tells the same while you type, if the first line of the file
is `# yaml-language-server: $schema=` and where the schema is, of which `specs/` has a copy.
"""

_FILES = {
    "envspec.schema.json": ("Environments", "`envs/NAME.yaml`"),
    "host.schema.json": ("Hosts", "`specs/hosts/NAME.yaml`; [how to choose](../how-to/choose-hosts.md)"),
    "set.schema.json": ("Sets of hosts", "`specs/hosts/sets/NAME.yaml`; a set is asked for by its name, as a host is"),
    "stage.schema.json": ("Stages", "`specs/stages/NAME.yaml`; [what they mean](gate.md)"),
    "keyring.schema.json": (
        "Keyrings",
        "`specs/keyring.json`; [how to make one](../how-to/sign-with-your-own-keys.md)",
    ),
}
"""Schema → the heading of its part of the page, and where such files are."""

_HEAD = ("field", "what it is", "type", "default")
_UNSAID = object()
_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "null": "nothing",
    "boolean": "`true` or `false`",
}

Schema = Mapping[str, Any]


def to_markdown() -> str:
    """Return the page of the reference."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _ABOUT
    for name, (heading, where) in _FILES.items():
        schema = json.loads(to_draft07(SCHEMAS[name], name))
        parts = schema.get("$defs", {})
        yield f"## {heading}\n\n{where}. {_sentence(schema)} Schema: [{name}](../../specs/{name}).\n"
        yield from _table(schema, parts)
        for part, definition in parts.items():
            for form in _forms(definition):
                yield f"### {part}\n\n{_sentence(definition)}\n"
                yield from _table(form, parts)


def _table(schema: Schema, parts: Mapping[str, Schema]) -> Iterator[str]:
    yield _row(_HEAD)
    yield _row(("---",) * len(_HEAD))
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        shown = f"**{name}**" if name in required else name
        yield _row((shown, _about(field), type_of(field, parts), _default(field)))
    yield ""


def type_of(field: Schema, parts: Mapping[str, Schema]) -> str:
    """Say in words what a value may be; what has fields of its own is a link to them.

    Args:
        field: its schema.
        parts: what a ``$ref`` names, by the last part of its path.
    """
    match field:
        case {"$ref": str(reference)} | {"allOf": [{"$ref": str(reference)}]}:
            return _named(reference.rpartition("/")[2], parts)
        case {"anyOf": list(choices)} | {"oneOf": list(choices)}:
            return " or ".join(dict.fromkeys(type_of(each, parts) for each in choices))
        case {"enum": list(values)}:
            return ", ".join(f"`{each}`" for each in values)
        case _:
            return _plain(field, parts)


def _plain(field: Schema, parts: Mapping[str, Schema]) -> str:
    """Say it of a value whose schema names its type."""
    kind = field["type"]
    if isinstance(kind, list):
        return " or ".join(_WORDS[each] for each in kind)
    if kind == "array":
        return f"list of {type_of(field['items'], parts)}"
    return f"map to {_mapped(field, parts)}" if kind == "object" else _WORDS[kind]


def _named(name: str, parts: Mapping[str, Schema]) -> str:
    """Link to a part that has a table; say of any other what it may be."""
    return f"[{name}](#{name.lower()})" if _forms(parts[name]) else type_of(parts[name], parts)


def _mapped(field: Schema, parts: Mapping[str, Schema]) -> str:
    values = [*field.get("patternProperties", {}).values(), field.get("additionalProperties")]
    said = next((each for each in values if isinstance(each, dict)), None)
    return type_of(said, parts) if said else "anything"


def _forms(part: Schema) -> tuple[Schema, ...]:
    """Return those forms of a part that have fields: itself, or some of its alternatives."""
    return tuple(each for each in (part, *part.get("anyOf", ())) if "properties" in each)


def _about(field: Schema) -> str:
    examples = [f"`{_yaml(each)}`" for each in field.get("examples", ())]
    return " ".join([_sentence(field), *([f"Such as {', '.join(examples)}."] if examples else [])])


def _sentence(schema: Schema) -> str:
    return " ".join(schema.get("description", "").replace("``", "`").split())


def _default(field: Schema) -> str:
    default = field.get("default", _UNSAID)
    return "" if default is _UNSAID else f"`{_yaml(default)}`"


def _yaml(value: object) -> str:
    """Write a value as a spec would, on one line."""
    match value:
        case str():
            return value or '""'
        case Mapping():
            return "{" + ", ".join(f"{key}: {_yaml(each)}" for key, each in value.items()) + "}"
        case Sequence():
            return f"[{', '.join(_yaml(each) for each in value)}]"
        case _:
            return json.dumps(value)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
