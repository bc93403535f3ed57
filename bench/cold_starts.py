"""How long the whole cold command takes to run /bin/true in an image, beside `podman run` and `docker run`, in turns.

    python bench/cold_starts.py [--starts N] [--pause SECONDS] [--seatrial PATH] [--json]

Each is started by posix_spawn from this same process, and measured until it has ended. All have the same image of one
static program in a store of their own, which has been used before; ours runs it on the reference with everything on:
namespaces, limits, filter, masked paths, an overlay, evidence. A peer runs in the fastest way that works:

* both: no network but loopback, which ours has too, no log of what is written, no look for a newer image;
* both: crun where it starts anything, else runc, which is slower. On a machine with both versions of control groups
  Debian's crun starts nothing: root hides the second one from itself and podman;
* podman: no events, control groups by cgroupfs (no systemd is asked). Where root may raise no limit, it takes
  `--ulimit nofile=1024:1024 --ulimit nproc=1000:1000`; a plain user's has no control groups on such a machine;
* docker: a dockerd of its own, which runs already and is not counted. A plain user has none.

Needs what the tests need, and Debian's podman, docker.io, crun, runc and busybox-static. For a plain user, as root,

    unshare -m sh -c 'umount /sys/fs/cgroup/unified; mount -t tmpfs hidden /sys/fs/cgroup/unified;
        exec runuser -u NAME -- env HOME=/home/NAME python bench/cold_starts.py'

Exits 1 if the bar is not met: at most 0.7 of the faster peer, by the upper end of the interval.
"""

import argparse
import contextlib
import gc
import json
import os
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).parents[1] / "tests" / each) for each in ("conformance", "simulators")]

from busybox_image import lay_layout, write_archive
from engines import DEBIAN_PATH, podman_options, started_dockerd
from ratio import percentile, ratio_of_medians
from starts import hide_second_version

from pipeline.build.unpacked import trees_of

MOST = 0.7
IMAGE = "busybox:bench"
PROGRAM = "/bin/true"
Peer = Callable[[Path], AbstractContextManager[list[str]]]
RUNTIMES = [each for each in ("crun", "runc") if shutil.which(each, path=DEBIAN_PATH)]
"""What both engines may start containers with, the fastest first."""

_SAME = ("--rm", "--network=none", "--pull=never", "--log-driver=none")
_LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")


def main() -> None:
    """Measure, print the table, and judge it."""
    wishes = read_arguments()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seatrial-cold-")))
        write_archive(folder / "image.tar", IMAGE)
        ways = {"seatrial": stack.enter_context(ours(folder, wishes.seatrial))}
        for name, peer in peers().items():
            ways[name] = stack.enter_context(peer(folder))
        if len(ways) == 1:
            sys.exit("there is no peer: install podman and docker.io")
        for command in ways.values():
            for _ in range(3):
                spawn(command, environment(folder))
        found = judge(measure(ways, environment(folder), wishes))
        found["how"] = {name: each for name, command in ways.items() for each in command if "runtime=" in each}
    print(json.dumps(found, indent=2) if wishes.json else text_of(found))
    sys.exit(0 if found["met"] else 1)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=200, help="of each, in turns")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds before each start")
    parser.add_argument("--seatrial", default=str(Path(sys.executable).parent / "seatrial"), metavar="PATH")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def peers() -> dict[str, Peer]:
    """Return what gives the command of each peer that is here; Docker first, whose daemon sees all control groups."""
    found = {"docker": docker, "podman": podman} if os.geteuid() == 0 else {"podman": podman}
    return {name: peer for name, peer in found.items() if shutil.which(name, path=DEBIAN_PATH)}


def environment(folder: Path) -> dict[str, str]:
    """Return what all are started with."""
    home = pwd.getpwuid(os.geteuid()).pw_dir
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return {"PATH": DEBIAN_PATH, "HOME": home, "XDG_RUNTIME_DIR": str(runtime)}


@contextlib.contextmanager
def ours(folder: Path, program: str) -> Iterator[list[str]]:
    """Give our own command; its store is removed by who may."""
    lay_layout(folder / "layout")
    store = folder / "store"
    yield [program, "run", "--store", str(store), "--host", "reference", f"oci:{folder}/layout", "--", PROGRAM]
    for each in (store / "trees").iterdir():
        trees_of(store).remove(each)


@contextlib.contextmanager
def podman(folder: Path) -> Iterator[list[str]]:
    """Give Podman's command, with a store of its own that has the image."""
    if os.geteuid() == 0:
        hide_second_version()
    place = folder / "podman"
    place.mkdir()
    ours = ("--events-backend", "--runtime")
    options = [each for each in podman_options(place) if not each.startswith(ours)]
    command = [str(shutil.which("podman", path=DEBIAN_PATH)), *options, "--events-backend=none"]
    call([*command, "load", "--input", str(folder / "image.tar")], folder)
    try:
        wanted = ("run", *_SAME, *_LIMITS, IMAGE, PROGRAM)
        yield first_that_works([[*command, f"--runtime={each}", *wanted] for each in RUNTIMES], folder)
    finally:
        call([*command, "system", "reset", "--force"], folder)


@contextlib.contextmanager
def docker(folder: Path) -> Iterator[list[str]]:
    """Give Docker's command, for a daemon of its own that has the image."""
    places = {each: {"path": shutil.which(each, path=DEBIAN_PATH)} for each in RUNTIMES if each != "runc"}
    with started_dockerd({"runtimes": places}) as address:
        command = [str(shutil.which("docker", path=DEBIAN_PATH)), "--host", address]
        call([*command, "load", "--input", str(folder / "image.tar")], folder)
        wanted = (*_SAME, IMAGE, PROGRAM)
        yield first_that_works([[*command, "run", f"--runtime={each}", *wanted] for each in RUNTIMES], folder)


def first_that_works(commands: Sequence[list[str]], folder: Path) -> list[str]:
    """Return the first command that succeeds."""
    for command in commands[:-1]:
        done = subprocess.run(command, env=environment(folder), capture_output=True, check=False)
        if done.returncode == 0:
            return command
    return commands[-1]


def call(command: Sequence[str], folder: Path) -> None:
    """Run a command that is not measured; it must succeed."""
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")


def measure(
    ways: Mapping[str, Sequence[str]], variables: Mapping[str, str], wishes: argparse.Namespace
) -> dict[str, list[float]]:
    """Return milliseconds of each way: one start of each a turn."""
    gc.freeze()
    series: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(wishes.starts):
        for name, command in ways.items():
            time.sleep(wishes.pause)
            series[name].append(spawn(command, variables))
    return series


def spawn(command: Sequence[str], variables: Mapping[str, str]) -> float:
    """Start a program and wait for it; it must succeed. Return the milliseconds that it took."""
    begin = time.perf_counter()
    pid = os.posix_spawn(command[0], command, variables)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    took = (time.perf_counter() - begin) * 1e3
    if status:
        sys.exit(f"{' '.join(command)} ended with {status}")
    return took


def judge(series: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return all figures, and whether the bar is met."""
    own = series["seatrial"]
    ratios = {name: ratio_of_medians(own, each) for name, each in series.items() if name != "seatrial"}
    faster = min(ratios, key=lambda name: statistics.median(series[name]))
    return {
        "who": pwd.getpwuid(os.geteuid()).pw_name,
        "load": round(os.getloadavg()[0], 1),
        "starts": len(own),
        "milliseconds": {name: summary(each) for name, each in series.items()},
        "ratios": {
            name: [round(each.value, 3), round(each.low, 3), round(each.high, 3)] for name, each in ratios.items()
        },
        "faster": faster,
        "met": ratios[faster].high <= MOST,
    }


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return what a series is told by, in milliseconds."""
    return {
        "least": round(min(values), 1),
        "median": round(statistics.median(values), 1),
        "p95": round(percentile(values, 0.95), 1),
    }


def text_of(found: Mapping[str, Any]) -> str:
    """Return the table."""
    lines = [
        f"{found['starts']} cold starts of {PROGRAM} each, in turns, as {found['who']}, at load {found['load']}",
        "",
        f"{'ms':10}{'least':>9}{'median':>9}{'p95':>9}   ours, of it (95 %)",
    ]
    for name, each in found["milliseconds"].items():
        ratio = found["ratios"].get(name)
        compared = f"   {ratio[0]:.2f} ({ratio[1]:.2f}-{ratio[2]:.2f})" if ratio else ""
        how = found["how"].get(name, "")
        lines.append(f"{name:10}{each['least']:9.1f}{each['median']:9.1f}{each['p95']:9.1f}{compared:24}{how}".rstrip())
    figure, verdict = found["ratios"][found["faster"]][2], "met" if found["met"] else "NOT met"
    lines += ["", f"of the faster, {found['faster']}: {figure:.2f}, at most {MOST:.2f}: {verdict}"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
