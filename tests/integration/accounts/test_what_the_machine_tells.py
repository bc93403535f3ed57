"""`seatrial hosts` and `seatrial doctor` of this machine, for root and plain users: what is missing has one command."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from account import as_root, made_account

sys.path.append(str(Path(__file__).parents[2] / "conformance"))

from engines import started_dockerd

from runtime.backends.catalogue import BACKENDS
from runtime.backends.native.emulation import EMULATORS
from runtime.factors import FACTORS
from runtime.oci.platform import own_architecture

ROOT = Path(__file__).parents[3]
LIMITS = {"memory", "processes", "cpu-quota"}
GROUNDS = {"user namespaces", "overlayfs", "seccomp", "launcher", "ids", *LIMITS}
FOREIGN = {"crun", "runc", "runsc"}  # Debian's, which CI installs
ONE_COMMAND = re.compile(r"run `([^`]+)`(, (and log in again|then install Seatrial again))?")

pytestmark = pytest.mark.bar("12 hosts and doctor", slice=1)


class Root:
    """The caller, as an account."""

    def __call__(self, command, *words, **variables):
        shown = [sys.executable, "-m", "pipeline.cli.main", *words]
        assert command == ".venv/bin/seatrial"
        return subprocess.run(
            shown, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def root():
    if os.geteuid():
        pytest.skip("only root makes users")
    return Root()


def told(account, **variables):
    """Return what `doctor` and `hosts` tell an account: parts, levels, hosts of the one and of the other."""
    documents = []
    for verb in ("doctor", "hosts"):
        done = account(".venv/bin/seatrial", verb, "--json", **variables)
        assert done.returncode == 0, done.stderr
        documents.append(json.loads(done.stdout))
    doctor, hosts = documents
    parts = {each["name"]: each for each in doctor["abilities"]}
    return parts, doctor["levels"], *({each["name"]: each for each in one["hosts"]} for one in (doctor, hosts))


def command_of(row):
    """Return the one command of a hint."""
    found = ONE_COMMAND.fullmatch(row["hint"])
    assert found, row
    return found[1]


@pytest.mark.parametrize("who", ["root", "ranged", "bare"])
def test_every_backend_and_factor_is_told_and_one_command_for_what_is_missing(who, request):
    parts, levels, of_doctor, of_hosts = told(request.getfixturevalue(who))
    emulators = set(EMULATORS) - {own_architecture()}
    assert parts.keys() == {*BACKENDS, *emulators, *GROUNDS}
    assert {(each["name"], each["level"]) for each in levels} == {
        (each.name, level) for each in FACTORS if each.name != "runtime" for level in each.levels
    }
    keys = ("available", "reason", "hint")
    told_twice = [{name: [each[key] for key in keys] for name, each in one.items()} for one in (of_doctor, of_hosts)]
    assert told_twice[0] == told_twice[1]
    missing = [each for each in (*parts.values(), *levels, *of_hosts.values()) if not each["available"]]
    for each in missing:
        assert each["reason"], each
        command_of(each)
    available = {name for name, each in parts.items() if each["available"]}
    assert available >= {"native", "qemu", "podman", "user namespaces", "overlayfs", "seccomp", "launcher"}
    assert (available & {*FOREIGN, *LIMITS, "ids"}) == {
        "root": {*FOREIGN, *LIMITS, "ids"}, "ranged": {*FOREIGN, "ids"}, "bare": set()
    }[who]  # fmt: skip
    for name in FOREIGN:
        assert of_hosts["gvisor" if name == "runsc" else name]["available"] is parts[name]["available"]


@pytest.mark.slow
def test_command_for_a_range_of_ids_gives_one_and_what_rests_on_it():
    with made_account(has_range=False) as account:
        account.install()
        before, _, _, _ = told(account)
        (command,) = {command_of(before[name]) for name in (*FOREIGN, "ids")}
        as_root("sh", "-c", command.replace("sudo ", ""))
        after, _, _, hosts = told(account)
    assert [after[name]["reason"] for name in (*sorted(FOREIGN), "ids")] == [""] * 4
    assert all(hosts[name]["available"] for name in ("crun", "runc", "gvisor"))


@pytest.mark.slow
def test_command_for_docker_lets_a_plain_user_use_it(ranged, root):
    with started_dockerd() as address:
        Path(address.removeprefix("unix://")).parent.chmod(0o711)  # as /run, where others' sockets can be seen
        here, _, _, _ = told(root, DOCKER_HOST=address)
        assert here["docker"]["available"]
        before, _, _, _ = told(ranged, DOCKER_HOST=address)
        command = command_of(before["docker"])
        assert "usermod" in command
        as_root("sh", "-c", command.replace("sudo ", "").replace("$USER", ranged.name))
        after, _, _, hosts = told(ranged, DOCKER_HOST=address)
    assert after["docker"]["available"]
    assert hosts["docker"]["available"], hosts["docker"]
