"""What a promotion counts on beside the gate: each check stops an attack, and with that one disabled it does not."""

import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from mutant import disabled
from project import Project

pytestmark = [pytest.mark.slow, pytest.mark.bar("5 mutants of asking again")]

NEVER = "if False:"
PROMOTING, AGAIN = "pipeline.promoting", "pipeline.asked_again"

LATER = """\
read -r up _ < /proc/uptime
echo 1..2
echo "ok 1 - always"
[ "${up%%.*}" -lt LIMIT ] && echo "ok 2 - checked" || echo "ok 2 - checked # SKIP too late"
"""
"""A suite that passes at any time, and after a while by checking less."""


@pytest.fixture
def project(tmp_path):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield Project(tmp_path, hosts=("read-only",))
    for number, handler in before.items():
        signal.signal(number, handler)


def checks_less(project):
    """Verify a suite that soon checks less."""
    end = int(_up()) + 8
    project.write(LATER.replace("LIMIT", str(end)), hosts=("read-only",))
    project.run("verify", "web")
    time.sleep(max(0.0, end + 1 - _up()))
    return ("promote", "web", "--to", "dev"), 1


def by_another_key(project):
    """Verify, and promote in the name of somebody whom a stage of this machine does not trust."""
    project.run("verify", "web")
    project.run("keys", "new", "other.pem", "--no-passphrase")
    return ("promote", "web", "--to", "dev", "--key", "other.pem"), 2


def by_a_verifier(project):
    """Verify, and promote as somebody who may only verify."""
    project.stage("dev", trust="keyring", policy={"hosts": ["reference", "read-only"]})
    project.run("keys", "init")
    written = project.run("keys", "new", "tester.pem", "--no-passphrase")
    (project.folder / "tester.pub").write_text(written.stdout)
    project.run("keys", "add", "tester", "tester.pub", "--role", "verifier")
    project.run("verify", "web", "--key", "tester.pem")
    return ("promote", "web", "--to", "dev", "--key", "tester.pem"), 2


MUTANTS = {
    "changed": (checks_less, PROMOTING, "if changes:", NEVER),
    "compared": (
        checks_less,
        AGAIN,
        "if before is None or seen.behavior is None or seen.behavior == before.behavior:",
        "if True:",
    ),
    "role": (by_a_verifier, PROMOTING, "(Role.PROMOTER,)", "tuple(Role)"),
    "own key": (by_another_key, PROMOTING, "elif key != place.local:", "elif False:"),
}
"""Name → the attack, and the check that stops it: module, what it reads, and what it reads where it is disabled."""


@pytest.mark.parametrize("name", MUTANTS)
def test_attack_is_stopped_and_without_the_check_it_is_not(project, name):
    attack, *mutant = MUTANTS[name]
    words, code = attack(project)
    project.run(*words, code=code)
    assert project.status("dev")["live"] is None
    for each in ("stages", "promotions"):
        shutil.rmtree(project.store / each, ignore_errors=True)
    with disabled(*mutant):
        assert project.json(*words)["ending"] == "PROMOTED"


def _up():
    return float(Path("/proc/uptime").read_text().split()[0])
