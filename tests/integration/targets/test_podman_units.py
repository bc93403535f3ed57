"""Podman with systemd: units that systemd finds sound, and containers that are started and stopped by them alone."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from engines import podman_options, program_of
from worlds import WORLDS

from pipeline.declare.stage_file import DeployPart
from pipeline.release.targets.podman import PodmanTarget, Systemd, find_systemd
from pipeline.release.targets.podman_unit import USERS_TARGET, unit_file
from pipeline.release.targets.target import ReplicaState

SYSTEMCTL = Path(__file__).parents[2] / "simulators" / "simulated_systemctl.py"


def fails(_):
    raise LookupError("the smoke suite fails")


@pytest.mark.parametrize(("manager", "wanted_by"), [("--system", "multi-user.target"), ("--user", USERS_TARGET)])
def test_unit_is_sound_for_systemd(tmp_path, manager, wanted_by):
    program = program_of("systemd-analyze")
    wanted = _Wanted()
    path = tmp_path / "seatrial-web.service"
    podman = ("/bin/true", "--root=/a place/50%", "--x=$y")
    command = [program, manager, "verify", "--man=no", path]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    path.write_text(unit_file(wanted, 1, "web.prod.5.aa.1", podman, wanted_by))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if path.name in line]) == (0, [])
    path.write_text(path.read_text().replace("Type=exec", "Type=nonsense"))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert path.name in done.stderr


class _Wanted:
    app, stage, number = "web", "prod", 5
    deploy = DeployPart()


def test_systemd_that_does_not_run_is_not_used(tmp_path):
    assert find_systemd({}, booted=tmp_path / "nowhere") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="needs a plain user")
def test_manager_of_a_user_without_a_session_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    for each in ("podman", "systemctl"):
        (tmp_path / "bin" / each).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / each).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    assert find_systemd(environment, booted=tmp_path) is None
    (tmp_path / "systemd").mkdir()
    with socket.socket(socket.AF_UNIX) as manager:
        manager.bind(str(tmp_path / "systemd" / "private"))
        found = find_systemd(environment, booted=tmp_path)
    assert (found.folder, found.wanted_by) == (tmp_path / ".config/systemd/user", USERS_TARGET)


@pytest.fixture
def world(own_network, layout, images, tmp_path_factory):
    folder, units = tmp_path_factory.mktemp("podman"), tmp_path_factory.mktemp("units")
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(WORLDS["podman"](folder, layout, images))
        place = Path(found.address.removeprefix("unix://")).parent
        podman = (program_of("podman"), *podman_options(place))
        command = (sys.executable, str(SYSTEMCTL), str(units))
        systemd = Systemd(folder=units, command=command, wanted_by="default.target", podman=podman)
        found.target, found.units = PodmanTarget(systemd, found.address), units
        yield found
        found.clean()


@pytest.mark.slow
@pytest.mark.bar("2 units of podman")
def test_units_start_and_stop_the_containers(world):
    (old,) = world.deploy(world.wanted("one"))
    assert [each.name for each in world.units.glob("*.service")] == [f"seatrial-{old.id}.service"]
    assert old.state is ReplicaState.RUNNING
    assert old.facts["restarted-by"] == "no"
    with pytest.raises(LookupError):
        world.deploy(world.wanted("two"), fails)
    assert world.observe() == (old,)
    (new,) = world.deploy(world.wanted("two"))
    assert [each.name for each in world.units.glob("*.service")] == [f"seatrial-{new.id}.service"]
    world.target.remove(world.app, "prod")
    assert list(world.units.glob("*.service")) == []
    assert world.observe() == ()
