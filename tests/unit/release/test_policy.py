"""What a stage demands: from its file and the tree's own hosts to one value with a digest."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.declare.errors import SpecError
from pipeline.declare.hosts import BUILT_IN, Catalogue
from pipeline.declare.stage_catalogue import BUILT_IN as STAGES
from pipeline.declare.stage_catalogue import StageCatalogue
from pipeline.declare.stage_file import AllowedIgnore, StageFile, Trust
from pipeline.release.policy import Policy

BROUGHT = Catalogue((BUILT_IN,))


def stage(**changes):
    policy = {"hosts": ["reference", "hardened"]} | changes.pop("policy", {})
    return StageFile.model_validate({"seatrial": 1, "name": "prod", "policy": policy} | changes)


def policy(**changes):
    return Policy.of(stage(**changes), BROUGHT)


def host_file(folder, factors):
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text(f"seatrial: 1\nname: own\nfactors: {factors}\n")
    return Catalogue((folder, BUILT_IN))


def test_hosts_are_those_of_the_catalogue_with_their_digests():
    found = policy()
    assert [each.name for each in found.hosts] == ["reference", "hardened"]
    hardened = BROUGHT.host("hardened")
    assert (found.hosts[1].digest, found.hosts[1].factors) == (hardened.digest, hardened.differing)


def test_host_that_stands_there_twice_is_one():
    assert len(policy(policy={"hosts": ["reference", "hardened", "reference"]}).hosts) == 2


def test_host_that_is_nowhere_is_an_error():
    with pytest.raises(SpecError, match="there is no host 'hardend'"):
        policy(policy={"hosts": ["reference", "hardend"]})


@pytest.mark.parametrize(
    ("store", "trust", "found"),
    [
        (None, None, Trust.LOCAL),
        ("oci:stages", None, Trust.LOCAL),
        ("oci:stages", "keyring", Trust.KEYRING),
        ("registry.example.org/prod", None, Trust.KEYRING),
    ],
)
def test_a_stage_in_a_registry_trusts_the_keyring_and_another_this_machine(store, trust, found):
    assert policy(store=store, trust=trust).trust is found


CHANGES = [
    {"name": "test"},
    {"after": "test"},
    {"store": "registry.example.org/prod"},
    {"trust": "keyring"},
    {"trust": "keyring", "policy": {"signers": {"threshold": 2}}},
    {"platforms": ["amd64", "arm64"]},
    *(
        {"policy": each}
        for each in (
            {"hosts": ["reference"]},
            {"hosts": ["reference", "locale-c"]},
            {"signers": {"roles": ["verifier", "promoter"]}},
            {"max-age": "7d"},
            {"fidelity": "native"},
            {"rebuilders": 1},
            {"unstable": 1},
            {"flaky": "fail"},
            {"hermetic": False},
            {"lint": "error"},
            {"ignores": []},
            {"ignores": [{"test": "*", "host": "hardened"}]},
            {"soak": "1h"},
        )
    ),
]


def test_digest_is_another_one_with_every_change_of_what_is_demanded():
    found = [policy(), *(policy(**each) for each in CHANGES)]
    assert len({each.digest for each in found}) == len(found)


def test_digest_does_not_depend_on_how_a_stage_runs_an_image():
    assert policy(deploy={"replicas": 3}).digest == policy().digest


def test_digest_is_another_one_where_a_host_of_the_same_name_has_other_levels(tmp_path):
    hosts = ({"hosts": ["reference", "own"]},)
    one, other, emptied = (
        Policy.of(stage(policy=hosts[0]), host_file(tmp_path / name, factors))
        for name, factors in (("one", "{umask: 0077}"), ("other", "{umask: 0002}"), ("emptied", "{}"))
    )
    assert len({one.digest, other.digest, emptied.digest}) == 3


@pytest.mark.parametrize(
    ("ignores", "allowed"),
    [
        (None, True),
        ((), False),
        ((AllowedIgnore(test="tests/*", host="hardened"),), True),
        ((AllowedIgnore(test="tests/*", host="reference"),), False),
        ((AllowedIgnore(test="tests/test_a.py::test_b[[]1]", host="*"),), False),
        ((AllowedIgnore(test="tests/test_a.py::test_b[1]", host="*"),), True),
    ],
)
def test_ignored_difference_is_allowed_by_test_and_host(ignores, allowed):
    found = replace(policy(), ignores=ignores)
    assert found.allows("tests/test_a.py::test_b[1]", "hardened") is allowed


def test_stages_that_come_with_seatrial_demand_hosts_that_there_are():
    for each in StageCatalogue(STAGES).way("prod"):
        assert Policy.of(each, Catalogue.of(Path("envs/web.yaml"))).hosts
