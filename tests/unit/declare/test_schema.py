import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from pipeline.declare.schema import SCHEMAS, SPECS, stale, texts, to_draft07

ROOT = Path(__file__).parents[3]


def validator(name):
    schema = json.loads((SPECS / name).read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def test_schemas_are_what_the_types_say():
    assert stale(SPECS, texts()) == (), "run: python -m pipeline.declare.schema --write"


def test_stale_names_schema_that_differs(tmp_path):
    for name, model in SCHEMAS.items():
        (tmp_path / name).write_text(to_draft07(model, name))
    (tmp_path / "host.schema.json").write_text("{}")
    assert stale(tmp_path, texts()) == ("host.schema.json",)


def test_to_draft07_of_tuple_type_is_refused():
    class Pair(BaseModel):
        pair: tuple[int, str]

    with pytest.raises(ValueError, match="prefixItems"):
        to_draft07(Pair, "pair.schema.json")


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schema_describes_every_property(name):
    schema = json.loads((SPECS / name).read_text())
    for part in [schema, *schema.get("$defs", {}).values()]:
        for key, each in part.get("properties", {}).items():
            assert each.get("description"), key


@pytest.mark.parametrize("path", sorted((ROOT / "specs" / "hosts").glob("*.yaml")), ids=lambda path: path.stem)
def test_host_schema_accepts_hosts_that_are_brought(path):
    validator("host.schema.json").validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", sorted((ROOT / "specs" / "hosts" / "sets").glob("*.yaml")), ids=lambda path: path.stem)
def test_set_schema_accepts_sets_that_are_brought(path):
    validator("set.schema.json").validate(yaml.safe_load(path.read_text()))


def test_envspec_schema_accepts_full_spec_as_json():
    validator("envspec.schema.json").validate(
        {
            "seatrial": 1,
            "image": {
                "debian": {"suite": "bookworm", "mirror": "https://example.org/debian"},
                "python": {"packages": ["a"], "build-packages": ["gcc"]},
                "files": [
                    {"from": "a", "to": "/a"},
                    {"stage": "b", "from": "/x", "to": "/a"},
                    {"url": "https://example.org/x", "sha256": "0" * 64, "to": "/a", "unpack": True},
                    {"sdist": "a==1", "to": "/a", "only": ["tests"]},
                ],
                "stages": {"b": {"run": [["go", "build"]]}},
            },
            "suite": {"command": ["a"], "results": {"junit": "x"}, "timeout": "10m"},
            "services": {"db": {"image": {"from": "x"}, "ready": {"tcp": 5432}}},
            "hosts": ["a", {"name": "b", "factors": {"cpus": 1, "stdin": None}}],
        }
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"seatrial": 1, "image": {"debian": "bookworm"}},
        {"seatrial": 1, "image": {"debian": "bookworm", "pakages": []}, "suite": {"command": ["a"]}},
        {"seatrial": 2, "image": {"debian": "bookworm"}, "suite": {"command": ["a"]}},
        {"seatrial": 1, "image": {"debian": 12}, "suite": {"command": ["a"]}},
        {"seatrial": 1, "image": {"debian": "bookworm"}, "suite": {"command": [], "timeout": 10}},
    ],
)
def test_envspec_schema_refuses_what_the_reader_refuses(spec):
    assert not validator("envspec.schema.json").is_valid(spec)
