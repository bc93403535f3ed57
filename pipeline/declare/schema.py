"""JSON Schemas of the files that people write, made from the types.

``python -m pipeline.declare.schema --write | --check``. They are draft-07: the YAML language server reads no newer one.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from pipeline.declare.host_file import HostFile, HostSet
from pipeline.declare.keyring_file import KeyringFile
from pipeline.declare.spec import EnvSpec
from pipeline.declare.stage_file import StageFile

DIALECT = "http://json-schema.org/draft-07/schema#"
BASE = "https://seatrial.dev/schemas/"
"""Where the schemas are found by programs; nothing here asks for it."""

SPECS = Path(__file__).resolve().parents[2] / "specs"
"""Where they are kept in the source tree."""

_NEWER = frozenset(
    {"prefixItems", "unevaluatedItems", "unevaluatedProperties", "dependentRequired", "dependentSchemas", "minContains"}
)

SCHEMAS: Mapping[str, type[BaseModel]] = {
    "envspec.schema.json": EnvSpec,
    "host.schema.json": HostFile,
    "keyring.schema.json": KeyringFile,
    "set.schema.json": HostSet,
    "stage.schema.json": StageFile,
}
"""File name → the type that it is made from."""


class _Draft07(GenerateJsonSchema):
    schema_dialect = DIALECT


def to_draft07(model: type[BaseModel], name: str, mode: JsonSchemaMode = "validation") -> str:
    """Return the JSON Schema of ``model`` as the text of the file ``name``.

    Args:
        model: the type.
        name: of the file.
        mode: ``validation`` for what people write, who leave out what they have not; ``serialization`` for what
            programs read, where null is a value.

    Raises:
        ValueError: the type needs a keyword that draft-07 has not.
    """
    schema = model.model_json_schema(by_alias=True, schema_generator=_Draft07, mode=mode)
    newer = sorted(_NEWER & set(_keys(schema)))
    if newer:
        raise ValueError(f"{model.__name__} needs {', '.join(newer)}, which draft-07 has not")
    head = {"$schema": DIALECT, "$id": f"{BASE}{name}"}
    return json.dumps({**head, **_tidy(schema, has_null=mode == "serialization")}, indent=2, ensure_ascii=False) + "\n"


def texts() -> Mapping[str, str]:
    """Return the text of each file of ``SCHEMAS`` by its name."""
    return {name: to_draft07(model, name) for name, model in sorted(SCHEMAS.items())}


def stale(folder: Path, made: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the schemas in ``folder`` that are not what was made of the types, in their order."""
    return tuple(
        name
        for name, text in made.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the schemas of this module, or tell which are stale; return the exit code."""
    return write_or_check(argv, texts(), "pipeline.declare.schema")


def write_or_check(argv: Sequence[str] | None, made: Mapping[str, str], module: str) -> int:
    """Write schemas into ``specs/``, or tell which there are stale, as ``argv`` says; return the exit code.

    Args:
        argv: ``--write`` or ``--check``; None for the process's own.
        made: file name → text.
        module: which is run for it.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--write", action="store_true", help="write them into specs/")
    choice.add_argument("--check", action="store_true", help="exit 1 if one is not what the types say")
    arguments = parser.parse_args(argv)
    if arguments.write:
        for name, text in made.items():
            (SPECS / name).write_text(text, encoding="utf-8")
        return 0
    found = stale(SPECS, made)
    for name in found:
        sys.stderr.write(f"error: specs/{name} is not what the types say\n")
    if found:
        sys.stderr.write(f"hint: python -m {module} --write\n")
    return 1 if found else 0


def _tidy(node: Any, *, has_null: bool) -> Any:  # noqa: ANN401 - JSON
    """Drop what misleads an editor: generated titles, null where no file may write it, and siblings of ``$ref``."""
    if isinstance(node, list):
        return [_tidy(each, has_null=has_null) for each in node]
    if not isinstance(node, dict):
        return node
    tidy = {
        key: _tidy(value, has_null=has_null)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }
    choices = tidy.get("anyOf", [])
    if {"type": "null"} in choices and not has_null:
        only = [each for each in choices if each != {"type": "null"}]
        del tidy["anyOf"]
        tidy = {**(only[0] if len(only) == 1 else {"anyOf": only}), **tidy}
    if tidy.get("default", "") is None:
        del tidy["default"]
    reference = tidy.pop("$ref", None)
    if reference is None:
        return tidy
    # Draft-07 ignores what stands beside a $ref: it goes into allOf.
    return {"allOf": [{"$ref": reference}], **tidy} if tidy else {"$ref": reference}


def _keys(node: Any) -> list[str]:  # noqa: ANN401 - JSON
    if isinstance(node, dict):
        return [*node, *(key for value in node.values() for key in _keys(value))]
    return [key for value in node for key in _keys(value)] if isinstance(node, list) else []


if __name__ == "__main__":
    sys.exit(main())
