"""Stores of stages on this machine, and what goes from one into another."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[2] / "conformance"))
sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from registries import started_registry
from release_world import Debian, Stores
from simulated_registry import SimulatedRegistry

from pipeline.registry.retry import Patience


@pytest.fixture(scope="session")
def debian(tmp_path_factory):
    """Debian's docker-registry: it lists no referrers, and ignores conditions."""
    folder = tmp_path_factory.mktemp("registry")
    with started_registry(folder) as address:
        yield Debian(address, folder)


@pytest.fixture(scope="session")
def other_debian(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other-registry")
    with started_registry(folder) as address:
        yield Debian(address, folder)


@pytest.fixture
def simulated():
    """A registry that lists referrers, honors conditions, and whose uploads keep their address."""
    opened = SimulatedRegistry(has_conditions=True)
    yield opened
    opened.close()


@pytest.fixture
def patience():
    """Nothing waits between tries."""
    return Patience(pause=lambda _: None, chance=lambda: 0.0)


@pytest.fixture
def stores(tmp_path, connections):
    return Stores(tmp_path, connections)
