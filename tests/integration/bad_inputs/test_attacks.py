"""Attacks by mirrors and packages: each is refused with its reason, and the cache has only what is right."""

from dataclasses import replace
from pathlib import Path

import attacks
import pytest
import yaml
from bad_inputs_desk import check_store
from test_bad_packages import write_spec

CASES = yaml.safe_load(Path(__file__).with_name("attacks.yaml").read_text(encoding="utf-8"))
EXIT = 2


def named(cases):
    return [pytest.param(each, id=each["name"]) for each in cases]


@pytest.fixture
def attacked(desk, world, tmp_path):
    """Prepare a case and return the user who types its command, with an empty store."""
    user = replace(desk, environment=world.environment, store=tmp_path / "store", left=frozenset())

    def prepare(case):
        write_spec(user.project, world, case)
        if case.get("locked"):
            locked = replace(user, store=tmp_path / "elsewhere").type("lock", "spec.yaml", "--no-progress")
            assert locked.code == 0, locked
        getattr(attacks, case["wrong"])(world, user.project)
        return user

    return prepare


@pytest.mark.bar("5 attacks", slice=5)
@pytest.mark.parametrize("case", named(CASES))
def test_attack_is_refused_with_its_reason_and_the_cache_is_not_poisoned(case, attacked):
    user = attacked(case)
    seen = user.type(*case["arguments"], "--no-progress")
    assert seen.code == EXIT, seen
    assert " ".join(case["part"].split()) in " ".join(seen.stderr.split())
    check_store(user)


@pytest.mark.bar("5 attack mutants", slice=2)
@pytest.mark.parametrize("case", named([each for each in CASES if "mutant" in each]))
def test_attack_is_not_refused_so_by_a_seatrial_without_the_check(case, attacked):
    seen = attacked(case).type(*case["arguments"], "--no-progress", mutant=case["mutant"])
    assert " ".join(case["part"].split()) not in " ".join(seen.stderr.split())


def test_no_two_attacks_are_equal_in_check_and_input():
    assert len({(each["check"], each["wrong"]) for each in CASES}) == len(CASES)
    assert len({each["name"] for each in CASES}) == len(CASES)
