"""Locks, archives and packages with one thing wrong each: what the user reads, the exit code, the store afterwards."""

from dataclasses import replace
from pathlib import Path

import pytest
import wrongs
import yaml
from bad_inputs_desk import check_golden, check_store

CASES = yaml.safe_load(Path(__file__).with_name("packages.yaml").read_text(encoding="utf-8"))
EXIT = 2


def named(cases):
    return [pytest.param(each, id=each["name"]) for each in cases]


@pytest.fixture
def bad(desk, world):
    """Prepare a case and return the user who types its command."""
    user = replace(desk, environment=world.environment)

    def prepare(case):
        write_spec(user.project, world, case)
        if case.get("locked"):
            other = replace(user, store=world.folder / "store") if case["locked"] == "elsewhere" else user
            locked = other.type("lock", "spec.yaml", "--no-progress")
            assert locked.code == 0, locked
        if "wrong" in case:
            getattr(wrongs, case["wrong"])(world, user.project)
        return user

    return prepare


def write_spec(project, world, case):
    debian = {"suite": "bookworm", "mirror": f"{world.url}/debian", "keys": "archive.asc"}
    image = {"debian": debian, "packages": ["app"], **case.get("image", {})}
    suite = {"command": ["python3", "-m", "pytest"], **case.get("suite", {})}
    text = yaml.safe_dump({"seatrial": 1, "image": image, "suite": suite}, sort_keys=False, default_flow_style=None)
    (project / "spec.yaml").write_text(text)
    (project / "archive.asc").write_bytes(world.archive.key)
    (project / "requirements.txt").write_text("blue==1.0\n")


@pytest.mark.bar("6 bad inputs", slice=6)
@pytest.mark.parametrize("case", named(CASES))
def test_bad_package_is_refused_and_store_is_unharmed(case, bad, world):
    user = bad(case)
    seen = user.type(*case["arguments"], "--no-progress")
    check_golden(case["name"], seen)
    assert seen.code == EXIT
    assert "hint: " in seen.stderr or "^ " in seen.stderr
    check_store(user)


@pytest.mark.bar("6 mutants", slice=2)
@pytest.mark.parametrize("case", named(CASES))
def test_bad_package_is_not_refused_by_a_seatrial_without_the_check(case, bad, tmp_path):
    user = replace(bad(case), store=tmp_path / "other-store") if case.get("locked") != "here" else bad(case)
    refused = user.type(*case["arguments"], "--no-progress")
    seen = user.type(*case["arguments"], "--no-progress", mutant=case["mutant"])
    assert (seen.code, seen.stderr) != (refused.code, refused.stderr)


def test_no_two_cases_are_equal_in_check_and_input():
    assert len({(each["check"], each.get("wrong"), str(each.get("image"))) for each in CASES}) == len(CASES)
    assert len({each["name"] for each in CASES}) == len(CASES)
