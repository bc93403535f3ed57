"""Builds that are killed at random moments, and builds beside each other: the store stays whole, the image the same."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SPEC, OTHER = "schedule", "itsdangerous"
KILLS = 20

pytestmark = pytest.mark.network


def start(store, *words):
    environment = {**os.environ, "SEATRIAL_STORE": str(store)}
    command = [sys.executable, "-m", "pipeline.cli.main", *words, "--no-progress"]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def start_build(store, name):
    return start(store, "build", f"envs/{name}.yaml", "--locked", "--json")


def image_of(process):
    """Wait for a build, and return the digests that it tells."""
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    told = json.loads(said)
    return told["image"], told["suite"]


def verify_store(store):
    process = start(store, "cache", "--verify")
    said, errors = process.communicate()
    assert process.returncode == 0, said + errors


@pytest.fixture(scope="module")
def right(build):
    """Return name → the digests that were built into the store of all tests."""
    found = {name: build(name) for name in (SPEC, OTHER)}
    return {name: (each.image.text, each.suite.text) for name, each in found.items()}


@pytest.fixture
def new_store(build, tmp_path):
    """Return a store in which nothing was built, with every download."""
    downloads = build(SPEC).store / "cache"
    build(OTHER)
    shutil.copytree(downloads, tmp_path / "store" / "cache")
    return tmp_path / "store"


@pytest.fixture(scope="module")
def seconds(build, tmp_path_factory):
    """Return how long a build takes that nobody kills."""
    store = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(build(SPEC).store / "cache", store / "cache")
    begin = time.monotonic()
    image_of(start_build(store, SPEC))
    return time.monotonic() - begin


@pytest.mark.bar("5 killed builds", slice=0)
@pytest.mark.parametrize("number", range(KILLS))
def test_killed_build_leaves_a_whole_store_and_the_next_one_the_same_image(right, new_store, seconds, number):
    process = start_build(new_store, SPEC)
    time.sleep(random.Random(number).uniform(0.02, 1) * seconds)
    process.kill()
    process.communicate()
    verify_store(new_store)
    assert image_of(start_build(new_store, SPEC)) == right[SPEC]
    verify_store(new_store)


@pytest.mark.slow
@pytest.mark.bar("5 killed builds")
def test_builds_of_the_same_and_of_another_spec_at_once_are_the_same(right, new_store):
    names = (SPEC, OTHER, SPEC, OTHER)
    started = [start_build(new_store, name) for name in names]
    assert [image_of(each) for each in started] == [right[name] for name in names]
    verify_store(new_store)
