"""A deployment that fails a check changes nothing: the old containers go on, and the reason has its own code."""

import pytest

from pipeline.release.deploy import DeployRefusal, RefusedDeploymentError
from pipeline.release.deployment import Deployment
from pipeline.release.load import under_load

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


def test_older_promotion_is_refused(deployment):
    deployed(deployment, 3)
    assert refused(deployment, deployment.wanted(2)).reason is DeployRefusal.OLDER


def test_container_that_does_not_get_ready_is_refused(deployment):
    health = {"http": "/no-such-page", "port": 8000, "within": "1s"}
    assert refused(deployment, deployment.wanted(health=health)).reason is DeployRefusal.NOT_READY
    assert deployment.observed() == ()
