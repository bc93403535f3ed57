"""Services in plans: named by value, out of the hosts' reach, and absent from the digest where there are none."""

from dataclasses import fields, replace

import pytest

from runtime.backends.native.service_plans import service_plans, without_loopback
from runtime.digest import Digest
from runtime.host import Host
from runtime.plan import Limits, Plan, Ready, Service, User, to_json

USER = User(uid=1000, gid=1000, home="/home/app")
DB = Service(name="db", image=Digest.of(b"db"), argv=("postgres",), environment={"A": "b"}, user=USER, workdir="/srv")


def plan(host=None, **changes):
    bare = Plan(
        image=Digest.of(b"app"),
        suite=None,
        argv=("true",),
        workdir="/",
        environment={},
        user=USER,
        capabilities=(),
        **changes,
    )
    return Host(name="h", factors=host or {}).apply(bare)


def test_digest_of_a_plan_without_what_came_later_is_that_of_before():
    later = {"services", "tuning", "terminal", "grace"}
    values = {each.name: to_json(getattr(plan(), each.name)) for each in fields(Plan) if each.name not in later}
    assert plan().digest == Digest.of_json(values)


@pytest.mark.parametrize("level", [{"uptime": "null"}, {"disk-full": "yes"}, {"low-ports": "0"}, {"terminal": "yes"}])
def test_digest_of_a_plan_changes_with_its_tuning(level):
    assert plan(host=level).digest != plan().digest


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"argv": ("x",)},
        {"ready": Ready(port=1)},
        {"limits": Limits(memory=1)},
        {"image": Digest.of(b"")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_value_of_a_service_is_in_the_digest(change):
    with_it = replace(plan(), services=(DB,))
    assert len({plan().digest, with_it.digest, replace(plan(), services=(replace(DB, **change),)).digest}) == 3


def test_suite_knows_its_services_by_name_and_itself_as_before():
    hosts = next(each for each in plan(services=(DB,)).files if each.path == "/etc/hosts")
    assert hosts.content.endswith(b"127.0.1.1\tseatrial\n127.0.0.1\tdb\n")


def test_service_runs_as_on_the_reference_whatever_the_host():
    hard = {"umask": "0077", "user": "arbitrary", "capabilities": "none", "memory": "64M", "timezone": "Asia/Kolkata"}
    (usual,), (tried,) = service_plans(plan(services=(DB,))), service_plans(plan(hard, services=(DB,)))
    assert tried == usual
    assert (tried.argv, tried.workdir, tried.hostname, tried.umask) == (("postgres",), "/srv", "db", 0o022)
    assert (tried.user, tried.limits, tried.services) == (USER, DB.limits, ())
    assert tried.environment["A"] == "b"


def test_service_has_the_network_of_the_run():
    (without,) = service_plans(plan({"ipv6": "absent"}, services=(DB,)))
    assert not without.network.ipv6


def test_run_without_loopback_refuses_services_and_nothing_else():
    assert without_loopback(plan({"network": "none"})) is None
    assert without_loopback(plan(services=(DB,))) is None
    refused = without_loopback(plan({"network": "none"}, services=(DB,)))
    assert refused
    assert "(db)" in refused.reason
