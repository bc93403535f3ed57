"""Every mutant of these tables changes its module in one place: a check that was moved takes its mutant along."""

from pathlib import Path

import pytest
import yaml
from bad_inputs_desk import ROOT

TABLES = ("attacks", "mistakes", "packages", "suites")
MUTANTS = {
    f"{table}-{case['name']}": case["mutant"]
    for table in TABLES
    for case in yaml.safe_load(Path(__file__).with_name(f"{table}.yaml").read_text(encoding="utf-8"))
    if "old" in (case.get("mutant") or {})
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_changes_its_module_in_one_place(name):
    mutant = MUTANTS[name]
    source = (ROOT / (mutant["module"].replace(".", "/") + ".py")).read_text(encoding="utf-8")
    assert source.count(mutant["old"]) == 1
