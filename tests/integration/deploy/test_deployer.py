"""A deployment that fails a check changes nothing: the old containers go on, and the reason has its own code."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from mutant import disabled

from pipeline.declare.errors import TargetError
from pipeline.declare.stage_file import TargetKind
from pipeline.release.deploy import Deployer, DeployRefusal, RefusedDeploymentError
from pipeline.release.deployment import Deployment
from pipeline.release.load import under_load
from pipeline.release.targets.handover import following
from pipeline.release.targets.native import NativeTarget
from runtime.oci.image import Image
from runtime.oci.layout import Layout

OK = ("python3", "-c", "print('well')")
BAD = ("python3", "-c", "print('the table is missing'); raise SystemExit(3)")

pytestmark = pytest.mark.network


def refused(deployment, wanted):
    with pytest.raises(RefusedDeploymentError) as caught:
        deployment.deployer.deploy(wanted, acceptance=None, at=1_800_000_000)
    return caught.value


def deployed(deployment, number=1, **part):
    return deployment.deployer.deploy(deployment.wanted(number, **part), acceptance=None, at=1_800_000_000)


def test_deployment_is_read_back_and_recorded(deployment):
    made = deployed(deployment, replicas=2, before=OK, smoke=OK)
    assert Deployment.read(deployment.store, "web", "dev") == made
    assert len(made.replicas) == 2
    assert deployment.image.digest in made.identities
    assert all(deployment.image.digest in seen.digests for seen in made.replicas.values())
    assert "hunter2" not in (deployment.store / "deployments" / "web" / "dev.json").read_text()
    assert str(deployment.store) not in made.statement("0.1").to_bytes().decode()


@pytest.mark.bar("6 deployments")
def test_failing_smoke_command_rolls_back_by_itself_and_no_request_is_lost(deployment):
    before = deployed(deployment, smoke=OK)
    with under_load(deployment.port, "/healthz", senders=2) as load:
        error = refused(deployment, deployment.wanted(2, smoke=BAD))
    assert error.reason is DeployRefusal.SMOKE
    assert "the table is missing" in error.message
    assert load.answered
    assert not load.failures
    assert {each.id for each in deployment.observed()} == set(before.replicas)
    assert Deployment.read(deployment.store, "web", "dev") == before


def test_failing_command_before_stops_the_deployment(deployment):
    before = deployed(deployment)
    error = refused(deployment, deployment.wanted(2, before=BAD))
    assert error.reason is DeployRefusal.BEFORE
    assert "ended with 3" in error.message
    assert {each.id for each in deployment.observed()} == set(before.replicas)


def test_other_target_than_the_one_that_has_the_containers_is_refused(deployment):
    made = deployed(deployment)
    other = deployment.wanted(2, target="docker")
    assert refused(deployment, other).reason is DeployRefusal.TARGET
    replace(made, replicas={}).save(deployment.store)  # nothing runs there any more
    assert refused(deployment, deployment.wanted(0)).reason is DeployRefusal.OLDER


@pytest.mark.slow
def test_older_promotion_is_refused(deployment):
    deployed(deployment, 3)
    assert refused(deployment, deployment.wanted(2)).reason is DeployRefusal.OLDER


@pytest.mark.slow
def test_container_that_does_not_get_ready_is_refused(deployment):
    health = {"http": "/no-such-page", "port": 8000, "within": "1s"}
    assert refused(deployment, deployment.wanted(health=health)).reason is DeployRefusal.NOT_READY
    assert deployment.observed() == ()


class Swapped(NativeTarget):
    """A target that runs another image than it is told, as one with a stale name of it would."""

    def __init__(self, store, other):
        super().__init__(store)
        self.other = other

    def replace(self, wanted, check):
        return super().replace(replace(wanted, image=self.other, release=self.other.digest), check)


class Stuck(NativeTarget):
    """A target that cannot end what ran before."""

    def replace(self, wanted, check):
        super().replace(wanted, check)
        with following():
            raise TargetError("the old container hangs")


@pytest.mark.slow
def test_old_containers_that_cannot_be_ended_are_told_as_that(deployment):
    deployer = Deployer(target=Stuck(deployment.store), store=deployment.store, tell=lambda _: None)
    with pytest.raises(RefusedDeploymentError, match=r"the new containers have the traffic.*hangs") as caught:
        deployer.deploy(deployment.wanted(), acceptance=None, at=1_800_000_000)
    assert caught.value.reason is DeployRefusal.NOT_ENDED
    assert deployment.ask()[0] == 200
    assert deployed(deployment).number == 1


def swapped(deployment, digest):
    other = Image.open(Layout(deployment.layout), digest)
    return Deployer(target=Swapped(deployment.store, other), store=deployment.store, tell=lambda _: None)


@pytest.mark.slow
def test_other_image_than_the_one_that_was_meant_is_found_before_it_gets_traffic(deployment, other_image):
    with pytest.raises(RefusedDeploymentError) as caught:
        swapped(deployment, other_image).deploy(deployment.wanted(), acceptance=None, at=1_800_000_000)
    assert caught.value.reason is DeployRefusal.READ_BACK
    assert other_image.short in caught.value.message
    assert deployment.observed() == ()


MUTANTS = {
    DeployRefusal.BEFORE: ('        if once.exit:\n            message = f"the command before', {"before": BAD}),
    DeployRefusal.SMOKE: ("        if once.exit:\n            said = last_lines", {"smoke": BAD}),
    DeployRefusal.READ_BACK: ("        if found:\n            raise RefusedDeploymentError(DeployRefusal.READ", {}),
}


@pytest.mark.bar("6 mutants of deploying", slice=1)
@pytest.mark.parametrize("code", MUTANTS, ids=str)
def test_deployment_that_has_to_be_refused_goes_on_without_its_check(deployment, other_image, code):
    old, part = MUTANTS[code]
    deployer = swapped(deployment, other_image) if code is DeployRefusal.READ_BACK else deployment.deployer
    with disabled(
        "pipeline.release.deploy", old, old.replace("if once.exit:", "if False:").replace("if found:", "if 0:")
    ):
        deployer.deploy(deployment.wanted(**part), acceptance=None, at=1_800_000_000)
    assert deployment.ask()[0] == 200


FORGED = {
    DeployRefusal.TARGET: (
        {"target": TargetKind.DOCKER},
        "if before and before.replicas and before.target is not wanted.deploy.target:",
    ),
    DeployRefusal.OLDER: ({"number": 9}, "if before and wanted.number < before.number:"),
}


@pytest.mark.bar("6 mutants of deploying", slice=0)
@pytest.mark.parametrize("code", FORGED, ids=str)
def test_what_the_record_says_is_heeded_by_its_own_check(deployment, code):
    changes, check = FORGED[code]
    replace(deployed(deployment), **changes).save(deployment.store)
    assert refused(deployment, deployment.wanted(2)).reason is code
    with disabled("pipeline.release.deploy", check, "if False:"):
        assert deployed(deployment, 2).number == 2
