"""Podman of a plain user as a target: what it deploys, and what it says where it cannot."""

import contextlib
import os

import pytest
from worlds import WORLDS

from pipeline.release.deploy import Deployer, DeployRefusal, RefusedDeploymentError
from pipeline.release.drift import Kind, drifts

ASK = ("/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8000/index.html")

pytestmark = pytest.mark.skipif(os.geteuid() == 0, reason="needs a plain user")


@pytest.fixture
def world(layout, images, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(WORLDS["podman"](tmp_path_factory.mktemp("podman"), layout, images))
        yield found
        found.clean()


@pytest.mark.bar("2 podman without root")
def test_plain_user_deploys_finds_a_drift_and_is_rolled_back(world, tmp_path):
    deployer = Deployer(target=world.target, store=tmp_path, tell=lambda _: None)
    wanted = world.wanted("one", smoke=ASK)
    record = deployer.deploy(wanted, acceptance=None, at=1)
    (first,) = world.observe()
    assert wanted.image.digest in first.digests
    assert drifts(record, (first,), wanted.release) == ()
    with pytest.raises(RefusedDeploymentError) as found:
        deployer.deploy(world.wanted("two", smoke=("/bin/sh", "-c", "exit 1")), acceptance=None, at=2)
    assert found.value.reason is DeployRefusal.SMOKE
    assert world.observe() == (first,)
    world.edit_file(first.id)
    assert {each.kind for each in drifts(record, world.observe(), wanted.release)} == {Kind.FILE}
