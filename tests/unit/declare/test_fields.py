"""The page of fields is what the schemas say, and its links lead somewhere."""

import json
import re
from pathlib import Path

import pytest

from pipeline.declare.fields import to_markdown, type_of
from pipeline.declare.schema import SCHEMAS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "fields.md"


def test_page_is_what_the_schemas_say():
    assert PAGE.read_text() == to_markdown(), "python -m pipeline.declare.fields > docs/reference/fields.md"


@pytest.mark.parametrize("name", SCHEMAS)
def test_page_has_every_field_of_every_file(name):
    schema = json.loads((ROOT / "specs" / name).read_text())
    rows = re.findall(r"^\| \**([^ *|]+)\** \|", PAGE.read_text(), re.MULTILINE)
    parts = [schema, *(each for part in schema.get("$defs", {}).values() for each in (part, *part.get("anyOf", ())))]
    fields = {field for part in parts for field in part.get("properties", {})}
    assert fields
    assert fields <= set(rows)


def test_links_within_the_page_lead_to_headings():
    headings = {each.lower().replace(" ", "-") for each in re.findall(r"^#+ (.+)$", PAGE.read_text(), re.MULTILINE)}
    links = set(re.findall(r"\]\(#([^)]+)\)", PAGE.read_text()))
    assert links
    assert links <= headings


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"type": "string"}, "text"),
        ({"type": ["string", "null"]}, "text or nothing"),
        ({"type": "array", "items": {"type": "integer"}}, "list of a whole number"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "map to `true` or `false`"),
        ({"type": "object"}, "map to anything"),
        ({"enum": ["report", "fail"]}, "`report`, `fail`"),
        ({"$ref": "#/$defs/Choice"}, "`a`, `b`"),
        ({"allOf": [{"$ref": "#/$defs/Part"}]}, "[Part](#part)"),
        ({"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Part"}]}, "text or [Part](#part)"),
    ],
)
def test_type_of_says_what_a_value_may_be(field, said):
    parts = {"Choice": {"enum": ["a", "b"]}, "Part": {"type": "object", "properties": {"a": {"type": "string"}}}}
    assert type_of(field, parts) == said
