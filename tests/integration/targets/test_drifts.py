"""Drifts that an administrator makes with an engine's own tools are seen within five seconds."""

import time

import pytest

from pipeline.release.targets.target import ReplicaState

KINDS = ("environment", "files", "mounts", "capabilities", "memory", "user", "state", "digests")
SEEN_WITHIN = 5.0  # seconds


ENGINES = ("docker", pytest.param("compose", marks=pytest.mark.slow), pytest.param("podman", marks=pytest.mark.slow))


@pytest.fixture(params=ENGINES)
def world(request, worlds):
    found = worlds(request.param)
    yield found
    found.clean()


@pytest.mark.bar("6 drifts by engines", slice=5)
@pytest.mark.parametrize("kind", KINDS)
def test_drift_is_seen(world, kind):
    (before,) = world.deploy(world.wanted("one", replicas=1))
    world.tamper(kind, before.id)
    begun = time.monotonic()
    (after,) = world.observe()
    took = time.monotonic() - begun
    assert took < SEEN_WITHIN
    assert after.id == before.id
    names = before.facts.keys() | after.facts.keys()
    changed = {name for name in names if before.facts.get(name) != after.facts.get(name)}
    match kind:
        case "state":
            assert (before.state, after.state) == (ReplicaState.RUNNING, ReplicaState.STOPPED)
        case "digests":
            assert not before.digests & after.digests
        case _:
            assert kind in changed, changed


@pytest.mark.bar("6 drifts by engines")
def test_nothing_is_seen_where_nothing_changed(world):
    before = world.deploy(world.wanted("one", replicas=2))
    assert world.observe() == before
