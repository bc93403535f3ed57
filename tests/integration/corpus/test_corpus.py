"""Real applications: every known difference is found under its host, with its cause, and nothing else is reported.

``known.json`` says of each application what its suite gives on the reference and what changes on which host. What is
known was measured apart from Seatrial, one factor at a time; entries with a ``why`` were seen by Seatrial alone, and
rest on what the failing tests say.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KNOWN = json.loads(Path(__file__).with_name("known.json").read_bytes())
SAME = ("null-control", "umask-0077")

pytestmark = pytest.mark.network


def seatrial(store, *words):
    environment = dict(os.environ, SEATRIAL_STORE=str(store))
    command = [sys.executable, "-m", "pipeline.cli.main", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3600, check=False)


def verify(store, spec, hosts):
    done = seatrial(store, "verify", spec, "--locked", "--json", "--hosts", hosts)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    (found,) = json.loads(done.stdout)["environments"]
    return found


def check(found, known):
    """Compare a report with what is known, host by host and test by test."""
    reference, *others = found["hosts"]
    assert {name: found["tests"][name] for name in known["tests"]} == known["tests"]
    assert [each["id"] for each in reference.get("differences", [])] == known.get("failing", [])
    unclear = {each["name"]: each["reasons"] for each in others if each["state"] in {"INCONCLUSIVE", "FLAKY"}}
    assert unclear == {}
    for host in others:
        expected = known["hosts"].get(host["name"], {"tests": {}, "factors": {}})
        seen = {each["id"]: [each["reference"], each["here"]] for each in host.get("differences", [])}
        assert (host["name"], seen) == (host["name"], expected["tests"] if host["state"] != "UNAVAILABLE" else {})
        causes = [each["cause"]["factors"] for each in host.get("differences", [])]
        assert all(each == expected["factors"] for each in causes), (host["name"], causes)
    assert found["verdict"] == ("FAILED" if any(each["state"] == "DIFFERENT" for each in others) else "PASSED")


def reproduce(store, difference):
    """Run what a report says shows a difference, and the same without each of its levels: then it does not."""
    _, *words = shlex.split(difference["reproduce"])
    places = [at for at, word in enumerate(words) if word == "--set"]
    assert len(places) == len(difference["cause"]["factors"])
    shown = seatrial(store, *words)
    for at in places:
        without = seatrial(store, *words[:at], *words[at + 2 :])
        assert without.returncode == 0, without.stdout + without.stderr
        assert "1 skipped" not in without.stdout
    if difference["here"] == "skipped":
        assert "1 skipped" in shown.stdout
    else:
        assert shown.returncode == 1, shown.stdout + shown.stderr


@pytest.mark.bar("4 corpus", slice=1)
@pytest.mark.parametrize("name", sorted(name for name in KNOWN if KNOWN[name]["hosts"]))
def test_known_differences_are_found_with_their_cause_and_reproduced(name, store):
    known = KNOWN[name]
    found = verify(store, known["spec"], ",".join((*known["hosts"], *SAME)))
    check(found, known)
    commands = {each["reproduce"]: each for host in found["hosts"][1:] for each in host.get("differences", [])}
    for each in commands.values():
        reproduce(store, each)


@pytest.mark.slow
@pytest.mark.bar("4 corpus")
@pytest.mark.parametrize("name", sorted(KNOWN))
def test_nothing_else_is_reported_on_any_host(name, store):
    hosts = (ROOT / "specs" / "hosts" / "sets" / "thorough.yaml").read_text().splitlines()
    # Hosts of many levels are left out: what each level does by itself is known, their interplay is not.
    single = [line.removeprefix("  - ") for line in hosts if line.startswith("  - ") and "quick" not in line]
    chosen = [each for each in single if each not in KNOWN[name].get("without", {})]
    check(verify(store, KNOWN[name]["spec"], ",".join(chosen)), KNOWN[name])


@pytest.mark.bar("4 corpus", slice=1)
@pytest.mark.parametrize("name", sorted(name for name in KNOWN if not set(KNOWN[name]["hosts"]) - {"old-docker"}))
def test_no_pair_of_levels_changes_what_no_level_does(name, store):
    found = verify(store, KNOWN[name]["spec"], "pairs")
    assert [(each["name"], each["state"]) for each in found["hosts"][1:] if each["state"] != "SAME"] == []
    assert found["verdict"] == "PASSED"
