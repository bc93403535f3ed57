"""Outages that happened: each is turned red by its one factor, by nothing else, and its reproducer shows it."""

import json
import os
import random
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.append(str(HERE))

from outage import make, outages, page, read  # noqa: E402

NAMES = outages()
GREEN_OF_A_SLICE = 16  # hosts that must stay green, of about sixty; a full run asks all


@pytest.fixture(scope="session")
def seed(pytestconfig):
    """The same for each slice, another one in each full run; the option replays one that was printed."""
    given = pytestconfig.getoption("--faults-seed")
    if given is not None:
        return given
    return random.SystemRandom().randrange(1, 1_000_000) if pytestconfig.getoption("--resume") else 0


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
        return subprocess.run(
            ["bash", "-c", line], cwd=tmp_path / "app", env=environment, capture_output=True, text=True, check=False
        )

    return paste


@pytest.mark.bar("outages")
def test_page_of_outages_is_up_to_date():
    assert (ROOT / "docs" / "reference" / "outages.md").read_text() == page(), "python tests/outages/outage.py page"


@pytest.mark.network
@pytest.mark.bar("outages", slice=3)
@pytest.mark.parametrize("name", NAMES)
def test_outage_is_turned_red_by_exactly_one_factor(name, seed, shell, tmp_path, capsys, pytestconfig):  # noqa: PLR0917
    outage = read(HERE / name)
    most = None if pytestconfig.getoption("--resume") else GREEN_OF_A_SLICE
    spec, levels = make(outage, tmp_path / "app", seed, most)
    done = shell(f"seatrial verify {spec.name} --locked --json")
    assert done.returncode in {0, 1, 3}, done.stdout + done.stderr
    result = json.loads(done.stdout)
    (environment,) = result["environments"]
    unavailable = {each["host"]: each["reason"] for each in result["unavailable"]}
    if "alone" in unavailable:
        pytest.skip(f"no host with {outage.factor}={outage.level} can run here: {unavailable['alone']}")
    assert done.returncode == 1, environment["reasons"]
    _, *hosts = (each for each in environment["hosts"] if each["state"] != "UNAVAILABLE")
    red = [each for each in hosts if levels[each["name"]].get(outage.factor) in outage.red_levels]
    wrong = [line for host in hosts for line in _wrongs(outage, host, is_red=host in red)]
    with capsys.disabled():
        print(f"\n{name}: {len(red)} of {len(hosts)} hosts, {result['seconds']} s, seed {seed}")
    assert not wrong, "\n".join(wrong)
    assert {"alone", "among"} - unavailable.keys() <= {each["name"] for each in red}
    commands = {each["reproduce"] for host in red for each in host["differences"]}
    assert commands
    for command in sorted(commands):
        _check_reproducer(command, outage, shell)


def _wrongs(outage, host, *, is_red):
    """Yield what was found on a host other than what the outage says."""
    where = f"{host['name']} ({host['factors']}) is {host['state']}"
    if not is_red:
        if host["state"] != "SAME":
            yield f"{where}: {host.get('differences')}, {host['reasons']}"
        return
    found = {each["id"]: (each["reference"], each["here"], each["cause"]) for each in host.get("differences", [])}
    tests = {name.rpartition("::")[2] for name in found}
    if tests != set(outage.fails) or {each[:2] for each in found.values()} != {(outage.reference, outage.here)}:
        yield f"{where}: {found}, {host['reasons']}"
    cause = {outage.factor: host["factors"][outage.factor]}
    for _, _, blamed in found.values():
        if blamed["state"] != "CAUSED" or blamed["factors"] != cause:
            yield f"{where}, and the cause is said to be {blamed}"


def _check_reproducer(command, outage, shell):
    """Run a reproducer, and the same without its level: one of them fails, and the other passes."""
    words = shlex.split(command)
    place = words.index("--set")
    without = shlex.join(words[:place] + words[place + 2 :])
    failing, passing = (command, without) if outage.here == "failed" else (without, command)
    done = shell(failing)
    assert done.returncode == 1, (failing, done.stdout, done.stderr)
    done = shell(passing)
    assert done.returncode == 0, (passing, done.stdout, done.stderr)
