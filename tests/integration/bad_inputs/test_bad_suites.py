"""Suites and hosts with one thing wrong each, on a real image: what the user reads, the exit code, the store."""

import json
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from bad_inputs_desk import ROOT, Desk, check_golden, check_store, is_golden

from pipeline.declare.dependencies import answers
from pipeline.declare.read import read_specs

HERE = Path(__file__).parent
CASES = yaml.safe_load((HERE / "suites.yaml").read_text(encoding="utf-8"))
GOOD = {"name": "good"}
MIB = 1 << 20
HALF_MADE = shutil.ignore_patterns(".*", "partial", "index.json")  # by others, at the same time

pytestmark = pytest.mark.network


def named(cases):
    return [pytest.param(each, id=each["name"]) for each in cases]


@pytest.fixture(scope="session")
def built(own_store, build, tmp_path_factory):
    """The store, with the one image, as it was built for others too, and the one tree of suites."""
    copy_store(build("schedule").store, own_store)
    seen = verify(Desk(project=tmp_path_factory.mktemp("good"), store=own_store), GOOD)
    assert seen.code == 0, seen


def copy_store(shared, own):
    """Copy what names other things before the things named: others write them in the opposite order meanwhile."""
    shutil.copytree(shared / "builds", own / "builds", dirs_exist_ok=True, ignore=HALF_MADE)
    (own / "oci").mkdir(exist_ok=True)
    shutil.copy(shared / "oci" / "index.json", own / "oci")
    for each in ("oci", "cache"):
        shutil.copytree(shared / each, own / each, dirs_exist_ok=True, ignore=HALF_MADE)


@pytest.fixture
def user(desk, built):
    return desk


@pytest.fixture
def mutated(user, tmp_path):
    """A user whose results are no one's later, and who finds none of earlier."""
    results, kept = user.store / "results", user.store / "results-kept"
    results.rename(kept)
    yield replace(user, environment={"TMPDIR": str(tmp_path)})
    shutil.rmtree(results, ignore_errors=True)
    kept.rename(results)


def verify(user, case, world=None, **more):
    prepare(user.project, case, world)
    if world is not None:  # the index is the world's; what else is needed is in the cache
        user = replace(user, environment={**user.environment, "UV_DEFAULT_INDEX": f"{world.url}/simple"})
    hosts = [] if "hosts" in case else case.get("arguments", ["--hosts", "umask-0077"])
    return user.type("verify", "spec.yaml", "--locked", "--no-progress", *hosts, **more)


def prepare(project, case, world):
    """Lay down the tree of suites, the case's spec on the image of envs/schedule.yaml, and its lock as an answer."""
    shutil.copytree(HERE / "app", project / "app", dirs_exist_ok=True)
    spec = yaml.safe_load((ROOT / "envs" / "schedule.yaml").read_text(encoding="utf-8"))
    right = {"files": [{"from": "./app", "to": "/app"}], "command": ["python3", "-m", "pytest", "-q", "good"]}
    spec["suite"] |= right | case.get("suite", {})
    lock = json.loads((ROOT / "envs" / "schedule.lock.json").read_text(encoding="utf-8"))
    lock["architectures"]["amd64"]["suite"]["sources"] = []
    if "sdist" in case:
        members = {path: text.encode() for path, text in case["sdist"].get("members", {}).items()}
        locked = world.add_sdist("green", members=members, links=case["sdist"].get("links"))
        spec["suite"]["files"].append({"sdist": "green==1.0", "to": "/app"})
        package = {"name": "green", "version": "1.0", "architecture": "", **locked}
        lock["architectures"]["amd64"]["suite"]["sources"].append(package)
    if "services" in case:  # each is the image itself, with another command: nothing more is built
        tree = lock["architectures"]["amd64"]["image"]
        lock["architectures"]["amd64"]["services"] = dict.fromkeys(case["services"], tree)
        image = {key: value for key, value in spec["image"].items() if key != "command"}
        spec["services"] = {name: {"image": image, **each} for name, each in case["services"].items()}
    hosts = {"hosts": case["hosts"]} if "hosts" in case else {}
    spec = {"seatrial": 1, **hosts, **spec}  # the hosts in line 2, whatever the image needs
    (project / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False, default_flow_style=None))
    (read,) = read_specs([project / "spec.yaml"])
    lock["answers"] = answers(read).text
    (project / "spec.lock.json").write_text(json.dumps(lock, indent=1) + "\n")


@pytest.mark.bar("6 bad inputs", slice=4)
@pytest.mark.parametrize("case", named(CASES))
def test_bad_suite_is_never_passed_and_store_is_unharmed(case, user, world):
    seen = verify(user, case, world if "sdist" in case else None)
    check_golden(case["name"], seen)
    assert seen.code == case["exit"]
    assert seen.code != 0
    check_store(user)
    again = verify(user, GOOD, None)
    assert again.code == 0, again


@pytest.mark.slow
@pytest.mark.bar("6 mutants")
@pytest.mark.parametrize("case", named(CASES))
def test_bad_suite_is_not_noticed_by_a_seatrial_without_the_check(case, mutated, world):
    seen = verify(mutated, case, world if "sdist" in case else None, mutant=case["mutant"])
    assert not is_golden(case["name"], seen)


@pytest.mark.slow
def test_flood_is_kept_out_of_memory_and_store(user):
    before = size(user.store)
    flood = next(each for each in CASES if each["name"] == "flood")
    pid = os.fork()
    if pid == 0:
        verify(user, flood)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        os._exit(0 if peak < 300 * MIB else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert size(user.store) - before < 40 * MIB


def size(folder):
    return sum(each.lstat().st_size for each in folder.rglob("*") if each.is_file() and not each.is_symlink())


def test_no_two_suites_are_equal_in_check_and_input():
    assert len({(each["check"], str(each.get("suite")), str(each.get("services"))) for each in CASES}) == len(CASES)
    assert len({each["name"] for each in CASES}) == len(CASES)
