"""The page of stages and gates has every field and every code, and no other one."""

import re
from pathlib import Path

from pipeline.declare.stage_file import PolicyPart, StageFile
from pipeline.release.gate_refusal import Gate

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "gate.md").read_text(encoding="utf-8")


def first_cells(head):
    rows = PAGE.partition(head)[2].partition("\n\n")[0].splitlines()[1:]
    return [name for row in rows if row for name in re.findall("`([^`]+)`", row.split("|")[1])]


def names_of(part):
    return [field.alias or name for name, field in part.model_fields.items()]


def test_every_code_of_the_gate_is_told():
    found = first_cells("| code | what is refused |")
    assert sorted(found) == sorted(each.value for each in Gate)


def test_every_field_of_a_stage_is_told_in_its_order():
    assert first_cells("| field | default | meaning |") == names_of(StageFile)
    assert first_cells("| field of `policy` | default | meaning |") == names_of(PolicyPart)
