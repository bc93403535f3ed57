"""Runs on a machine under systemd, as nearly all are: whoever may be given control groups has runs limited by them."""

import json
import os
import shutil
import sys

import pytest
from busybox_image import PROGRAM
from systemd_machine import SERVICE_USER, SUITES, booted

pytestmark = [pytest.mark.slow, pytest.mark.network]

LIMITS = ("memory", "processes", "cpu-quota")
LEVELS = "--set memory=64M --set processes=16 --set cpu-quota=50%"
RUN = "seatrial run oci:/opt/image"
EXHAUST = "'a=xxxxxxxx; while :; do a=$a$a; done'"
KILLED = 137


@pytest.fixture(scope="module")
def consoles(tmp_path_factory):
    """The shells of root and of a plain user."""
    if os.geteuid():
        pytest.skip("only root starts peers")
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    assert shutil.which("qemu-system-x86_64")
    assert PROGRAM.exists()
    if sys.version_info[:2] not in SUITES:
        pytest.skip("no suite of Debian has this Python")
    with booted(tmp_path_factory.mktemp("machine")) as found:
        yield dict(zip(("root", "user"), found, strict=True))


@pytest.fixture
def shell(consoles):
    """Run a command as root or as the user, and return its exit code and what it wrote."""
    return lambda who, command: consoles[who].run(command)


def in_service(command, *properties, user=SERVICE_USER):
    """Return what runs a command in a service of the system, whose user has no session; no terminal is its own."""
    asked = " ".join(f"--property={each}" for each in properties)
    start = f"systemd-run --quiet --pipe --wait --unit=ci --uid={user} --setenv=HOME=$(eval echo ~{user}) {asked}"
    return f"(set -o pipefail; {start} {command} < /dev/null 2>&1 | cat)"


def lacking(text):
    """Return limit → what doctor says would allow it, of those that cannot be had."""
    abilities = {each["name"]: each for each in json.loads(text)["abilities"]}
    return {name: abilities[name]["hint"] for name in LIMITS if not abilities[name]["available"]}


@pytest.mark.parametrize("who", ["root", "user"])
def test_every_limit_can_be_had(who, shell):
    code, text = shell(who, "seatrial doctor --json")
    assert (code, lacking(text)) == (0, {})


@pytest.mark.parametrize("who", ["root", "user"])
def test_limits_hold(who, shell):
    code, text = shell(who, f"{RUN} {LEVELS} -- true")
    assert (code, text) == (0, "")  # a limit that was not in effect would be told
    assert shell(who, f"{RUN} {LEVELS} -- sh -c {EXHAUST} 2>/dev/null")[0] == KILLED


@pytest.mark.parametrize("user", ["root", SERVICE_USER])
def test_service_that_has_its_control_groups_delegated_limits_runs_in_them(user, shell):
    command = f"sh -c '{RUN} {LEVELS} -- true && cat /proc/self/cgroup'"
    code, text = shell("root", in_service(command, "Delegate=yes", user=user))
    assert (code, text) == (0, "0::/system.slice/ci.service/seatrial-own\n")  # with what is beside the runs


def test_service_without_is_told_what_allows_it(shell):
    _, text = shell("root", in_service("seatrial doctor --json"))
    assert lacking(text) == dict.fromkeys(
        LIMITS, "write `Delegate=yes` below `[Service]` with `sudo systemctl edit ci.service`, and restart it"
    )


@pytest.mark.parametrize("who", ["root", "user"])
@pytest.mark.parametrize("runtime", ["crun", "runc", "podman"])
def test_other_runtimes_run_and_hold_their_limits(runtime, who, shell):
    code, text = shell(who, f"{RUN} --host {runtime} --set memory=64M --set processes=16 -- true")
    assert (code, text) == (0, "")
