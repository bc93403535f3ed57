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
from pydantic.json_schema import GenerateJsonSchema

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


def to_draft07(model: type[BaseModel], name: str) -> str:
    """Return the JSON Schema of ``model`` as the text of the file ``name``.

    Raises:
        ValueError: the type needs a keyword that draft-07 has not.
    """
    schema = model.model_json_schema(by_alias=True, schema_generator=_Draft07)
    newer = sorted(_NEWER & set(_keys(schema)))
    if newer:
        raise ValueError(f"{model.__name__} needs {', '.join(newer)}, which draft-07 has not")
    head = {"$schema": DIALECT, "$id": f"{BASE}{name}"}
    return json.dumps({**head, **_tidy(schema)}, indent=2, ensure_ascii=False) + "\n"


def stale(folder: Path) -> tuple[str, ...]:
    """Return the names of the schemas in ``folder`` that are not what the types say, sorted."""
    return tuple(
        name
        for name, model in sorted(SCHEMAS.items())
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != to_draft07(model, name)
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the schemas, or tell which are stale; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.declare.schema", description=__doc__)
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--write", action="store_true", help="write them into specs/")
    choice.add_argument("--check", action="store_true", help="exit 1 if one is not what the types say")
    arguments = parser.parse_args(argv)
    if arguments.write:
        for name, model in SCHEMAS.items():
            (SPECS / name).write_text(to_draft07(model, name), encoding="utf-8")
        return 0
    found = stale(SPECS)
    for name in found:
        sys.stderr.write(f"error: specs/{name} is not what the types say\n")
    if found:
        sys.stderr.write("hint: python -m pipeline.declare.schema --write\n")
    return 1 if found else 0


def _tidy(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Drop what misleads an editor: generated titles, null where no file may write it, and siblings of ``$ref``."""
    if isinstance(node, list):
        return [_tidy(each) for each in node]
    if not isinstance(node, dict):
        return node
    tidy = {key: _tidy(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    choices = tidy.get("anyOf", [])
    if {"type": "null"} in choices:
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
