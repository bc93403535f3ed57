"""Deployments by their steps on engines: what fails is undone, and what drifts is found and named in five seconds."""

import time

import pytest

from pipeline.release.deploy import Deployer, DeployRefusal, RefusedDeploymentError
from pipeline.release.deployment import Deployment
from pipeline.release.drift import Kind, drifts

KINDS = {
    "environment": Kind.ENVIRONMENT,
    "files": Kind.FILE,
    "mounts": Kind.MOUNT_ADDED,
    "capabilities": Kind.CAPABILITY_ADDED,
    "devices": Kind.CONFINEMENT,
    "memory": Kind.LIMITS,
    "user": Kind.USER,
    "state": Kind.STOPPED,
    "digests": Kind.IMAGE,
}
SEEN_WITHIN = 5.0  # seconds
ASK = ("/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8000/index.html")


@pytest.fixture
def docker(worlds):
    found = worlds("docker")
    yield found
    found.clean()


@pytest.fixture(params=["docker", "loaded", "compose", "podman"])
def world(request, worlds):
    found = worlds(request.param)
    yield found
    found.clean()


@pytest.fixture(params=["compose", "podman"])
def other(request, worlds):
    found = worlds(request.param)
    yield found
    found.clean()


def deployed(world, store, wanted):
    return Deployer(target=world.target, store=store, tell=lambda _: None).deploy(wanted, acceptance=None, at=1)


@pytest.mark.slow
@pytest.mark.bar("2 deployments")
def test_steps_of_a_deployment_are_gone_through(world, tmp_path):
    first = world.wanted("one", before=("/bin/sh", "-c", "exit 0"), smoke=ASK, env={"LEVEL": "x"}, replicas=2)
    record = deployed(world, tmp_path, first)
    assert drifts(record, world.observe(), first.release) == ()
    with pytest.raises(RefusedDeploymentError) as found:
        deployed(world, tmp_path, world.wanted("two", before=("/bin/sh", "-c", "echo no; exit 4")))
    assert found.value.reason is DeployRefusal.BEFORE
    with pytest.raises(RefusedDeploymentError, match="smoke") as found:
        deployed(world, tmp_path, world.wanted("two", smoke=("/bin/sh", "-c", "exit 1")))
    assert found.value.reason is DeployRefusal.SMOKE
    assert Deployment.read(tmp_path, world.app, "prod") == record
    assert drifts(record, world.observe(), first.release) == ()


@pytest.mark.bar("9 drifts of docker", slice=2)
@pytest.mark.parametrize("kind", KINDS)
def test_drift_of_docker_is_named(docker, tmp_path, kind):
    tamper_and_look(docker, tmp_path, kind)


@pytest.mark.bar("9 drifts of docker", slice=0)
@pytest.mark.parametrize("kind", KINDS)
def test_drift_of_another_engine_is_named(other, tmp_path, kind):
    tamper_and_look(other, tmp_path, kind)


def tamper_and_look(world, store, kind):
    wanted = world.wanted("one")
    record = deployed(world, store, wanted)
    (name,) = record.replicas
    world.tamper(kind, name)
    begun = time.monotonic()
    found = drifts(record, world.observe(), wanted.release)
    assert time.monotonic() - begun < SEEN_WITHIN
    assert KINDS[kind] in {each.kind for each in found}
    assert {each.replica for each in found} == {name}
