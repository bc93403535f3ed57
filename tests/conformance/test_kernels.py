"""Other kernels, in virtual machines: what they must do alike, and that a machine ends with whoever has started it."""

# ruff: noqa: PTH102, PTH208

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crafted import fresh_folder, plan_of, remove_all

from pipeline.build.kernels import kernels_of
from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.mapped import run_mapped
from runtime.backends.qemu.backend import QemuBackend
from runtime.errors import BackendError
from runtime.factors import FACTORS
from runtime.outcome import Limit

pytestmark = pytest.mark.bar("kernels")

OTHERS = ("5.10", "6.12")
KERNELS = [pytest.param("6.1"), *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)]


def lay_upper(folder: int) -> None:
    """Hide a file, and all that was in a folder; add to another folder."""
    os.fchdir(folder)
    os.umask(0)
    os.mkdir("etc", 0o755)
    os.mknod("etc/passwd", 0o020000, 0)
    os.mkdir("home", 0o755)
    os.setxattr("home", "user.overlay.opaque", b"y")
    os.mkdir("home/new", 0o700)
    os.chown("home/new", 1000, 1000)
    os.mkdir("app", 0o755)
    Path("app/hello").write_text("hello\n")
    os.link("app/hello", "app/again")


@pytest.fixture(scope="session")
def upper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    tree = fresh_folder(tmp_path_factory.mktemp("upper") / "layer")
    run_mapped(lay_upper, directories=(tree,))
    yield tree
    run_mapped(remove_all, directories=(tree,))


@pytest.fixture(scope="session")
def machines(layer: Path, upper: Path, store: Path) -> Iterator[Callable[[str], QemuBackend]]:
    made: dict[str, QemuBackend] = {}

    def get(level: str) -> QemuBackend:
        if level not in made:
            made[level] = QemuBackend(lambda _: (layer, upper), kernels_of(store), level)
        missing = made[level].available()
        if missing:
            pytest.skip(f"qemu: {missing.reason}")
        return made[level]

    yield get
    for each in made.values():
        each.close()


@pytest.fixture(params=KERNELS)
def machine(request, machines):
    """The machine with a kernel, and what runs a line of shell in it."""
    backend = machines(request.param)

    def sh(line: str, **host: str) -> str:
        plan = plan_of("sh", "-c", line, host={"kernel": request.param, **host})
        with backend.start(plan) as running:
            outcome = running.wait()
        assert outcome.exit_code == 0, outcome
        return outcome.stdout.content.decode()

    return request.param, backend, sh


def test_every_level_is_proven_on_the_kernel_that_was_asked_for(machine, capsys):
    level, backend, _ = machine
    began = time.monotonic()
    with backend.start(plan_of("true", host={"kernel": level})) as running:
        outcome = running.wait()
    with capsys.disabled():
        print(f"\nLinux {level}, {outcome.ambient['accelerator']}: {time.monotonic() - began:.1f} s to the result")
    assert {name: each.found for name, each in outcome.evidence.items() if not each.holds} == {}
    assert outcome.evidence.keys() == {each.name for each in FACTORS}
    assert outcome.evidence["kernel"].found.startswith(f"{level}.")
    assert outcome.ambient["kernel"] == outcome.evidence["kernel"].found == backend.ambient["kernel"]


def test_limits_are_those_of_control_groups_v2(machine):
    level, backend, _ = machine
    line = "a=x; while :; do a=$a$a; done"
    plan = plan_of("bash", "-c", line, host={"kernel": level, "memory": "64M"}, deadline=60_000)
    with backend.start(plan) as running:
        outcome = running.wait()
    assert outcome.ambient["cgroup"] == "v2"
    assert outcome.limit is Limit.OOM
    assert outcome.evidence["memory"].holds


LISTING = "stat -c '%n %F %u %g %a %h' / /app/* /home /home/* /etc; cat /app/again; ls /etc /home; test -e /etc/passwd"


def test_stacked_layers_look_as_on_this_machine(machine, layer, upper):
    _, _, sh = machine
    line = f"{LISTING} || echo hidden"
    with (
        NativeBackend(lambda _: (layer, upper)) as native,
        native.start(plan_of("sh", "-c", line, host={"hostname": "seatrial"})) as running,
    ):
        here = running.wait().stdout.content.decode()
    assert "hidden" in here
    assert sh(line) == here


def test_replaced_folder_is_empty(machine):
    _, _, sh = machine
    assert sh("rm -r /app; mkdir /app; ls -A /app; rm -r /home; mkdir -p /home/x; ls /home", user="root") == "x\n"


def test_file_has_the_device_of_its_folder(machine):
    _, _, sh = machine
    devices = sh("stat -c %d / /app /app/hello /bin/env; echo x > ~/new; stat -c %d ~ ~/new").split()
    assert len(set(devices)) == 1, devices


CLIENT = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from crafted import plan_of
from pipeline.build.kernels import kernels_of
from runtime.backends.qemu.backend import QemuBackend
backend = QemuBackend(lambda _: (Path({layer!r}),), kernels_of(Path({store!r})), "6.1")
running = backend.start(plan_of("sleep", "600", host={{"kernel": "6.1"}}))
print(*(each.pid for each in backend._machines.values()), flush=True)
running.wait()
"""


@pytest.mark.slow
def test_killed_client_takes_its_machine_with_it(machines, layer, store):
    machines("6.1")  # skips where there is none
    home = Path(__file__).parents[2]
    paths = [str(home), str(Path(__file__).parent)]
    script = CLIENT.format(paths=paths, layer=str(layer), store=str(store))
    client = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(client.stdout.readline())
    assert Path(f"/proc/{pid}/exe").readlink().name.startswith("qemu-system")
    client.send_signal(signal.SIGKILL)
    client.wait()
    client.stdout.close()
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_killed_machine_loses_its_run_with_a_reason_and_the_next_one_boots_again(machine):
    level, backend, sh = machine
    with backend.start(plan_of("sleep", "600", host={"kernel": level})) as running:
        (one,) = backend._machines.values()
        os.kill(one.pid, signal.SIGKILL)
        with pytest.raises(BackendError, match="its virtual machine has ended"):
            running.wait()
    assert sh("echo again") == "again\n"


@pytest.mark.slow
def test_backend_that_is_closed_while_a_machine_boots_waits_for_none(layer, store, machines):
    machines("6.1")
    backend = QemuBackend(lambda _: (layer,), kernels_of(store), "6.1")
    found = []

    def start() -> None:
        try:
            backend.start(plan_of("true", host={"kernel": "6.1"}))
        except BackendError as error:
            found.append(error.message)

    booting = threading.Thread(target=start)
    booting.start()
    time.sleep(2)
    began = time.monotonic()
    backend.close()
    booting.join()
    assert time.monotonic() - began < 3
    assert found == ["the backend is closed"]


@pytest.mark.slow
def test_closed_backend_leaves_no_machine_and_no_descriptor(layer, store, machines):
    machines("6.1")
    before = len(os.listdir("/proc/self/fd"))
    with QemuBackend(lambda _: (layer,), kernels_of(store), "6.1") as backend:
        running = backend.start(plan_of("sleep", "600", host={"kernel": "6.1"}))
        pids = [each.pid for each in backend._machines.values()]
    assert not any(Path(f"/proc/{each}").exists() for each in pids)
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(BackendError):
        running.wait()
    with pytest.raises(BackendError, match="closed"):
        backend.start(plan_of("true", host={"kernel": "6.1"}))
