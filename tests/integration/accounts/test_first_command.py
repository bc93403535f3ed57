"""The README's first command, typed by a user who was made a moment ago and has one id: PASSED, with root's images."""

import json
import time

import pytest
from account import made_account, readme_command

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.bar("11 first command")]


def test_first_command_of_a_user_without_a_range_passes_with_the_images_of_root(build):
    with made_account(has_range=False) as account:
        ranges = "/etc/subuid", "/etc/subgid"
        assert account("grep", f"^{account.name}:", *ranges).returncode == 1
        began = time.monotonic()
        done = account("bash", "-c", readme_command("Run"))
        seconds = time.monotonic() - began
        assert done.returncode == 0, done.stdout + done.stderr
        assert "PASSED" in done.stdout
        shown = account(".venv/bin/seatrial", "report", "--format", "json")
        assert shown.returncode == 0, shown.stderr
        found = json.loads(shown.stdout)
    assert found["verdict"] == "PASSED"
    print(f"\n{readme_command('Run')}: {found['verdict']} after {seconds:.0f} s")
    environments = {each["name"]: each for each in found["environments"]}
    assert environments.keys() == {"bottle", "itsdangerous", "schedule", "web"}
    for name, each in environments.items():
        assert each["image"] == build(name).image.text
        assert each["verdict"] == "PASSED"
        hold_probes(each["hosts"])


def hold_probes(hosts):
    """The user is emulated, and proven: who may not cannot write a 0755 folder of root's, nor read its 0640 file."""
    tried = [each for each in hosts if each["state"] != "UNAVAILABLE"]
    assert {each["name"] for each in hosts if each not in tried} <= {"small-memory", "few-processes"}
    evidence = {each["name"]: each["evidence"]["user"] for each in tried}
    assert all("user" in each["emulated"] for each in tried)
    assert all("ids=1" in each for each in evidence.values())
    assert "write=EACCES read=EACCES" in evidence["reference"]
    assert "write=EACCES read=yes" in evidence["openshift"]  # in group 0, whose file it is
    assert "write=yes read=yes" in evidence["user-root"]
    assert "write=EROFS read=EACCES" in evidence["read-only"]
