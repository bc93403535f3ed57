"""One image digest and one suite digest per spec, whoever builds it and whatever is around: what the table shows."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EVERYWHERE = {"umask", "timezone", "locale", "home", "folder", "hash_seed", "jobs", "pauses"}
SLOW = {"pauses", "memory", "order"}
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

SPECS = (
    "envs/web.yaml",
    "envs/schedule.yaml",
    "envs/bottle.yaml",
    "envs/itsdangerous.yaml",  # of trixie
    "envs/examples/h11.yaml",
    "envs/examples/npm.yaml",
    "envs/examples/tzlocal.yaml",
    "tests/integration/digests/bullseye.yaml",
)
"""Over three suites of Debian, and packages of Debian, PyPI and npm; of the first each condition is varied alone."""

CREATED = "datetime.fromtimestamp(epoch, UTC)"

pytestmark = pytest.mark.network


def plain_user():
    """Return a user other than root who has further ids in /etc/subuid; empty if there is none."""
    try:
        names = [line.split(":")[0] for line in Path("/etc/subuid").read_text().splitlines()]
    except OSError:
        return ""
    known = {each.pw_name for each in pwd.getpwall() if each.pw_uid != 0}
    return next((each for each in names if each in known), "")


def conditions():
    """Return what can be varied here: a plain user can become no other, nor change what is around it."""
    found = set(EVERYWHERE)
    if len(os.sched_getaffinity(0)) > 1:
        found.add("cpus")
    if Path(FAKETIME).exists():
        found.add("clock")
    if os.geteuid() == 0:
        found |= {"host_name", "file_system", "zones"} | ({"user"} if plain_user() else set())
        found |= {"order"} if shutil.which("disorderfs") else set()
        found |= {"memory"} if Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists() else set()
    return found


def table(tmp_path, *arguments, vary=None):
    """Print the table, and return its rows and the exit code."""
    vary = conditions() if vary is None else vary
    program = [sys.executable, "bench/digest_table.py", f"--json={tmp_path}/table.json"]
    who = [f"--user={plain_user()}"] if "user" in vary else []
    command = [*program, f"--vary={','.join(sorted(vary))}", *who, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return json.loads((tmp_path / "table.json").read_bytes()), done.returncode


@pytest.mark.bar("2 digests")
@pytest.mark.parametrize("left_out", [SLOW, pytest.param(set(), marks=pytest.mark.slow)], ids=["quick", "all"])
def test_build_under_other_conditions_gives_the_same_digests(left_out, build, tmp_path):
    built, vary = build("web"), conditions() - left_out
    rows, code = table(tmp_path, "--rows=together", f"--cache={built.store}/cache", "envs/web.yaml", vary=vary)
    assert [(each["image"], each["suite"]) for each in rows] == [(built.image.text, built.suite.text)]
    assert set(rows[0]["varied"]) == vary
    assert code == 0


@pytest.mark.slow
@pytest.mark.bar("2 digests")
@pytest.mark.parametrize("spec", SPECS, ids=lambda each: Path(each).stem)
def test_every_condition_leaves_one_image_and_one_suite(spec, tmp_path):
    found, code = table(tmp_path, f"--rows={'alone' if spec == SPECS[0] else 'pairs'}", spec)
    assert {len({each[key] for each in found}) for key in ("image", "suite")} == {1}
    assert {name for each in found for name in each["varied"]} == conditions() | {"cache"}
    assert code == 0


@pytest.mark.slow
@pytest.mark.bar("2 digests")
def test_condition_that_leaks_into_an_image_is_named_with_the_path(build, tmp_path):
    code = tmp_path / "code"
    for name in ("pipeline", "runtime", "specs"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    assemble = code / "pipeline/build/assemble.py"
    source = assemble.read_text()
    assert source.count(CREATED) == 1
    assemble.write_text(source.replace(CREATED, CREATED.replace(", UTC", "")))  # in the time zone of who builds

    built = build("web")
    vary = "--vary=umask,timezone,locale"
    command = [sys.executable, "bench/digest_table.py", vary, "--rows=together", f"--code={code}", "envs/web.yaml"]
    done = subprocess.run(
        [*command, f"--json={tmp_path}/table.json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    usual, row = json.loads((tmp_path / "table.json").read_bytes())
    assert done.returncode == 1
    assert usual["image"] == built.image.text != row["image"]
    assert row["guilty"] == "timezone"
    assert "created" in row["why"]


def test_row_that_cannot_be_built_is_told_and_fails(tmp_path):
    (tmp_path / "odd").mkdir()
    spec = tmp_path / "odd" / "odd.yaml"
    spec.write_text('seatrial: 1\nimage: {debian: bookworm}\nsuite: {command: ["true"], results: exit}\n')
    rows, code = table(tmp_path, "--rows=together", f"--cache={tmp_path}/odd", str(spec))
    assert code == 1
    assert "odd.lock.json" in rows[0]["error"]
