"""Locks that are killed at random moments, and locks beside each other: the store stays whole, the lock the same."""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from bad_inputs_desk import ROOT, check_store
from test_bad_packages import write_spec

KILLS = 20
OTHER = "other.yaml"


def start(user, store, environment, spec):
    command = [sys.executable, "-m", "pipeline.cli.main", "lock", spec, "--no-progress"]
    variables = {**os.environ, **environment, "PYTHONPATH": str(ROOT), "SEATRIAL_STORE": str(store)}
    return subprocess.Popen(command, cwd=user.project, env=variables, stderr=subprocess.DEVNULL)


def content_of(user):
    """Return what the lock says, but for when it was made."""
    lock = json.loads((user.project / "spec.lock.json").read_text())
    del lock["locked"]
    return lock


@pytest.fixture
def user(desk, world, tmp_path):
    user = replace(desk, environment=world.environment, store=tmp_path / "store", left=frozenset())
    write_spec(user.project, world, {"image": {"packages": ["lib"]}})
    (user.project / "spec.yaml").rename(user.project / OTHER)
    write_spec(user.project, world, {})
    return user


@pytest.fixture
def right(user, tmp_path):
    """What the lock of a store that nobody killed is, and how many seconds it took."""
    before = time.monotonic()
    locked = replace(user, store=tmp_path / "undisturbed").type("lock", "spec.yaml", "--no-progress")
    assert locked.code == 0, locked
    seconds = time.monotonic() - before
    content = content_of(user)
    (user.project / "spec.lock.json").unlink()
    return content, seconds


@pytest.mark.bar("5 killed locks", slice=4)
@pytest.mark.parametrize("number", range(KILLS))
def test_killed_lock_leaves_a_whole_store_and_the_next_lock_is_the_same(user, right, number):
    content, seconds = right
    process = start(user, user.store, user.environment, "spec.yaml")
    time.sleep(random.Random(number).uniform(0.2, 1) * seconds)
    process.kill()
    process.wait()
    (user.project / "spec.lock.json").unlink(missing_ok=True)
    locked = user.type("lock", "spec.yaml", "--no-progress")
    assert (locked.code, content_of(user)) == (0, content), locked
    verified = user.type("cache", "--verify")
    assert verified.code == 0, verified


def test_locks_of_the_same_and_of_another_spec_at_once_are_the_same(user, right):
    content, _ = right
    started = [start(user, user.store, user.environment, spec) for spec in ("spec.yaml", OTHER, "spec.yaml", OTHER)]
    assert [process.wait() for process in started] == [0] * len(started)
    assert content_of(user) == content
    check_store(user)
