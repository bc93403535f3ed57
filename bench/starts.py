"""How long a start of /bin/true takes, beside crun, runc and bubblewrap, with everything on: one run, in turns.

    python bench/starts.py [--starts N] [--pause SECONDS] [--many N] [--json]

Ours is measured from the request to the warm process until the outcome is known and all is cleaned up; a peer from
posix_spawn, by this same process, until it has ended. "ours" is one plan that is run again and again, so that its
sandbox is ready when the order comes; "ours anew" is another plan each time, for which only the beginning is ready.
All get the same tree of one static program and the same filter of system calls; crun and runc get the same namespaces
and limits as well, but their tree is not stacked, and bubblewrap has neither limits nor masked paths. On a machine with
both versions of control groups crun 1.8 starts nothing: root hides the second one from itself and all peers, and for a
plain user it takes

    unshare -m sh -c 'umount /sys/fs/cgroup/unified; exec runuser -u NAME -- python bench/starts.py'

``--pause`` is what lies before each start, ours or a peer's: after a start of ours the warm process makes the next
sandbox ahead, which would disturb whoever comes next. ``--many`` then makes so many starts on two threads, back to
back, where nothing can be made ahead of time for nothing. Exits 1 if a bar is not met.
"""

import argparse
import gc
import itertools
import json
import os
import pwd
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ratio import Ratio, percentile, ratio_of_medians

from runtime.backends.native import mounts, processes
from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.idmap import BASE
from runtime.backends.native.mapped import run_mapped
from runtime.backends.native.seccomp import compile_filter
from runtime.backends.native.steps.kernel_files import MASKED, READ_ONLY
from runtime.backends.native.syscalls import MACHINE, call
from runtime.backends.oci.profile import seccomp_of
from runtime.digest import Digest
from runtime.host import Host
from runtime.plan import MIB, Plan, User

MOST_OF_CRUN = 0.6
MOST_OF_BWRAP = 1.0
MOST_SPREAD = 3.0
MOST_GROWTH = 1.1

_SECOND = "/sys/fs/cgroup/unified"
_BUSYBOX = "/bin/busybox"
_BALLAST = 500 * MIB
_MEMORY, _PROCESSES = 512 * MIB, 512

Start = Callable[[], None]


def main() -> None:
    """Measure, print the table, and judge it."""
    wishes = read_arguments()
    if os.geteuid() == 0:
        hide_second_version()
    with tempfile.TemporaryDirectory(prefix="seatrial-starts-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        layer, tree = lay_trees(folder)
        try:
            with NativeBackend(lambda _: (layer,)) as backend, NativeBackend(lambda _: (layer,)) as other:
                found = measure_all(backend, other, folder, tree, wishes)
        finally:
            run_mapped(empty, directories=(layer,))
    print(json.dumps(found, indent=2) if wishes.json else text_of(found))
    sys.exit(not all(each["met"] for each in found["bars"]))


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=200, help="of each, in turns")
    parser.add_argument("--many", type=int, default=1000, help="starts on two threads, back to back; 0 for none")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds before each start")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measure_all(
    backend: NativeBackend, other: NativeBackend, folder: Path, tree: Path, wishes: argparse.Namespace
) -> dict[str, Any]:
    """Return all figures: milliseconds of each way, ratios, growth, and the bars."""
    plan = plan_of_true()
    words = map(str, itertools.count())
    ways: dict[str, Start] = {
        "ours": lambda: start_ours(backend, plan),
        "ours anew": lambda: start_ours(other, replace(plan, argv=(*plan.argv, next(words)))),
        **peers(folder, tree),
    }
    for start in ways.values():
        for _ in range(3):
            start()
    series = measure(ways, wishes.starts, wishes.pause)
    grown = measure_grown(ways["ours"], wishes.starts, wishes.pause)
    many = {name: at_once(start, wishes.many) for name, start in ways.items()} if wishes.many else {}
    ratios = {name: ratio_of_medians(series["ours"], each) for name, each in series.items() if name != "ours"}
    ours = series["ours"]
    spread = percentile(ours, 0.95) / statistics.median(ours)
    bars = [
        *(bar(f"of {name}", ratios[name].high, most) for name, most in limits_of(ratios)),
        bar("95th percentile, of the median", spread, MOST_SPREAD),
        bar("with 500 MB beside it", grown.high, MOST_GROWTH),
    ]
    return {
        "who": pwd.getpwuid(os.geteuid()).pw_name,
        "load": round(os.getloadavg()[0], 1),
        "starts": wishes.starts,
        "pause": wishes.pause,
        "milliseconds": {name: summary(each) for name, each in series.items()},
        "ratios": {
            name: [round(each.value, 3), round(each.low, 3), round(each.high, 3)] for name, each in ratios.items()
        },
        "grown": [round(grown.value, 3), round(grown.low, 3), round(grown.high, 3)],
        "many": {"starts": wishes.many, "seconds": many},
        "bars": bars,
    }


def measure(ways: Mapping[str, Start], turns: int, pause: float) -> dict[str, list[float]]:
    """Return milliseconds of each way: one start of each a turn."""
    series: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, start in ways.items():
            time.sleep(pause)
            series[name].append(timed(start))
    return series


def measure_grown(start: Start, turns: int, pause: float) -> Ratio:
    """Return the ratio of starts from a process with 500 MB to starts without, in blocks of ten that take turns."""
    plain, grown = [], []
    for _ in range(max(1, turns // 10)):
        for series, size in ((plain, 0), (grown, _BALLAST)):
            ballast = bytearray(size)
            ballast[::4096] = b"x" * len(ballast[::4096])
            for _ in range(10):
                time.sleep(pause)
                series.append(timed(start))
            del ballast
    return ratio_of_medians(grown, plain)


def timed(start: Start) -> float:
    """Return the milliseconds that a start takes."""
    begin = time.perf_counter()
    start()
    return (time.perf_counter() - begin) * 1e3


def at_once(start: Start, count: int) -> float:
    """Return the seconds that so many starts take on two threads."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(start) for _ in range(count)]:
            each.result()
    return round(time.perf_counter() - begin, 2)


def start_ours(backend: NativeBackend, plan: Plan) -> None:
    """Start a run and wait until nothing of it is left."""
    with backend.start(plan, evidence=False) as running:
        outcome = running.wait()
    if outcome.exit_code != 0:
        raise RuntimeError(f"our own start ended with {outcome}")


def plan_of_true() -> Plan:
    """Return the plan: the reference host, with limits."""
    plan = Plan(
        image=Digest.of(b"one static program"),
        suite=None,
        argv=("/bin/true",),
        workdir="/",
        environment={"PATH": "/bin"},
        user=User(uid=0, gid=0, home="/root"),
        capabilities=(),
    )
    cpus = min(2, len(os.sched_getaffinity(0)))
    applied = Host(name="starts", factors={"cpus": str(cpus), "user": "root"}).apply(plan)
    return replace(applied, limits=replace(applied.limits, memory=_MEMORY, processes=_PROCESSES))


def peers(folder: Path, tree: Path) -> dict[str, Start]:
    """Return the peers that are installed, as functions that start one and wait for it."""
    filter_file = folder / "filter"
    filter_file.write_bytes(compile_filter("default", (), MACHINE))
    found: dict[str, Start] = {}
    for name in ("crun", "runc"):
        path = shutil.which(name)
        if path:
            bundle = lay_bundle(folder / name, tree, path)
            state = str(folder / f"{name}-state")
            numbers = iter(range(1 << 30))
            found[name] = lambda path=path, bundle=bundle, state=state, numbers=numbers: spawn(
                [path, "--root", state, "run", "--bundle", bundle, f"starts-{os.getpid()}-{next(numbers)}"]
            )
    bwrap = shutil.which("bwrap")
    if bwrap:
        options = "--unshare-all --new-session --die-with-parent --cap-drop ALL --proc /proc --dev /dev --seccomp 9"
        argv = [bwrap, "--bind", str(tree), "/", *options.split(), "--tmpfs", "/tmp", "--", "/bin/true"]  # noqa: S108
        found["bwrap"] = lambda: spawn(argv, (os.POSIX_SPAWN_OPEN, 9, str(filter_file), os.O_RDONLY, 0))
    return found


def spawn(argv: Sequence[str], *actions: tuple[object, ...]) -> None:
    """Start a program and wait for it; it must succeed."""
    pid = os.posix_spawn(argv[0], argv, {"PATH": os.defpath, "XDG_RUNTIME_DIR": "/tmp"}, file_actions=actions)  # noqa: S108
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise RuntimeError(f"{' '.join(argv)} ended with {status}")


def lay_bundle(bundle: Path, tree: Path, program: str) -> str:
    """Write a bundle with the same namespaces, masks, filter and, for root, limits; return its folder."""
    bundle.mkdir()
    rootless = ["--rootless"] if os.geteuid() else []
    os.waitpid(os.posix_spawn(program, [program, "spec", "--bundle", str(bundle), *rootless], dict(os.environ)), 0)
    file = bundle / "config.json"
    made = json.loads(file.read_text())
    made["process"] |= {"terminal": False, "args": ["/bin/true"], "noNewPrivileges": True}
    made["process"]["capabilities"] = {name: [] for name in made["process"]["capabilities"]}
    made["process"].pop("rlimits", None)  # the hard one may not be raised everywhere
    made["root"] = {"path": str(tree), "readonly": False}
    # Control groups are not mounted inside by us either.
    made["mounts"] = [
        each for each in made["mounts"] if each["type"] != "cgroup" and each["destination"] != "/sys/fs/cgroup"
    ]
    linux = made["linux"]
    linux |= {"maskedPaths": list(MASKED), "readonlyPaths": list(READ_ONLY)}
    linux["seccomp"] = seccomp_of(plan_of_true(), MACHINE)
    linux["namespaces"] = [{"type": name} for name in ("pid", "network", "ipc", "uts", "mount", "cgroup", "user")]
    if not rootless:
        linux["resources"] = {"memory": {"limit": _MEMORY}, "pids": {"limit": _PROCESSES}}
        linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": BASE, "size": 65536}]
    else:
        linux.pop("resources", None)
    file.write_text(json.dumps(made))
    return str(bundle)


def lay_trees(folder: Path) -> tuple[Path, Path]:
    """Make the tree twice: a layer with the owners of a run, and one with those that the peers map."""
    layer, tree = folder / "layer", folder / "tree"
    layer.mkdir()
    if os.geteuid() == 0:
        os.chown(layer, BASE, BASE)
    program = Path(_BUSYBOX).read_bytes()
    run_mapped(lambda descriptor: lay(descriptor, program), directories=(layer,))
    tree.mkdir()
    here = os.open(".", os.O_RDONLY)
    there = os.open(tree, os.O_RDONLY)
    lay(there, program)
    os.fchdir(here)
    if os.geteuid() == 0:
        for each in (tree, *tree.rglob("*")):
            os.lchown(each, BASE, BASE)
    return layer, tree


def lay(folder: int, program: bytes) -> None:
    """Fill a tree: a static program, and the folders that mounts need."""
    os.fchdir(folder)
    for name in ("bin", "proc", "sys", "dev", "tmp", "root"):
        Path(name).mkdir(mode=0o755)
    Path("bin/true").write_bytes(program)
    Path("bin/true").chmod(0o755)


def empty(folder: int) -> None:
    """Remove all in a folder."""
    os.fchdir(folder)
    for each in Path().iterdir():
        shutil.rmtree(each)


def hide_second_version() -> None:
    """Unmount the second version of control groups for this process, where the first is there, too.

    A tmpfs takes its place: what runtimes write there instead ends with this process.
    """
    processes.unshare(processes.CLONE_NEWNS)
    mounts.mount(None, "/", None, mounts.MS_REC | mounts.MS_PRIVATE)
    with suppress(OSError):
        call("umount2", _SECOND.encode(), mounts.MNT_DETACH)
        mounts.mount("tmpfs", _SECOND, "tmpfs")


def limits_of(ratios: Mapping[str, object]) -> list[tuple[str, float]]:
    """Return the bars that can be judged here."""
    return [(name, most) for name, most in (("crun", MOST_OF_CRUN), ("bwrap", MOST_OF_BWRAP)) if name in ratios]


def bar(name: str, figure: float, most: float) -> dict[str, Any]:
    """Return one bar: its figure, what it may be, and whether it is met."""
    return {"name": name, "figure": round(figure, 3), "most": most, "met": figure <= most}


def rounded(ratio: Ratio) -> list[float]:
    """Return a ratio and its interval."""
    return [round(each, 3) for each in (ratio.value, ratio.low, ratio.high)]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return what a series is told by, in milliseconds."""
    return {
        "least": round(min(values), 2),
        "median": round(statistics.median(values), 2),
        "p95": round(percentile(values, 0.95), 2),
    }


def text_of(found: Mapping[str, Any]) -> str:
    """Return the table."""
    many = found["many"]
    lines = [
        f"{found['starts']} starts of /bin/true each, in turns, as {found['who']}, at load {found['load']}",
        "",
        f"{'ms':10}{'least':>9}{'median':>9}{'p95':>9}   ours, of it (95 %)   {many['starts']} on two threads",
    ]
    for name, each in found["milliseconds"].items():
        ratio = found["ratios"].get(name)
        compared = f"{ratio[0]:.2f} ({ratio[1]:.2f}-{ratio[2]:.2f})" if ratio else ""
        whole = f"{many['seconds'][name]:.1f} s" if many["seconds"] else ""
        times = f"{each['least']:9.2f}{each['median']:9.2f}{each['p95']:9.2f}"
        lines.append(f"{name:10}{times}   {compared:20} {whole}".rstrip())
    lines.append("")
    for each in found["bars"]:
        verdict = "met" if each["met"] else "NOT met"
        lines.append(f"{each['name']:32} {each['figure']:6.2f}, at most {each['most']:.2f}: {verdict}")
    return "\n".join(lines)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.freeze()
    main()
