"""What a rebuilder signs: read again as it was written, and refused where it says what its digests do not."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import evidence_world as world

from pipeline.release.attest import Statement
from pipeline.release.rebuild import PREDICATE, Rebuild, Result
from pipeline.release.refusal import RefusedEvidenceError

SAME = Rebuild(
    name="web",
    image=world.IMAGE,
    rebuilt=world.IMAGE,
    architecture="amd64",
    recipe=world.OTHER,
    lock=world.OTHER,
    spec=world.OTHER,
    started=1_800_000_000,
    finished=1_800_000_060,
    version="0.1.0",
    environment={"kernel": "6.1.0", "machine": "x86_64"},
)
OTHER = replace(
    SAME, rebuilt=world.OTHER, differences=({"cause": "entry-mode", "where": "layer 2", "path": "app/web.py"},)
)
PAGE = Path(__file__).parents[3] / "specs" / "predicates" / "rebuild.md"


@pytest.mark.parametrize("rebuild", [SAME, OTHER, replace(SAME, version="", environment={})])
def test_rebuild_that_is_written_and_read_is_the_same(rebuild):
    assert Rebuild.of(Statement.parse(rebuild.statement().to_bytes())) == rebuild


def test_result_is_what_the_digests_say():
    assert (SAME.result, OTHER.result) == (Result.REPRODUCED, Result.DIFFERENT)


def test_differences_end_at_twenty():
    many = replace(OTHER, differences=tuple(OTHER.differences) * 50)
    assert len(Rebuild.of(many.statement()).differences) == 20


def test_page_of_the_predicate_shows_one_that_is_read():
    text = PAGE.read_text(encoding="utf-8")
    example = text.partition("```json\n")[2].partition("```")[0]
    found = Rebuild.of(Statement.parse(example.encode()))
    assert found.result is Result.REPRODUCED
    assert json.loads(found.statement().to_bytes()) == json.loads(example)
    for key in json.loads(OTHER.statement().to_bytes())["predicate"]:
        assert f"| `{key}` |" in text, key


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"result": "DIFFERENT"}, "predicate-form"),
        ({"result": None}, "predicate-form"),
        ({"trusted": True}, "predicate-form"),
        ({"lock": "sha512:00"}, "predicate-form"),
        ({"lock": 7}, "json-type"),
        ({"rebuilt": {"digest": {"sha256": "0"}}}, "predicate-form"),
        ({"rebuilt": {"digest": {"sha256": world.IMAGE.hex, "sha1": "0"}}}, "predicate-form"),
        ({"finishedOn": "yesterday"}, "predicate-form"),
        ({"finishedOn": "2027-02-30T00:00:00Z"}, "predicate-form"),
        ({"rebuilder": {}}, "predicate-form"),
        ({"environment": {"kernel": 6}}, "json-type"),
        ({"differences": {}}, "json-type"),
    ],
)
def test_rebuild_that_says_something_else_is_refused(change, reason):
    statement = SAME.statement()
    changed = replace(statement, predicate={**statement.predicate, **change})
    with pytest.raises(RefusedEvidenceError, match=rf"\[{reason}\]"):
        Rebuild.of(changed)


def test_rebuild_of_another_kind_or_of_several_images_is_refused():
    statement = SAME.statement()
    with pytest.raises(RefusedEvidenceError, match=r"\[predicate-other\]"):
        Rebuild.of(replace(statement, predicate_type=PREDICATE + "1"))
    with pytest.raises(RefusedEvidenceError, match=r"\[subject-count\]"):
        Rebuild.of(replace(statement, subjects=statement.subjects * 2))
