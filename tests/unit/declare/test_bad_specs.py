"""Every bad spec beside its golden message: run with UPDATE_GOLDEN=1 to write the messages anew, and read the diff."""

import os
from pathlib import Path

import pytest

from pipeline.declare.faults import SpecFaults
from pipeline.declare.read import read_specs

FOLDER = Path(__file__).parents[2] / "golden" / "specs"
BAD = sorted(path.stem for path in FOLDER.glob("*.yaml") if not path.name.startswith("_"))


@pytest.mark.parametrize("name", BAD)
def test_read_specs_of_bad_spec_says_golden_message(name, monkeypatch):
    monkeypatch.chdir(FOLDER)
    with pytest.raises(SpecFaults) as caught:
        read_specs([f"{name}.yaml"])
    message = f"{caught.value}\n"
    golden = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(message, encoding="utf-8")
    assert message == golden.read_text(encoding="utf-8")


def test_every_golden_message_has_its_spec():
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == BAD


def test_read_specs_of_two_bad_specs_says_faults_of_both(monkeypatch):
    monkeypatch.chdir(FOLDER)
    with pytest.raises(SpecFaults) as caught:
        read_specs(["duplicate_key.yaml", "unknown_key.yaml"])
    assert {fault.path.name for fault in caught.value.faults} == {"duplicate_key.yaml", "unknown_key.yaml"}
