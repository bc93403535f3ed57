"""What was deployed, what it is compared with, and what drifts from it: pure functions."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from mutant import disabled

from pipeline.declare.stage_file import DeployPart, TargetKind
from pipeline.release.attest import Statement
from pipeline.release.comparison import mismatches
from pipeline.release.deployment import PREDICATE, Deployment, Seen, record_path
from pipeline.release.drift import Kind, drifts
from pipeline.release.targets.target import Replica, ReplicaState, Wanted
from runtime.digest import Digest
from runtime.errors import SeatrialError
from runtime.oci.descriptor import CONFIG
from runtime.oci.image import Image

IMAGE, OTHER, CONFIGURATION = (Digest.of(each) for each in (b"image", b"other", b"configuration"))
CONFIG_DIGEST = Digest.of(b"config")


def of(text):
    return Digest.of(text.encode()).text


FACTS = {
    "argv": ["python3", "serve.py"],
    "environment": {"PORT": of("8000"), "LEVEL": of("info"), "TOKEN": None, "PATH": of("/bin")},
    "user": {"uids": [1000] * 4, "gids": [1000] * 4, "groups": []},
    "capabilities": {"bounding": ["chown"], "held": []},
    "mounts": ["/ overlay rw", "/data ext4 rw"],
    "no-new-privileges": True,
    "seccomp": "mode 2, 1 filters",
    "memory": "2147483648",
    "cpus": 2,
    "limits": {"max open files": ["1024", "1024"]},
    "kernel": "6.1",
    "files": None,
    "changed": [],
    "count": 0,
}


def wanted(**changes):
    config = {"Env": ["PORT=8000"], "User": "1000:1000", "Cmd": ["python3", "serve.py"]}
    image = Image(
        digest=IMAGE,
        manifest={"config": {"mediaType": CONFIG, "digest": CONFIG_DIGEST.text, "size": 2}},
        config={"config": config},
        layers=(),
    )
    part = {"env": {"LEVEL": "info"}, "secrets": ["TOKEN"], "volumes": [{"name": "data", "to": "/data"}]}
    made = Wanted(
        app="web",
        stage="prod",
        number=3,
        release=IMAGE,
        image=image,
        layout=Path("nowhere"),
        repository="",
        deploy=DeployPart.model_validate(part),
    )
    return replace(made, **changes)


def replica(facts=FACTS, **changes):
    made = Replica(
        id="web-1",
        state=ReplicaState.RUNNING,
        digests=frozenset({IMAGE}),
        number=3,
        configuration=wanted().configuration,
        facts=facts,
    )
    return replace(made, **changes)


def record(**changes):
    made = Deployment(
        app="web",
        stage="prod",
        number=3,
        target=TargetKind.NATIVE,
        release=IMAGE,
        image=IMAGE,
        identities=frozenset({IMAGE, CONFIG_DIGEST}),
        configuration=wanted().configuration,
        acceptance=OTHER,
        replicas={"web-1": Seen(digests=(IMAGE,), facts=FACTS)},
        at=1_800_000_000,
    )
    return replace(made, **changes)


def test_container_as_meant_has_no_mismatch_by_whichever_digest_it_is_named():
    assert mismatches(wanted(), replica()) == ()
    assert mismatches(wanted(), replica(digests=frozenset({CONFIG_DIGEST, OTHER}))) == ()
    assert mismatches(wanted(), replica(facts={})) == ()


MISMATCHES = {
    "is stopped": replica(state=ReplicaState.STOPPED),
    "not sha256:": replica(digests=frozenset({OTHER})),
    "rests on promotion 2": replica(number=2),
    "has the configuration": replica(configuration=OTHER),
    "was started by": replica({**FACTS, "argv": ["sh"]}),
    "has no variable LEVEL": replica({**FACTS, "environment": {"PORT": of("8000"), "TOKEN": None}}),
    "another value of PORT": replica({**FACTS, "environment": {**FACTS["environment"], "PORT": of("1")}}),
    "LD_PRELOAD": replica({**FACTS, "environment": {**FACTS["environment"], "LD_PRELOAD": of("x")}}),
    "runs as 0": replica({**FACTS, "user": {"uids": [0] * 4}}),
    "runs as 7, not": replica({**FACTS, "user": "7:7"}),
    "no deployment has: sys_admin": replica({**FACTS, "capabilities": ["chown", "sys_admin"]}),
    "is not root: chown": replica({**FACTS, "capabilities": {"bounding": ["chown"], "held": ["chown"]}}),
    "has no volume at /data": replica({**FACTS, "mounts": ["/ overlay rw"]}),
    "may gain privileges": replica({**FACTS, "no-new-privileges": False}),
}


@pytest.mark.parametrize("line", MISMATCHES)
def test_mismatch_is_told_in_one_sentence(line):
    (found,) = mismatches(wanted(), MISMATCHES[line])
    assert line in found
    assert found.startswith("web-1 ")


def test_nothing_has_drifted_where_all_is_as_it_was():
    assert drifts(record(), [replica()], IMAGE) == ()


DRIFTED = {
    Kind.IMAGE: replica(digests=frozenset({OTHER})),
    Kind.CONFIGURATION: replica(number=4),
    Kind.COMMAND: replica({**FACTS, "argv": ["sh"]}),
    Kind.ENVIRONMENT: replica({**FACTS, "environment": {**FACTS["environment"], "MORE": of("x")}}),
    Kind.FILE: replica({**FACTS, "files": of("x"), "changed": ["/srv/a"], "count": 1}),
    Kind.MOUNT_ADDED: replica({**FACTS, "mounts": [*FACTS["mounts"], "/srv tmpfs rw"]}),
    Kind.MOUNT: replica({**FACTS, "mounts": ["/ overlay rw"]}),
    Kind.CAPABILITY_ADDED: replica({**FACTS, "capabilities": {"bounding": ["chown"], "held": ["sys_admin"]}}),
    Kind.CONFINEMENT: replica({**FACTS, "seccomp": "mode 0, 0 filters"}),
    Kind.KERNEL: replica({**FACTS, "kernel": "6.2"}),
    Kind.STOPPED: replica({}, state=ReplicaState.STOPPED),
    Kind.UNTOLD: replica({}),
    Kind.LIMITS: replica({**FACTS, "limits": {"max open files": ["9", "9"]}}),
    Kind.USER: replica({**FACTS, "user": {"uids": [0] * 4}}),
}


@pytest.mark.parametrize("kind", DRIFTED, ids=lambda each: each.name.lower())
def test_drift_is_the_only_one_and_has_its_own_kind(kind):
    (found,) = drifts(record(), [DRIFTED[kind]], IMAGE)
    assert (found.kind, found.replica) == (kind, "web-1")
    assert found.what


def test_capabilities_that_are_gone_are_no_added_ones():
    (found,) = drifts(record(), [replica({**FACTS, "capabilities": {"bounding": [], "held": []}})], IMAGE)
    assert found.kind is Kind.CONFINEMENT


def test_container_whose_image_cannot_be_told_has_drifted_as_long_as_it_runs():
    (found,) = drifts(record(), [replica(digests=frozenset())], IMAGE)
    assert (found.kind, found.replica) == (Kind.IMAGE, "web-1")
    stopped = replica(digests=frozenset(), state=next(each for each in ReplicaState if each.value != "running"))
    assert Kind.IMAGE not in {each.kind for each in drifts(record(), [stopped], IMAGE)}


def test_container_of_which_nothing_was_told_ever_has_not_drifted():
    silent = record(replicas={"web-1": Seen(digests=(IMAGE,), facts={})})
    assert drifts(silent, [replica({})], IMAGE) == ()


def test_moved_tag_and_containers_that_come_and_go_are_told():
    assert [each.kind for each in drifts(record(), [replica()], OTHER)] == [Kind.TAG]
    assert [each.kind for each in drifts(record(), [replica()], None)] == [Kind.TAG]
    assert [each.kind for each in drifts(record(), [], IMAGE)] == [Kind.STOPPED]
    found = drifts(record(), [replica(), replica(id="web-2")], IMAGE)
    assert [(each.kind, each.replica) for each in found] == [(Kind.UNKNOWN, "web-2")]


def test_record_is_read_as_it_was_written(tmp_path):
    assert Deployment.read(tmp_path, "web", "prod") is None
    record().save(tmp_path)
    assert Deployment.read(tmp_path, "web", "prod") == record()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"target": "moon"}, "moon"),
        ({"seatrial": 2}, "its format is 2, and 1 is what is read here"),
        ({"app": "shop"}, "it is that of shop in prod"),
        ({"number": "7"}, "'7' is no whole number"),
        ({"at": True}, "True is no whole number"),
        ({"replicas": ["web-1"]}, "items"),
    ],
)
def test_record_that_is_wrong_is_an_error_that_says_what_is(tmp_path, wrong, told):
    record().save(tmp_path)
    path = record_path(tmp_path, "web", "prod")
    path.write_text(json.dumps({**json.loads(path.read_text()), **wrong}))
    with pytest.raises(SeatrialError, match=f"is no record of a deployment: .*{told}"):
        Deployment.read(tmp_path, "web", "prod")


def test_statement_names_release_and_image_and_what_was_seen_by_digest_alone():
    made = record(release=OTHER).statement("0.1")
    parsed = Statement.parse(made.to_bytes())
    assert parsed.predicate_type == PREDICATE
    assert [each.digest for each in parsed.subjects] == [OTHER, IMAGE]
    assert parsed.predicate["replicas"][0].keys() == {"digests", "seen"}
    assert "serve.py" not in made.to_bytes().decode()


FACT = "        if name in differing:\n            yield tell"
UNSEEN = {
    Kind.TAG: ("if live != record.release:", "if False:"),
    Kind.IMAGE: ("if replica.digests and not replica.digests & record.identities:", "if False:"),
    Kind.CONFIGURATION: ("or replica.number not in (0, record.number)", ""),
    Kind.COMMAND: (FACT, FACT.replace(":", ' and name != "argv":', 1)),
    Kind.ENVIRONMENT: (FACT, FACT.replace(":", ' and name != "environment":', 1)),
    Kind.FILE: ('if "files" in differing:', "if False:"),
    Kind.MOUNT_ADDED: (FACT, FACT.replace(":", ' and name != "mounts":', 1)),
    Kind.MOUNT: (FACT, FACT.replace(":", ' and name != "mounts":', 1)),
    Kind.CAPABILITY_ADDED: ("if more := sorted(after - before):", "if more := []:"),
    Kind.CONFINEMENT: (
        '(*_TELLING, *_LIMITS, *_TOLD_BY, "files")',
        '(*_TELLING, *_LIMITS, *_TOLD_BY, "files", "seccomp")',
    ),
    Kind.KERNEL: (FACT, FACT.replace(":", ' and name != "kernel":', 1)),
    Kind.STOPPED: ("if not is_running:", "if False:"),
    Kind.UNKNOWN: ("for name in sorted(names - set(record.replicas)):", "for name in ():"),
    Kind.UNTOLD: ("elif before and before.facts and is_running:", "elif False:"),
    Kind.LIMITS: ("for name in differing if name in _LIMITS]", "for name in differing if name in ()]"),
    Kind.USER: (FACT, FACT.replace(":", ' and name != "user":', 1)),
}


@pytest.mark.bar("6 mutants of drift")
@pytest.mark.parametrize("kind", Kind, ids=lambda each: each.name.lower())
def test_drift_is_not_found_without_its_check(kind):
    seen = {Kind.TAG: [replica()], Kind.UNKNOWN: [replica(), replica(id="web-2")]}.get(kind) or [DRIFTED[kind]]
    live = OTHER if kind is Kind.TAG else IMAGE
    assert kind in {each.kind for each in drifts(record(), seen, live)}
    with disabled("pipeline.release.drift", *UNSEEN[kind]):
        assert kind not in {each.kind for each in drifts(record(), seen, live)}


PASSED_OVER = {
    "is stopped": ("if replica.state is not ReplicaState.RUNNING:", "if False:"),
    "not sha256:": ("if not replica.digests & identities(wanted):", "if False:"),
    "rests on promotion 2": ("if replica.number not in (0, wanted.number):", "if False:"),
    "has the configuration": ("if replica.configuration not in (None, wanted.configuration):", "if False:"),
    "was started by": ('if facts.get("argv", argv) != argv:', "if False:"),
    "has no variable LEVEL": ("if name not in found:", "if False:"),
    "another value of PORT": ("elif name not in secrets and found[name] !=", "elif False and found[name] !="),
    "LD_PRELOAD": ("if others := sorted(set(found)", "if others := sorted(set()"),
    "runs as 0": ("if seen != {wanted}:", "if False:"),
    "runs as 7, not": ("if seen != {wanted}:", "if False:"),
    "no deployment has: sys_admin": ("(more := sorted(map(str, set(bounding)", "(more := sorted(map(str, set()"),
    "is not root: chown": ("if held and not is_root", "if False and not is_root"),
    "has no volume at /data": ("for each in wanted.deploy.volumes if each.to not in paths", "for each in ()"),
    "may gain privileges": ('if facts.get("no-new-privileges", True) is not True:', "if False:"),
}


@pytest.mark.bar("6 mutants of drift")
@pytest.mark.parametrize("line", MISMATCHES)
def test_mismatch_is_passed_over_without_its_check(line):
    old, new = PASSED_OVER[line]
    with disabled("pipeline.release.comparison", old, new):
        try:
            found = mismatches(wanted(), MISMATCHES[line])
        except KeyError:  # a variable that is not there has no value either
            found = ()
    assert not [each for each in found if line in each]
