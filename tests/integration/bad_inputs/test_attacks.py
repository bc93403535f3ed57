"""Attacks by mirrors and packages: each is refused with its reason, and the cache has only what is right."""

import json
import os
import shutil
import subprocess
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
    long = {"package_slow"}  # who waits for it waits for as long as it takes to give it up
    return [
        pytest.param(each, id=each["name"], marks=[pytest.mark.slow] if each["name"] in long else []) for each in cases
    ]


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


@pytest.fixture
def honest(world, tmp_path):
    """Undo an attack: all that is served is what it was before."""
    shutil.copytree(world.served, tmp_path / "before")

    def restore():
        world.answers.clear()
        world.redirects.clear()
        shutil.rmtree(world.served)
        shutil.copytree(tmp_path / "before", world.served)

    return restore


@pytest.mark.bar("5 attacks", slice=2)
@pytest.mark.parametrize("case", named(CASES))
def test_attack_is_refused_with_its_reason_and_the_cache_is_not_poisoned(case, attacked, honest, world, tmp_path):
    user = attacked(case)
    seen = user.type(*case["arguments"], "--no-progress")
    assert seen.code == EXIT, seen
    assert " ".join(case["part"].split()) in " ".join(seen.stderr.split())
    check_store(user)
    honest()
    assert _locked_again(user, world) == _locked_again(replace(user, store=tmp_path / "untouched"), world)
    check_store(user)


def _locked_again(user, world):
    """Return the lock that a store leads to, of packages and a wheel as they were before."""
    write_spec(user.project, world, {"image": {"python": {"packages": ["blue"]}}})
    (user.project / "spec.lock.json").unlink(missing_ok=True)
    locked = user.type("lock", "spec.yaml", "--no-progress")
    assert locked.code == 0, locked
    made = json.loads((user.project / "spec.lock.json").read_text())
    return {key: made[key] for key in made if key != "locked"}


@pytest.mark.bar("5 attack mutants", slice=2)
@pytest.mark.parametrize("case", named([each for each in CASES if "mutant" in each]))
def test_attack_is_not_refused_so_by_a_seatrial_without_the_check(case, attacked):
    seen = attacked(case).type(*case["arguments"], "--no-progress", mutant=case["mutant"])
    assert " ".join(case["part"].split()) not in " ".join(seen.stderr.split())


def test_no_two_attacks_are_equal_in_check_and_input():
    assert len({(each["check"], each["wrong"]) for each in CASES}) == len(CASES)
    assert len({each["name"] for each in CASES}) == len(CASES)


@pytest.fixture
def full_store(tmp_path):
    """A store on a disk of 64 KiB, all but ``free`` bytes of them taken."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system of its own")
    store = tmp_path / "small"
    store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(store)], check=True)

    def fill(free):
        (store / "other").write_bytes(b"x" * ((64 << 10) - free))
        return store

    yield fill
    subprocess.run(["umount", str(store)], check=True)


@pytest.mark.bar("5 full disk")
@pytest.mark.parametrize("free", [0, 4 << 10, 12 << 10])
def test_full_disk_is_said_and_what_was_written_is_whole(desk, world, full_store, free):
    user = replace(desk, environment=world.environment, store=full_store(free), left=frozenset())
    write_spec(user.project, world, {})
    seen = user.type("lock", "spec.yaml", "--no-progress")
    assert (seen.code, "No space left on device" in " ".join(seen.stderr.split())) == (EXIT, True), seen
    assert not (user.project / "spec.lock.json").exists()
    (user.store / "other").unlink()
    locked = user.type("lock", "spec.yaml", "--no-progress")
    assert locked.code == 0, locked
    check_store(user)
