"""One store for all bad inputs, in which nobody else works, and a user with an empty folder."""

import sys
from pathlib import Path

import pysequoia
import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))
sys.path.append(str(Path(__file__).parent))

from bad_inputs_desk import Desk, left_over
from package_world import World

collect_ignore = ["app"]
"""Suites for runs, of which one kills its own process: they are data here."""


@pytest.fixture
def desk(tmp_path, own_store):
    """A user with an empty folder."""
    project = tmp_path / "project"
    project.mkdir()
    (project / ".git").mkdir()
    return Desk(project=project, store=own_store, left=left_over(own_store))


@pytest.fixture(scope="session")
def archive_secret():
    """What signs the worlds' archives: one key for all, since it costs a while to make one."""
    return pysequoia.Tsk.generate("Test archive <test@example.org>")


@pytest.fixture
def world(tmp_path, archive_secret):
    """A world of packages of its own, all of it right."""
    with World(tmp_path / "world", archive_secret) as opened:
        yield opened
