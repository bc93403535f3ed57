"""Drifts that an administrator makes with an engine's own tools are seen within five seconds."""

import time

import pytest

from pipeline.release.targets.target import ReplicaState

KINDS = ("environment", "files", "mounts", "capabilities", "memory", "user", "state", "digests")
SEEN_WITHIN = 5.0  # seconds


@pytest.fixture
def docker(worlds):
    found = worlds("docker")
    yield found
    found.clean()


@pytest.fixture(params=["compose", "podman", "loaded"])
def other(request, worlds):
    found = worlds(request.param)
    yield found
    found.clean()


@pytest.mark.bar("6 drifts by engines", slice=2)
@pytest.mark.parametrize("kind", KINDS)
def test_drift_of_docker_is_seen(docker, kind):
    tamper_and_look(docker, kind)


@pytest.mark.bar("6 drifts by engines", slice=0)
@pytest.mark.parametrize("kind", KINDS)
def test_drift_of_another_engine_is_seen(other, kind):
    tamper_and_look(other, kind)


@pytest.mark.bar("6 drifts by engines", slice=0)
@pytest.mark.parametrize("replicas", [1, 2])
def test_nothing_is_seen_where_nothing_changed(docker, replicas):
    before = docker.deploy(docker.wanted("one", replicas=replicas))
    assert docker.observe() == before


def tamper_and_look(world, kind):
    (before,) = world.deploy(world.wanted("one"))
    world.tamper(kind, before.id)
    begun = time.monotonic()
    (after,) = world.observe()
    took = time.monotonic() - begun
    assert took < SEEN_WITHIN
    assert after.id == before.id
    match kind:
        case "state":
            assert (before.state, after.state) == (ReplicaState.RUNNING, ReplicaState.STOPPED)
        case "digests":
            assert not before.digests & after.digests
        case _:
            assert before.facts[kind] != after.facts[kind]
