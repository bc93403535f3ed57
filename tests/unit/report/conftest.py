"""Verifications to render: the one of the documentation's transcript, and one with nothing to tell."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from pipeline.verify.compare import Difference, Kind
from pipeline.verify.explain import Cause, CauseState, Rate
from pipeline.verify.notes import Note, NoteKind
from pipeline.verify.verdict import (
    EnvironmentResult,
    Finding,
    HostResult,
    IgnoreUse,
    State,
    Unavailable,
    VerdictWord,
    Verification,
    Work,
)
from runtime.digest import Digest
from runtime.outcome import Calls, Denied, Ending, Lookup, Network

sys.path.insert(0, str(Path(__file__).parent))
from strange_reports import with_text

UPLOADS = Digest("sha256:91ce4b07f2d86a3519e0c7b4a85d6f13e2904c7bd1a8635f0e92b47c6d83a5f1")
CRONITER = Digest("sha256:6d1f0a7c9b42e8d3150cf6a94b7e2281c05d9f3a7e61b8420d4c93fe5a17b680")
UPLOADS_BEHAVIOR = Digest("sha256:b7702e5d914cf8a3360de1b94a7c85f20d6913eb48a7c05f92b1d64e37fa80c5")
CRONITER_BEHAVIOR = Digest("sha256:4fe29a17c03bd58e6612fa90d7483bc1e5a7092d84f6b31c7d0e58a9b2c4f613")
OTHERS = (
    "arbitrary-user",
    "chatty-ci",
    "kiosk",
    "minimal",
    "no-ipv6",
    "offline",
    "openshift",
    "root",
    "small",
    "turkish",
)
GVISOR = Unavailable(host="gvisor", reason="runsc is not installed", hint="apt-get install runsc")

UMASK = Finding(
    difference=Difference(
        kind=Kind.TEST,
        id="tests/test_store.py::test_group_can_read",
        reference="passed",
        here="failed",
        message="AssertionError: a file made for the group must be readable by it\nassert 0o600 == 0o640",
        file="tests/test_store.py",
        line=41,
    ),
    cause=Cause(
        state=CauseState.CAUSED,
        factors=MappingProxyType({"umask": "0077"}),
        confirmed=True,
        runs=16,
        p_value="0.00016",
        with_=Rate(failed=8, of=8, low="0.63", high="1"),
        without=Rate(failed=0, of=8, low="0", high="0.37"),
        cleared=("capabilities", "no-new-privileges", "root-filesystem"),
        file="tests/test_store.py",
        line=41,
        hint="open() takes its mode from the umask. Set the mode yourself with os.fchmod(), or set the umask "
        "where the service starts.",
    ),
    reproduce="seatrial run envs/uploads.yaml --set umask=0077 "
    "-- python3 -m pytest tests/test_store.py::test_group_can_read",
)

FLAKE = Finding(
    difference=Difference(
        kind=Kind.TEST,
        id="tests/test_queue.py::test_drain_is_ordered",
        reference="passed",
        here="failed",
        message="AssertionError: got ['b', 'a'], expected ['a', 'b']",
        file="tests/test_queue.py",
        line=88,
    ),
    cause=Cause(
        state=CauseState.FLAKY,
        runs=40,
        p_value="1",
        with_=Rate(failed=3, of=20, low="0.03", high="0.38"),
        without=Rate(failed=2, of=20, low="0.01", high="0.32"),
    ),
    reproduce="seatrial run envs/uploads.yaml --set cpus=1 --repeat 20 "
    "-- python3 -m pytest tests/test_queue.py::test_drain_is_ordered",
)

WOBBLY = Finding(
    difference=Difference(kind=Kind.TEST, id="tests/test_w.py::test_w", reference="passed", here="skipped"),
    cause=Cause(state=CauseState.FLAKY, runs=6, without=Rate(failed=2, of=6, low="0.04", high="0.78")),
    reproduce="seatrial run envs/everything.yaml --repeat 20 -- python3 -m pytest tests/test_w.py::test_w",
)

FAILING = Finding(
    difference=Difference(kind=Kind.TEST, id="tests/test_f.py::test_f", reference="failed", here="failed", message="f"),
)

HARDENED = {"capabilities": "none", "no-new-privileges": "no", "root-filesystem": "read-only", "umask": "0077"}


def host(name, state, *, behavior=UPLOADS_BEHAVIOR, factors=None, **more):
    factors = factors or {}
    tests = more.pop("tests", {"passed": 209, "failed": 0, "errored": 0, "skipped": 3})
    return HostResult(
        name=name,
        digest=Digest.of_json({"format": 1, "factors": factors}),
        factors=MappingProxyType(factors),
        state=state,
        behavior=behavior,
        tests=MappingProxyType(tests),
        runs=more.pop("runs", 2),
        duration=more.pop("duration", 1200),
        evidence=MappingProxyType(factors or {"umask": "0022"}),
        ambient=MappingProxyType({"kernel": "6.18.44"}),
        sandbox=Digest.of(b"what held it"),
        calls=Calls(denied=(Denied(call="mount", errno="EPERM", count=2),)),
        network=Network(lookups=(Lookup(name="db.example.com", count=4),), unroutable=1),
        shutdown=(Ending(name="db", is_service=True, exit_code=0, duration=41),),
        **more,
    )


def environment(name, image, behavior, hosts, **more):
    return EnvironmentResult(
        name=name,
        spec=f"envs/{name}.yaml",
        lock=Digest.of(name.encode()),
        image=image,
        suite=Digest.of(name.encode() + b" suite"),
        normalization=Digest.of(b"[]"),
        behavior=behavior,
        hosts=tuple(hosts),
        **{"verdict": VerdictWord.PASSED, "tests": MappingProxyType({}), **more},
    )


def croniter(*, gvisor):
    tests = {"passed": 415, "failed": 0, "errored": 0, "skipped": 0}
    names = ("hardened", "one-cpu", *OTHERS)
    hosts = [host("reference", State.REFERENCE, behavior=CRONITER_BEHAVIOR, tests=tests)]
    hosts += [host(name, State.SAME, behavior=CRONITER_BEHAVIOR, tests=tests) for name in names]
    if gvisor:
        hosts.append(host("gvisor", State.UNAVAILABLE, behavior=None, tests={}, runs=0, named=False))
    return environment(
        "croniter",
        CRONITER,
        CRONITER_BEHAVIOR,
        hosts,
        headline="croniter behaves the same on 13 hosts",
        tests=MappingProxyType(tests),
        duration=14900,
    )


def uploads():
    hosts = [
        host("reference", State.REFERENCE),
        host(
            "hardened",
            State.DIFFERENT,
            behavior=Digest.of(b"hardened"),
            factors=HARDENED,
            verdict=VerdictWord.FAILED,
            findings=(UMASK,),
            reasons=("1 test differs",),
            tests={"passed": 208, "failed": 1, "errored": 0, "skipped": 3},
            runs=18,
        ),
        host(
            "one-cpu",
            State.FLAKY,
            behavior=Digest.of(b"one"),
            factors={"cpus": "1"},
            findings=(FLAKE,),
            reasons=("1 test is flaky",),
            runs=42,
        ),
        *(host(name, State.SAME) for name in OTHERS),
        host("gvisor", State.UNAVAILABLE, behavior=None, tests={}, runs=0, named=False),
    ]
    return environment(
        "uploads",
        UPLOADS,
        UPLOADS_BEHAVIOR,
        hosts,
        verdict=VerdictWord.FAILED,
        headline="uploads behaves differently where umask is 0077",
        tests=MappingProxyType({"passed": 209, "failed": 0, "errored": 0, "skipped": 3}),
        reasons=("hardened: 1 test differs",),
        duration=33700,
        unstable=("tests/test_queue.py::test_drain_is_ordered",),
    )


def failed():
    """The verification of the transcript."""
    return Verification(
        verdict=VerdictWord.FAILED,
        headline="uploads behaves differently where umask is 0077",
        environments=(uploads(), croniter(gvisor=True)),
        unavailable=(GVISOR,),
        duration=48600,
        seed=7,
    )


def green():
    """Nothing to tell."""
    return Verification(
        verdict=VerdictWord.PASSED,
        headline="croniter behaves the same on 13 hosts",
        environments=(croniter(gvisor=False),),
        unavailable=(),
        duration=31200,
        seed=0,
    )


def everything():
    """Every state, hostile names, accepted differences, notes, an interruption."""
    hostile = "tests/t.py::t[\x1b[31m\u202e</script>|`$(x)` ::error::]"
    odd = Finding(
        difference=Difference(
            kind=Kind.TEST, id=hostile, reference="skipped", here="missing", message="\x1b]0;x\x07\nb"
        ),
        cause=Cause(state=CauseState.INCONCLUSIVE, reason="the budget of 20m was spent"),
    )
    exit_ = Finding(
        difference=Difference(kind=Kind.EXIT, id="exit", reference="exit 0", here="signal 11"),
        cause=Cause(state=CauseState.INCONCLUSIVE, confirmed=True, reason="the budget of 20m was spent"),
    )
    accepted = Finding(difference=UMASK.difference, ignored="the service sets its own umask")
    hosts = [
        host(
            "reference",
            State.REFERENCE,
            findings=(WOBBLY, FAILING),
            verdict=VerdictWord.FAILED,
            reasons=("1 test fails on the reference",),
        ),
        host(
            "kiosk",
            State.DIFFERENT,
            verdict=VerdictWord.FAILED,
            findings=(exit_,),
            reasons=("1 behavior differs",),
            behavior=Digest.of(b"kiosk"),
            notes=(Note(kind=NoteKind.FILE, text="/app/x was written"),),
        ),
        host(
            "odd",
            State.INCONCLUSIVE,
            verdict=VerdictWord.INCONCLUSIVE,
            findings=(odd,),
            behavior=Digest.of(b"odd"),
            reasons=("1 test could not be told from chance: the budget of 20m was spent",),
        ),
        host(
            "fro\x1b[2Jzen",
            State.INCONCLUSIVE,
            verdict=VerdictWord.INCONCLUSIVE,
            behavior=None,
            tests={},
            reasons=("the level umask=0077 did not take effect: 0022 was found",),
            hint="leave this host to another machine",
        ),
        host(
            "hardened",
            State.DIFFERENT,
            findings=(accepted,),
            factors=HARDENED,
            reasons=("1 test accepted by the spec: the service sets its own umask",),
        ),
        host(
            "one-cpu",
            State.FLAKY,
            findings=(FLAKE, replace(WOBBLY, cause=FLAKE.cause)),
            reasons=("2 tests are flaky",),
        ),
    ]
    everything_ = environment(
        "everything",
        UPLOADS,
        UPLOADS_BEHAVIOR,
        hosts,
        verdict=VerdictWord.FAILED,
        headline="everything does not pass by itself: 1 test fails on the reference",
        tests=MappingProxyType({"passed": 209, "failed": 0, "errored": 0, "skipped": 3}),
        ignores=(
            IgnoreUse(test="tests/test_store.py::*", host="hardened", reason="the service sets its own umask", used=1),
            IgnoreUse(test="tests/old.py::*", host="*", reason="long ago", used=0),
        ),
        hermetic=False,
        work=Work(runs=61, duration=48_500, longest=9_100),
        duration=100,
    )
    return Verification(
        verdict=VerdictWord.FAILED,
        headline="everything does not pass by itself: 1 test fails on the reference",
        environments=(everything_,),
        unavailable=(),
        duration=149,
        seed=1,
        partial=True,
    )


ALWAYS, NEVER = Rate(failed=8, of=8, low="0.63", high="1"), Rate(failed=0, of=8, low="0", high="0.37")


def caused(kind, name, reference, here, message="", *, factors=None, **more):
    """A difference that eight pairs of runs confirm."""
    factors = factors or {"cpus": "1"}
    removed = dict.fromkeys(factors, Rate(failed=0, of=2, low="0", high="0.842")) if len(factors) > 1 else {}
    expected = f" --expect '{name}={reference}'" if kind is Kind.ARTIFACT else ""
    levels = "".join(f" --set {factor}={level}" for factor, level in factors.items())
    return Finding(
        difference=Difference(kind=kind, id=name, reference=reference, here=here, message=message, **more),
        cause=Cause(
            state=CauseState.CAUSED,
            factors=MappingProxyType(factors),
            confirmed=True,
            runs=16,
            p_value="0.00016",
            with_=ALWAYS,
            without=NEVER,
            removed=MappingProxyType(removed),
        ),
        reproduce=f"seatrial run envs/kinds.yaml{levels}{expected} -- python3 -m pytest",
    )


def kinds():
    """One difference of each kind, and a note."""
    cut = "the run reached its deadline, after 4.1 s, while {} running; 1 test after it was not reached"
    one, other = Digest.of(b"1").text, Digest.of(b"2").text
    two = {"shm": "none", "umask": "0077"}
    findings = (
        caused(Kind.EXIT, "exit", "exit 0", "limit deadline", cut.format("tests/test_a.py::test_hang was")),
        caused(Kind.TEST, "tests/test_a.py::test_hang", "passed", "missing", cut.format("this test was"), is_cut=True),
        caused(Kind.TEST, "tests/test_a.py::test_two", "passed", "failed", "assert 1 == 2", factors=two),
        caused(Kind.TEST, "tests/test_a.py::test_gone", "passed", "missing", "this host collects no such test"),
        caused(Kind.TEST, "tests/test_a.py::test_new", "missing", "passed", "the reference collects no such test"),
        caused(Kind.TEST, "tests/test_a.py::test_skip", "passed", "skipped", "skipped: needs two CPUs"),
        caused(Kind.ARTIFACT, "out/a.json", one, other, '-  "day": "14",\n+  "day": "15",'),
        caused(Kind.ARTIFACT, "out/a.bin", one, other),
        caused(Kind.ARTIFACT, "out/new", "missing", other),
        caused(Kind.ARTIFACT, "(files)", one, other, "+ /home/app/.cache/a"),
        caused(Kind.ARTIFACT, "(shutdown)", one, other, "- process a heeds SIGTERM\n+ process a does not heed SIGTERM"),
        caused(Kind.OUTPUT, "stdout", one, other, "- 3 orders in … ms\n+ 4 orders in … ms"),
    )
    slow = Note(kind=NoteKind.SHUTDOWN, text="service db took 2.1 s to end after SIGTERM, 0.1 s on the reference")
    hosts = [
        host("reference", State.REFERENCE),
        host(
            "one-cpu",
            State.DIFFERENT,
            behavior=Digest.of(b"one"),
            factors={"cpus": "1", "shm": "none", "umask": "0077"},
            verdict=VerdictWord.FAILED,
            findings=findings,
            reasons=(f"{len(findings)} behaviors differ",),
            notes=(slow,),
        ),
    ]
    found = environment(
        "kinds",
        UPLOADS,
        UPLOADS_BEHAVIOR,
        hosts,
        verdict=VerdictWord.FAILED,
        headline="kinds behaves differently where cpus is 1",
        tests=MappingProxyType({"passed": 209, "failed": 0, "errored": 0, "skipped": 3}),
        reasons=(f"one-cpu: {len(findings)} behaviors differ",),
        duration=4200,
    )
    return Verification(
        verdict=VerdictWord.FAILED,
        headline=found.headline,
        environments=(found,),
        unavailable=(),
        duration=4200,
        seed=7,
    )


SAMPLES = {"failed": failed, "green": green, "everything": everything, "kinds": kinds}

GOLDEN = Path(__file__).parents[2] / "golden" / "report"


@pytest.fixture
def samples():
    """The verifications by name."""
    return {name: make() for name, make in SAMPLES.items()}


@pytest.fixture(scope="session")
def strange():
    """Give a verification with a text in every place where a stranger's can stand."""
    return lambda text: with_text(failed(), text)


@pytest.fixture(params=SAMPLES)
def sample(request):
    """Each verification."""
    return SAMPLES[request.param]()


@pytest.fixture
def golden():
    """Compare text with a file; ``UPDATE_GOLDEN=1`` writes the file anew, for a look at its diff."""

    def compare(name, text):
        path = GOLDEN / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text)
        assert text == path.read_text()

    return compare
