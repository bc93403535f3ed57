"""The embedded target: containers that are kept running, exchanged without a lost request, and leave no orphans."""

import os
import signal
import time
from pathlib import Path

import pytest

from pipeline.declare.errors import TargetError
from pipeline.release.load import under_load
from pipeline.release.targets.supervisor.control import NUMBER, connect
from pipeline.release.targets.supervisor.task import Task
from pipeline.release.targets.target import ReplicaState

VALUE = "hunter2-hunter2"
SAY = "import os, sys; print('token', os.environ['API_TOKEN'], flush=True); sys.stderr.write(os.environ['API_TOKEN'])"

pytestmark = pytest.mark.network


def accept(_):
    pass


def pids_of(deployment):
    """Return the pid of each container's process 1, as the log says, the newest last."""
    return [int(line.rpartition(" ")[2]) for line in deployment.log.splitlines() if ", pid " in line]


def wait_until(condition, seconds=60.0):
    due = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < due, "it did not come"
        time.sleep(0.05)


def supervisor_of(deployment):
    """Return the pid of the supervisor: the one that has its folder in its arguments."""
    wanted = str(deployment.folder.resolve()).encode()
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            try:
                words = (each / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in words:
                return int(each.name)
    return 0


@pytest.mark.bar("6 deployments")
def test_replacing_containers_under_requests_loses_none(deployment):
    deployment.run(replicas=2)
    with under_load(deployment.port, "/healthz", senders=2) as load:
        time.sleep(0.3)
        for number in (2, 3):
            new = deployment.run(number, replicas=2, env={"LEVEL": str(number)})
        time.sleep(0.3)
    assert not load.failures
    assert load.answered > 50
    assert [each.number for each in new] == [3, 3]
    assert {each.state for each in new} == {ReplicaState.RUNNING}


def test_container_that_is_killed_is_started_again_and_no_request_is_lost_meanwhile(deployment):
    deployment.run(replicas=2)
    first = pids_of(deployment)[0]
    with under_load(deployment.port, "/healthz", senders=1) as load:
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(pids_of(deployment)) == 3)
        wait_until(lambda: {each.state for each in deployment.observed()} == {ReplicaState.RUNNING})
    # What was on its way to the container that was killed is lost with it; nothing else is.
    assert len(load.failures) <= 1
    assert "ended" in deployment.log


@pytest.mark.slow
def test_connection_waits_for_the_only_container_while_it_is_started_again(deployment):
    deployment.run()
    os.kill(pids_of(deployment)[0], signal.SIGKILL)
    wait_until(lambda: "started again" in deployment.log)
    assert deployment.ask()[0] == 200
    wait_until(lambda: deployment.observed()[0].state is ReplicaState.RUNNING)


@pytest.mark.slow
def test_containers_are_started_again_where_the_process_that_starts_them_is_killed(deployment):
    deployment.run()
    threads = Path(f"/proc/{supervisor_of(deployment)}/task").iterdir()
    children = [child for each in threads for child in (each / "children").read_text().split()]
    (warm,) = [each for each in children if "zygote" in Path(f"/proc/{each}/cmdline").read_text()]
    os.kill(int(warm), signal.SIGKILL)
    wait_until(lambda: len(pids_of(deployment)) == 2)
    wait_until(lambda: deployment.observed()[0].state is ReplicaState.RUNNING)
    assert deployment.ask()[0] == 200


def test_killed_supervisor_leaves_no_container_and_the_next_deployment_starts_again(deployment):
    deployment.run(replicas=2)
    pids = pids_of(deployment)
    os.kill(supervisor_of(deployment), signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    assert deployment.observed() == ()
    deployment.run(2, replicas=1)
    assert deployment.ask()[0] == 200


def test_containers_have_variables_secrets_and_volumes_and_the_log_hides_secrets(deployment):
    volumes = [{"name": "data", "to": "/data"}]
    wanted = deployment.wanted(env={"LEVEL": "info"}, volumes=volumes)
    once = deployment.target.run_once(wanted, ("python3", "-c", SAY), milliseconds=60_000)
    assert once.exit == 0
    assert "token ****" in once.output  # its two streams come in any order
    assert VALUE not in once.output
    write = "import os; open('/data/kept', 'w').write(os.environ['LEVEL']); print(os.getuid())"
    assert deployment.target.run_once(wanted, ("python3", "-c", write), milliseconds=60_000).exit == 0
    (replica,) = deployment.target.replace(wanted, accept)
    shown = deployment.target.run_once(wanted, ("cat", "/data/kept"), milliseconds=60_000, beside=replica)
    assert (shown.exit, shown.output) == (0, "info")
    said = deployment.target.run_once(wanted, ("python3", "-c", SAY), milliseconds=60_000, beside=replica)
    assert VALUE not in said.output
    facts = replica.facts
    assert facts["environment"]["API_TOKEN"] is None
    assert facts["files"] is None
    assert facts["capabilities"]["held"] == []
    assert any(each.startswith("/data ") for each in facts["mounts"])
    deployment.target.remove("web", "dev")
    assert (deployment.store / "volumes" / "web" / "dev" / "data").is_dir()
    for each in deployment.folder.iterdir():
        assert not each.is_file() or VALUE not in each.read_text()


@pytest.mark.slow
def test_smoke_command_reaches_the_container_that_it_is_beside(deployment):
    def check(replicas):
        for each in replicas:
            argv = ("python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz')")
            once = deployment.target.run_once(deployment.wanted(), argv, milliseconds=60_000, beside=each)
            assert once.exit == 0, once.output

    assert len(deployment.target.replace(deployment.wanted(replicas=2), check)) == 2


def test_scaling_up_and_down_leaves_those_that_stay_alone(deployment):
    (first,) = deployment.run(replicas=1)
    kept = pids_of(deployment)
    with under_load(deployment.port, "/healthz", senders=2) as load:
        three = deployment.target.scale(deployment.wanted(replicas=3), accept)
        one = deployment.target.scale(deployment.wanted(replicas=1), accept)
    assert not load.failures
    assert first.id in {each.id for each in three}
    assert len(three) == 3
    assert [each.id for each in one] == [first.id]
    assert Path(f"/proc/{kept[0]}").exists()


def test_containers_that_wait_for_traffic_end_with_who_asked_for_them(deployment):
    (old,) = deployment.run()
    task = Task.of(deployment.wanted(2, replicas=2)).to_json()
    with connect(deployment.folder) as supervisor:
        ready = supervisor.ask(do="replace", task=task, secrets={"API_TOKEN": VALUE})["ready"]
        assert len(ready) == 2
    new = pids_of(deployment)[-2:]
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in new))
    assert [each.id for each in deployment.observed()] == [old.id]
    assert deployment.ask()[0] == 200


@pytest.mark.slow
def test_older_promotion_is_refused_by_the_target(deployment):
    deployment.run(7)
    with pytest.raises(TargetError, match="promotion 6 is older than 7"):
        deployment.run(6)
    assert deployment.observed()[0].number == 7


@pytest.mark.slow
def test_container_that_is_not_ready_in_time_is_ended_and_the_old_one_goes_on(deployment):
    deployment.run()
    before = pids_of(deployment)[-1]
    health = {"http": "/no-such-page", "port": 8000, "within": "1s"}
    with pytest.raises(TargetError, match="not ready within 1 s"):
        deployment.run(2, health=health)
    assert deployment.ask()[0] == 200
    assert Path(f"/proc/{before}").exists()
    assert [each.number for each in deployment.observed()] == [1]


@pytest.mark.slow
def test_port_that_somebody_else_has_is_an_error_and_the_old_containers_go_on(deployment):
    import socket  # noqa: PLC0415

    deployment.run()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(TargetError, match="cannot be had"):
            deployment.run(2, port=taken.getsockname()[1])
    assert deployment.ask()[0] == 200


def test_number_that_cannot_be_written_is_an_error_and_the_old_containers_alone_go_on(deployment, free_port):
    (old,) = deployment.run()
    number = deployment.folder / NUMBER

    def breaks(_):
        number.unlink()
        number.mkdir()

    with pytest.raises(TargetError, match="the supervisor could not do it"):
        deployment.target.replace(deployment.wanted(2, port=free_port), breaks)
    number.rmdir()
    new = pids_of(deployment)[-1]
    wait_until(lambda: not Path(f"/proc/{new}").exists())
    assert [each.id for each in deployment.observed()] == [old.id]
    assert deployment.ask()[0] == 200
