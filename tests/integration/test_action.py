"""The action: its steps are run by bash, as a runner runs them, and its files and the workflow's are valid."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github/actions/verify"
READ = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
STEPS = {each["name"]: each for each in READ["runs"]["steps"]}
BASH = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c")
"""How a runner starts a step with `shell: bash`."""


@pytest.fixture
def project(tmp_path):
    """A project of a user's with one environment, and the folders of a runner."""
    for name in ("project/envs", "temp"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("schedule.yaml", "schedule.lock.json"):
        shutil.copy(ROOT / "envs" / name, tmp_path / "project/envs" / name)
    return tmp_path


@pytest.fixture
def step(project, store):
    """Run a step of the action with some inputs; give its exit code, its outputs and the job's summary."""

    def run(name, **inputs):
        known = {key: str(each["default"]) for key, each in READ["inputs"].items()} | inputs
        names = {f"inputs.{key}": value for key, value in known.items()} | {"github.action_path": str(ACTION)}
        own = {
            key: re.sub(r"\$\{\{ *([a-z._]+) *\}\}", lambda found: names[found[1]], value)
            for key, value in STEPS[name].get("env", {}).items()
        }
        files = {key: project / key.lower() for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for each in files.values():
            each.touch()
        environment = {
            **os.environ,
            **{key: str(path) for key, path in files.items()},
            "GITHUB_ACTION_PATH": str(ACTION),
            "RUNNER_TEMP": str(project / "temp"),
            "SEATRIAL_STORE": str(store),
            **own,
        }
        done = subprocess.run(
            [*BASH, STEPS[name]["run"]],
            cwd=project / "project",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done, *(path.read_text(encoding="utf-8") for path in files.values())

    return run


@pytest.fixture
def installed(project):
    """What the first step makes, from what these tests run with."""
    (project / "temp/seatrial").symlink_to(Path(sys.executable).parents[1])


@pytest.mark.network
@pytest.mark.usefixtures("installed")
def test_step_verifies_and_tells_the_verdict_and_the_digest(step):
    done, outputs, summary = step("Verify", hosts="umask-0077")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"verdict=PASSED\ndigest<<(\w{32})\nsha256:[0-9a-f]{64}\n\1\n", outputs)
    assert "PASSED" in summary
    assert "::notice title=PASSED::" in done.stdout


@pytest.mark.network
@pytest.mark.usefixtures("installed")
def test_what_passed_enters_a_stage_and_a_gate_is_asked(step, store, monkeypatch, tmp_path):
    monkeypatch.setenv("SEATRIAL_KEYS", str(tmp_path / "keys"))
    shutil.rmtree(store / "stages" / "dev" / "schedule", ignore_errors=True)
    assert step("Verify", hosts="read-only,hardened,umask-0077")[0].returncode == 0
    done, outputs, _ = step("Gate", specs="schedule", gate="test")
    assert (done.returncode, outputs.splitlines()[-1]) == (2, "verdict=FAILED")
    assert "seatrial promote schedule --to dev" in done.stderr
    done, _, summary = step("Promote", stage="dev")
    assert done.returncode == 0, done.stderr
    assert "dev has schedule sha256:" in summary
    done, outputs, summary = step("Gate", specs="schedule", gate="test")
    assert (done.returncode, outputs.splitlines()[-1]) == (0, "verdict=PASSED"), done.stderr
    assert "open" in summary


def test_one_of_verify_and_gate_runs():
    conditions = {name: each.get("if", "") for name, each in STEPS.items()}
    assert conditions["Verify"] == "inputs.gate == ''"
    assert conditions["Promote"] == "inputs.gate == '' && inputs.stage != ''"
    assert conditions["Gate"] == "inputs.gate != ''"


@pytest.mark.network
@pytest.mark.usefixtures("installed")
def test_step_fails_as_verify_does(step, project):
    spec = project / "project/envs/schedule.yaml"
    spec.write_text(spec.read_text().replace("packages: [tzdata]", "packages: [tzdata, hello]"))
    done, outputs, _ = step("Verify", hosts="umask-0077")
    assert (done.returncode, outputs) == (2, "")
    assert "seatrial lock" in done.stderr
    spec.unlink()
    done, outputs, _ = step("Verify", specs="envs/*.yaml")
    assert (done.returncode, outputs) == (2, "")
    assert "No specs found" in done.stderr


@pytest.mark.network
@pytest.mark.usefixtures("installed")
def test_input_is_never_a_command(step, project):
    done, outputs, _ = step(
        "Verify", specs="$(touch hacked) `touch hacked`", hosts="; touch hacked", budget="$(touch hacked)"
    )
    assert (done.returncode, outputs) == (2, "")
    assert not (project / "project/hacked").exists()


@pytest.mark.slow
@pytest.mark.network
def test_all_steps_run_from_nothing(step):
    for name in ("Install Seatrial", "Allow namespaces and limits", "Verify"):
        done, outputs, _ = step(name, hosts="umask-0077")
        assert done.returncode == 0, (name, done.stderr)
    assert outputs.startswith("verdict=PASSED\n")


FILES = {
    "vendor.github-actions": [ACTION / "action.yml"],
    "vendor.github-workflows": sorted((ROOT / ".github/workflows").glob("*.yml")),
}


@pytest.mark.parametrize("schema", FILES)
def test_files_are_valid(schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, FILES[schema])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def block(first_line):
    """Give what stands behind some line of the page, which is the first of an indented block."""
    text = (ROOT / "docs/how-to/verify-in-github-actions.md").read_text(encoding="utf-8")
    found = re.search(rf"^    +{re.escape(first_line)}\n((?:(?:    .*)?\n)+)", text, re.MULTILINE)
    return "\n".join(line[4:] for line in found[1].splitlines()) + "\n"


def check_workflow(workflow, folder):
    file = folder / "workflow.yml"
    file.write_text(workflow, encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "first", ["# .github/workflows/verify.yml of your project", "# .github/workflows/release.yml of your project"]
)
def test_workflows_of_the_page_are_valid(first, tmp_path):
    workflow = block(first)
    known = set(READ["inputs"])
    for job in yaml.safe_load(workflow)["jobs"].values():
        assert all(set(each["with"]) <= known for each in job["steps"] if "seatrial" in each.get("uses", ""))
    check_workflow(workflow, tmp_path)


def test_steps_of_the_page_for_code_scanning_write_what_they_upload(tmp_path):
    further = block("# further steps of the job")
    check_workflow(block("# .github/workflows/verify.yml of your project") + further, tmp_path)
    steps = yaml.safe_load(further)
    (tmp_path / ".seatrial").mkdir()
    shutil.copy(ROOT / "tests/golden/report/everything.json", tmp_path / ".seatrial/report.json")
    (tmp_path / "seatrial").mkdir()
    (tmp_path / "seatrial/bin").symlink_to(Path(sys.executable).parent)
    environment = {**os.environ, "RUNNER_TEMP": str(tmp_path)}
    (command,) = (each["run"] for each in steps if "run" in each)
    subprocess.run([*BASH, command], cwd=tmp_path, env=environment, check=True)
    (uploaded,) = (each["with"]["sarif_file"] for each in steps if "with" in each)
    assert json.loads((tmp_path / uploaded).read_text())["version"] == "2.1.0"


def test_auditor_of_workflows_finds_nothing():
    program = Path(sys.executable).parent / "zizmor"
    command = [program, "--offline", "--no-progress", "--persona", "regular", str(ROOT / ".github")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
