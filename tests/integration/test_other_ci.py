"""The page on GitLab CI and the hooks of pre-commit: valid, and what they run does what the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/verify-in-gitlab-ci.md"
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
BIN = Path(sys.executable).parent


def block(first_line):
    """Give the indented block of the page that begins with some line."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^    {re.escape(first_line)}\n((?:(?:    .*)?\n)+)", text, re.MULTILINE)
    return "\n".join(line[4:] for line in found[1].splitlines()) + "\n"


@pytest.fixture
def project(tmp_path):
    """A project of a user's with one environment."""
    (tmp_path / "envs").mkdir()
    for name in ("schedule.yaml", "schedule.lock.json"):
        shutil.copy(ROOT / "envs" / name, tmp_path / "envs" / name)
    return tmp_path


@pytest.fixture
def shell(project, store):
    """Run lines as a job does: one script, which ends at the first that fails."""

    def run(*lines):
        environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "SEATRIAL_STORE": str(store)}
        command = ["bash", "-eo", "pipefail", "-c", "\n".join(lines)]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    return run


def checked(*arguments):
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_job_of_gitlab_is_valid(tmp_path):
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(block("# .gitlab-ci.yml of your project"), encoding="utf-8")
    checked("-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(file))


@pytest.mark.network
def test_job_of_gitlab_verifies_and_leaves_its_reports(shell, project):
    job = yaml.safe_load(block("# .gitlab-ci.yml of your project"))["verify"]
    done = shell(*job["script"])
    assert done.returncode == 0, done.stderr
    after = [line.replace("/opt/seatrial/bin/", "") for line in job["after_script"]]
    assert shell(*after).returncode == 0
    for each in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
        assert (project / each).stat().st_size, each


def test_hooks_are_valid(tmp_path):
    checked("-m", "pre_commit", "validate-manifest", str(MANIFEST))
    file = tmp_path / ".pre-commit-config.yaml"
    file.write_text(block("# .pre-commit-config.yaml"), encoding="utf-8")
    checked("-m", "pre_commit", "validate-config", str(file))
    named = {each["id"] for repo in yaml.safe_load(file.read_text())["repos"] for each in repo["hooks"]}
    assert named == {each["id"] for each in yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))}


@pytest.mark.network
def test_hooks_pass_and_fail_as_they_say(shell, project):
    entries = {each["id"]: each["entry"] for each in yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))}
    for entry in entries.values():
        done = shell(entry)
        assert done.returncode == 0, done.stderr
    spec = project / "envs/schedule.yaml"
    spec.write_text(spec.read_text().replace("packages: [tzdata]", "packages: [tzdata, hello]"))
    for entry in entries.values():
        done = shell(entry)
        assert done.returncode == 2
        assert "seatrial lock" in done.stderr


@pytest.mark.slow
@pytest.mark.network
def test_pre_commit_itself_installs_and_runs_a_hook(project, shell):
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    done = shell(f"pre-commit try-repo {ROOT} seatrial-lock --all-files")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout
