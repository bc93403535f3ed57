"""The schema of the verdict, held together with who writes the document and who reads it."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest

from pipeline.declare.schema import SPECS, stale
from pipeline.report import json as document
from pipeline.report import saved, schema
from pipeline.verify.explain import CauseState
from pipeline.verify.verdict import State, VerdictWord

SCHEMA = json.loads((SPECS / schema.NAME).read_text())
GOLDEN = Path(__file__).parents[2] / "golden" / "report"


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    return jsonschema.Draft7Validator(SCHEMA)


@pytest.fixture
def everything():
    return json.loads((GOLDEN / "everything.json").read_text())


def test_schema_is_what_the_types_say():
    assert stale(SPECS, schema.texts()) == (), "run: python -m pipeline.report.schema --write"


def test_schema_accepts_every_report(sample, validator):
    validator.validate(json.loads(document.render(sample)))


def test_schema_accepts_the_golden_report(everything, validator):
    validator.validate(everything)


def test_schema_describes_every_field_that_is_written(sample):
    closed = json.loads(json.dumps(SCHEMA).replace('"additionalProperties": true', '"additionalProperties": false'))
    jsonschema.Draft7Validator(closed).validate(json.loads(document.render(sample)))
    for part in (SCHEMA, *SCHEMA["$defs"].values()):
        assert part.get("description")
        assert all(each.get("description") for each in part.get("properties", {}).values())


def test_schema_requires_what_the_reader_needs(everything, validator):
    """Without each key in turn: a report is valid if, and only if, it can be read."""
    optional = set()
    first = {tuple(each for each in path if isinstance(each, str)): path for path in reversed([*keys(everything)])}
    for path in first.values():
        without = copy.deepcopy(everything)
        del follow(without, path[:-1])[path[-1]]
        assert validator.is_valid(without) == can_be_read(without), path
        if validator.is_valid(without):
            optional.add(path[-1])
    assert {"work", "emulated", "cut", "removed", "predicted", "sandbox", "calls", "network", "shutdown"} <= optional
    assert not optional & {"verdict", "state", "digest", "differences", "environments", "behavior", "reproduce"}


def test_schema_lets_further_fields_in_everywhere(everything, validator):
    def extend(value):
        if isinstance(value, dict):
            # Not where the keys are names of factors or outcomes, whose values have one type.
            own = {} if all(isinstance(each, str | int) for each in value.values()) else {"of-a-later-version": [None]}
            return {name: extend(each) for name, each in value.items()} | own
        return [extend(each) for each in value] if isinstance(value, list) else value

    validator.validate(extend(everything))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (["verdict"], VerdictWord),
        (["environments", 0, "verdict"], VerdictWord),
        (["environments", 0, "hosts", 0, "state"], State),
        (["environments", 0, "hosts", 0, "differences", 0, "cause", "state"], CauseState),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_schema_knows_every_word_and_no_other(everything, validator, path, words):
    place = follow(everything, path[:-1])
    for word in words:
        place[path[-1]] = word.value
        validator.validate(everything)
    place[path[-1]] = "FINE"
    assert not validator.is_valid(everything)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (["schema"], "https://seatrial.dev/verdict/v2"),
        (["environments", 0, "image"], "sha256:abc"),
        (["environments", 0, "image"], None),
        (["environments", 0, "hosts", 0, "factors"], {"umask": 77}),
        (["environments", 0, "hosts", 0, "runs"], -1),
        (["environments", 0, "hosts", 0, "differences", 0, "line"], "41"),
        (["seconds"], "0.1"),
    ],
)
def test_schema_refuses_what_no_report_has(everything, validator, path, wrong):
    follow(everything, path[:-1])[path[-1]] = wrong
    assert not validator.is_valid(everything)


def keys(value, path=()):
    """Yield the way to each key that is no name of a factor or an outcome."""
    if isinstance(value, dict):
        for name, each in value.items():
            if not path or path[-1] not in {"factors", "tests", "evidence", "ambient", "removed", "predicted"}:
                yield (*path, name)
            yield from keys(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from keys(each, (*path, index))


def follow(value, path):
    for each in path:
        value = value[each]
    return value


def can_be_read(value):
    try:
        saved.from_json(value)
    except saved.ReportError:
        return False
    return True
