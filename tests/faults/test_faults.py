"""Apps with one seeded portability bug, or none: a fresh variant of each is verified, by the command that users have.

The bug is found, its smallest cause named, its reproducer reproduces, and does not without the cause. Each case writes
what it saw into a record, and the last test judges the rates over all of them.
"""

import json
import os
import random
import re
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.append(str(HERE))

from fault import Kind, faults, read  # noqa: E402
from variants import make, make_beside  # noqa: E402

NAMES = faults()
EXACT = 0.95
INNOCENT_OF_A_SLICE = 16  # levels, of about ninety; a full run asks all
MEDIAN_RERUNS = {Kind.ONE: 30, Kind.TWO: 150}

pytestmark = pytest.mark.network


@pytest.fixture(scope="session")
def seed(pytestconfig):
    """The same for each slice, another one in each full run; the option replays one that was printed."""
    given = pytestconfig.getoption("--faults-seed")
    if given is not None:
        return given
    return random.SystemRandom().randrange(1, 1_000_000) if pytestconfig.getoption("--resume") else 0


@pytest.fixture(scope="session")
def record(pytestconfig, tmp_path_factory):
    """Where cases write what they saw: beside the names of those that passed, where a run is resumed."""
    resumed = pytestconfig.pluginmanager.get_plugin("resumed")
    return resumed.record.with_suffix(".faults.jsonl") if resumed else tmp_path_factory.getbasetemp() / "faults.jsonl"


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """A folder with the program `seatrial` of this checkout, for commands that are pasted into a shell."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "seatrial"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m pipeline.cli.main "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture
def shell(programs, store, tmp_path):
    def paste(line):
        environment = {**os.environ, "SEATRIAL_STORE": str(store), "PATH": f"{programs}:{os.environ['PATH']}"}
        command = ["bash", "-c", line]
        return subprocess.run(
            command, cwd=tmp_path / "app", env=environment, capture_output=True, text=True, check=False
        )

    return paste


@pytest.mark.bar("faults", slice=3)
@pytest.mark.parametrize("name", NAMES)
def test_fault_is_found_named_and_reproduced(name, seed, shell, record, tmp_path, capsys):  # noqa: PLR0917
    variant = make(read(HERE / name), seed, tmp_path / "app")
    begin = time.monotonic()
    done = shell(f"seatrial verify {variant.spec.name} --locked --json")
    seconds = time.monotonic() - begin
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    (environment,) = json.loads(done.stdout)["environments"]
    reference, *hosts = (each for each in environment["hosts"] if each["state"] != "UNAVAILABLE")
    assert reference["verdict"] == "PASSED" or variant.fault.kind is Kind.FLAKY, reference["reasons"]
    assert hosts, environment["reasons"]
    if variant.fault.causes and not any(variant.hosts[host["name"]] for host in hosts):
        _note(record, {"name": name, "kind": variant.fault.kind, "unavailable": environment["reasons"]})
        pytest.skip(f"no host with {dict(variant.fault.causes)} can run here: {environment['reasons']}")
    wrong = [line for host in hosts for line in _wrongs(variant, host)]
    reruns = [host["runs"] - 1 for host in hosts if variant.hosts[host["name"]]]
    found = {json.dumps(each["cause"]["factors"]) for host in hosts for each in _blaming(host)}
    case = {
        "name": name,
        "kind": variant.fault.kind,
        "seed": seed,
        "reruns": max(reruns, default=0),  # the first host that was explained; what it proved saves reruns of others
        "seconds": round(seconds, 1),
        "causes": sorted(found),
        "wrong": wrong,
    }
    with capsys.disabled():
        print(f"\n{json.dumps(case)}")
    if variant.fault.kind in (Kind.CLEAN, Kind.FLAKY):
        assert not wrong
    for command in sorted({each["reproduce"] for host in hosts for each in _blaming(host)}):
        _check_reproducer(command, variant, shell)
    for command in sorted({each["reproduce"] for host in environment["hosts"] for each in _unstable(host)}):
        done = shell(command.replace("--repeat 20", "--repeat 2"))
        assert done.returncode in (0, 1), (command, done.stderr)  # it may pass, but it runs
    _note(record, case)


@pytest.mark.bar("faults")
def test_tests_beside_the_bugs_pass_on_every_innocent_level(seed, shell, tmp_path, pytestconfig):
    most = None if pytestconfig.getoption("--resume") else INNOCENT_OF_A_SLICE
    spec = make_beside(seed, tmp_path / "app", most)
    done = shell(f"seatrial verify {spec.name} --locked --json")
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    (environment,) = json.loads(done.stdout)["environments"]
    states = {host["state"] for host in environment["hosts"]}
    assert (done.returncode, states - {"REFERENCE", "SAME", "UNAVAILABLE"}) == (0, set()), environment["reasons"]


@pytest.mark.bar("faults")
def test_causes_are_exact_and_reruns_are_few(record, pytestconfig):
    lines = record.read_text().splitlines() if record.exists() else []
    cases = {case["name"]: case for case in map(json.loads, lines)}  # of a case that ran again, the last
    if pytestconfig.getoption("--resume"):
        assert cases.keys() >= set(NAMES)
    cases = {name: case for name, case in cases.items() if "unavailable" not in case}
    if not cases:
        pytest.skip("no fault was verified before")
    wrong = {case["name"]: case["wrong"] for case in cases.values() if case["wrong"]}
    assert len(wrong) <= (1 - EXACT) * len(cases), json.dumps(wrong, indent=1)
    for kind, most in MEDIAN_RERUNS.items():
        reruns = [case["reruns"] for case in cases.values() if case["kind"] == kind]
        assert not reruns or statistics.median(reruns) <= most, (kind, sorted(reruns))


def _note(record, case):
    with record.open("a") as file:
        file.write(f"{json.dumps(case)}\n")


def _blaming(host):
    """Return the differences of which a host's levels are said to be the cause."""
    return [each for each in host.get("differences", []) if each["cause"]["state"] == "CAUSED"]


def _unstable(host):
    return [each for each in host.get("differences", []) if each["cause"] and each["cause"]["state"] == "FLAKY"]


def _wrongs(variant, host):
    """Yield what was found on a host other than what the fault says."""
    if not variant.hosts[host["name"]]:
        if host["verdict"] == "FAILED" or _blaming(host):
            yield f"{host['name']} is blamed: {host['factors']}, {_told(host)}"
        elif variant.fault.kind is not Kind.FLAKY and host["state"] != "SAME":
            yield f"{host['name']} is {host['state']}: {host['factors']}, {host['reasons']}"
        return
    found = {each["id"]: each["here"] for each in host.get("differences", [])}
    if found != dict.fromkeys(variant.fails, variant.fault.here):
        yield f"{host['name']} is {host['state']}: {host['factors']}, {host['reasons']}, {found}"
    for each in host.get("differences", []):
        if each["cause"].get("factors") != variant.fault.causes:
            yield f"{host['name']}: {host['factors']}, {each['cause']}"


def _told(host):
    return [(each["id"], each["here"], each["cause"]["factors"]) for each in _blaming(host)]


def _check_reproducer(command, variant, shell):
    """Run a reproducer: it fails, or skips the test as the fault says, and not so with any of its levels left out."""
    words = shlex.split(command)
    places = [index for index, word in enumerate(words) if word == "--set"]
    shown = _shown(command, variant, shell)
    assert places, command
    assert shown, command
    for without in (shlex.join(words[:place] + words[place + 2 :]) for place in places):
        assert _shown(without, variant, shell) < shown, without


def _shown(command, variant, shell):
    """Return how often a command shows what tests of this variant become."""
    done = shell(command)
    if variant.fault.here in ("skipped", "passed"):
        found = re.search(rf"\b(\d+) {variant.fault.here}\b", done.stdout)
        return int(found[1]) if found else 0
    return int(done.returncode != 0)
