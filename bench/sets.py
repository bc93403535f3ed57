"""What a set of hosts costs beside the bare suite: the whole set, and each cell of it.

    python bench/sets.py [SPEC...] [--turns N] [--set NAME] [--json]

*bare* is the suite's own command in the unpacked tree, by chroot, as the image's user, without Seatrial and without its
plug-in. *cell* is the same suite as one run on the reference, from the order to the observation. *set* is the command
`verify SPEC --hosts NAME --fresh`, whole process, with the image built before; *hosts* is the same without the search
for causes (``--budget 0s``), which has no bound in the suite's time. All come in turns. The bars:

* cell - bare: the median of the differences over all specs, each with as many pairs, with its bootstrap interval, at
  most 50 ms; each spec's own is printed beside it;
* hosts, for ``quick``, of each spec: at most 4 times bare and 2 s, on two cores;
* set, of each spec: at most 1.15 times the longest cell, or all cells divided by the cores if that is more, and 2 s.
  Cells are taken as they ran in the same run, those of the search included; of the runs, the one in the middle counts.

Needs root (chroot). Exits 1 if a bar is not met.
"""

import argparse
import json
import os
import random
import shutil
import stat
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.build.images import Builder
from pipeline.build.locks import current_lock, fetcher_of
from pipeline.declare.hosts import Catalogue
from pipeline.declare.read import read_specs
from pipeline.preparation import TOOLS
from pipeline.verify.inquiry import ask
from pipeline.verify.schedule import BackendRunner, Cell, ResultCache
from runtime.backends.catalogue import Backends
from runtime.backends.native import mounts, processes
from runtime.backends.native.idmap import BASE
from runtime.backends.native.syscalls import call
from runtime.plan import Plan

ROOT = Path(__file__).parents[1]
CORPUS = sorted(
    [*(ROOT / "envs").glob("*.yaml"), *(ROOT / "envs/examples").glob("*.yaml")],
    key=lambda path: path.name,
)
LEFT_OUT = {"arm64", "web", "orders"}  # another architecture, and services beside the suite: there is no bare suite

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

MOST_OVERHEAD = 0.050
MOST_OF_BARE, MOST_OF_CELLS, SLACK = 4.0, 1.15, 2.0
SETS = 5
"""In how many turns the whole set is run, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured of one spec, in seconds."""

    spec: str
    bare: tuple[float, ...]
    cell: tuple[float, ...]
    sets: tuple[float, ...]
    ideals: tuple[float, ...]
    hosts: tuple[float, ...]
    runs: int
    verdict: str

    @property
    def differences(self) -> list[float]:
        """Cell - bare, of each turn."""
        return [cell - bare for cell, bare in zip(self.cell, self.bare, strict=True)]

    def bars(self, name: str) -> dict[str, tuple[float, float]]:
        """Return each bar: what was measured, and the most that it may be."""
        pairs = [(whole, MOST_OF_CELLS * ideal + SLACK) for whole, ideal in zip(self.sets, self.ideals, strict=True)]
        found = {f"{name} of its cells": sorted(pairs, key=lambda pair: pair[0] - pair[1])[len(pairs) // 2]}
        if name == "quick":
            hosts = statistics.median(self.hosts)
            found["quick of bare, without a search"] = (hosts, MOST_OF_BARE * statistics.median(self.bare) + SLACK)
        return found


def main() -> None:
    """Measure, print a line a spec, and judge."""
    wishes = read_arguments()
    processes.unshare(processes.CLONE_NEWNS)
    mounts.mount(None, "/", None, mounts.MS_REC | mounts.MS_SLAVE)
    found = []
    for path in wishes.specs or [path for path in CORPUS if path.stem not in LEFT_OUT]:
        found.append(measure(path, wishes))
        if not wishes.json:
            print(text_of(found[-1], wishes.set), flush=True)
    middle, high = overhead(found)
    if wishes.json:
        document = {"overhead": [middle, high], "specs": [to_json(each, wishes.set) for each in found]}
        print(json.dumps(document, indent=1))
    else:
        print(f"{met(high, MOST_OVERHEAD)}: cell - bare: +{middle * 1000:.0f} ms, to {high * 1000:.0f}, at most 50 ms")
    bars = [(high, MOST_OVERHEAD), *(bar for each in found for bar in each.bars(wishes.set).values())]
    sys.exit(any(value > most for value, most in bars))


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="*", type=Path, help="the corpus and envs/*.yaml")
    parser.add_argument("--turns", type=int, default=11)
    parser.add_argument("--set", default="quick")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--store", type=Path, default=Path.home() / ".local/share/seatrial")
    return parser.parse_args()


def measure(path: Path, wishes: argparse.Namespace) -> Figures:
    """Return the figures of one spec."""
    (spec,) = read_specs([path])
    lock = current_lock(spec)
    whole = [
        *(sys.executable, "-m", "pipeline.cli.main", "verify", str(path), "--locked", "--json", "--fresh"),
        *("--hosts", wishes.set, "--store", str(wishes.store)),
    ]
    with ExitStack() as stack:
        fetcher = stack.enter_context(fetcher_of(spec, wishes.store, lock))
        builder = Builder(store=wishes.store, fetcher=fetcher, tools=TOOLS)
        variants = tuple(builder.build(spec, lock, each) for each in spec.architectures)
        reference = Catalogue.of(path).host(spec.reference)
        asked = ask(
            spec,
            [reference],
            variants=variants,
            services={},
            lock=lock.digest,
            are_named=True,
            seed=0,
            milliseconds=0,
        )
        plan = reference.apply(asked.plan)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seatrial-bare-")))
        root = lay_tree(folder, [*builder.layers(plan.image), *builder.layers(plan.suite)], plan)
        for kind, place in (("proc", root / "proc"), ("tmpfs", root / "tmp"), ("tmpfs", root / "dev" / "shm")):
            mounts.mount(kind, str(place), kind)
            stack.callback(call, "umount2", str(place).encode(), mounts.MNT_DETACH)  # before the folder is emptied
        backend = stack.enter_context(Backends(builder.layers, builder.layout))
        runner = BackendRunner(
            backend=backend,
            suite=asked.suite,
            cache=ResultCache(folder / "results", is_fresh=True),
            ambient=backend.ambient,
            jobs=threading.Semaphore(1),
            stop=threading.Event(),
        )
        forget_files()
        bare, cell, sets, ideals, hosts = [], [], [], [], []
        run_bare(root, plan), runner.run(Cell(plan=plan, host=reference, index=1000))  # both read all files once
        report: dict[str, Any] = {}
        for turn in range(wishes.turns):
            bare.append(timed(lambda: run_bare(root, plan)))
            cell.append(timed(lambda turn=turn: runner.run(Cell(plan=plan, host=reference, index=turn))))
            if turn < SETS:
                hosts.append(timed(lambda: verified([*whole, "--budget", "0s"])))
                sets.append(timed(lambda: report.update(json.loads(verified(whole)))))
                (environment,) = report["environments"]
                work = environment["work"]
                ideals.append(max(work["longest"], work["seconds"] / os.cpu_count()))
    return Figures(
        spec=path.stem,
        bare=tuple(bare),
        cell=tuple(cell),
        sets=tuple(sets),
        ideals=tuple(ideals),
        hosts=tuple(hosts),
        runs=work["runs"],
        verdict=environment["verdict"],
    )


def lay_tree(folder: Path, layers: Sequence[Path], plan: Plan) -> Path:
    """Return a tree of an image and its suite with the ids of this machine, ready for chroot."""
    root = folder / "root"
    for layer in layers:
        shutil.copytree(layer, root, symlinks=True, dirs_exist_ok=True)
        for above, folders, files in os.walk(layer):
            for name in (*folders, *files, "."):
                place = Path(above, name)
                found = place.lstat()
                target = root / place.relative_to(layer)
                os.lchown(target, max(0, found.st_uid - BASE), max(0, found.st_gid - BASE))
    folder.chmod(0o755)
    home = root / plan.user.home.lstrip("/")
    for each in (root / "proc", root / "dev" / "shm", root / "tmp", home, root / plan.workdir.lstrip("/")):
        each.mkdir(parents=True, exist_ok=True)
    os.chown(home, plan.user.uid, plan.user.gid)
    for name in DEVICES:
        os.mknod(root / "dev" / name, 0o666 | stat.S_IFCHR, Path("/dev", name).stat().st_rdev)
        (root / "dev" / name).chmod(0o666)
    return root


def forget_files() -> None:
    """Have the kernel read every file from the disk again, the tree's as the store's.

    What was just written lies in larger folios than what was read, and costs fewer page faults: 25 ms of a suite that
    starts a hundred programs (Linux 6.18).
    """
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("1", encoding="ascii")


def run_bare(root: Path, plan: Plan) -> None:
    """Run the suite as anybody would."""

    def enter() -> None:
        os.chroot(root)
        os.chdir(plan.workdir)
        os.setgroups([])
        os.setgid(plan.user.gid)
        os.setuid(plan.user.uid)

    environment = {**plan.environment, "PYTEST_ADDOPTS": "-p no:seatrial"}
    words = list(plan.argv)
    program = shutil.which(words[0], path=":".join(f"{root}{each}" for each in environment["PATH"].split(":")))
    words[0] = "/" + str(Path(program).relative_to(root)) if program else words[0]
    subprocess.run(words, env=environment, preexec_fn=enter, capture_output=True, check=False)


def verified(command: Sequence[str]) -> bytes:
    """Return what `verify` prints."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout


def timed(run: Callable[[], object]) -> float:
    """Return how long something takes."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def overhead(found: Sequence[Figures]) -> tuple[float, float]:
    """Return the median of cell - bare over specs, and the upper end of its interval."""
    differences = [difference for each in found for difference in each.differences]
    return statistics.median(differences), upper(differences)


def met(value: float, most: float) -> str:
    """Return the word for whether a bar is met."""
    return "met" if value <= most else "NOT MET"


def upper(values: Sequence[float]) -> float:
    """Return the upper end of the bootstrap 95 % interval of the median."""
    chance = random.Random(0)  # noqa: S311 - statistics
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(2000))
    return medians[-51]


def to_json(figures: Figures, name: str) -> dict[str, Any]:
    """Return the figures of a spec for programs."""
    return {
        "spec": figures.spec,
        "bare": statistics.median(figures.bare),
        "cell": statistics.median(figures.cell),
        "overhead": overhead([figures]),
        "set": statistics.median(figures.sets),
        "hosts": statistics.median(figures.hosts),
        "runs": figures.runs,
        "verdict": figures.verdict,
        "bars": {key: {"value": value, "most": most} for key, (value, most) in figures.bars(name).items()},
    }


def text_of(figures: Figures, name: str) -> str:
    """Return the figures of a spec as lines."""
    middle, high = overhead([figures])
    head = (
        f"{figures.spec}: bare {statistics.median(figures.bare):.2f} s, cell {statistics.median(figures.cell):.2f} s "
        f"(+{middle * 1000:.0f} ms, to {high * 1000:.0f}), {name} {figures.verdict} with {figures.runs} runs"
    )
    lines = [
        f"  {met(value, most)}: {key}: {value:.3f} s, at most {most:.3f} s"
        for key, (value, most) in figures.bars(name).items()
    ]
    return "\n".join([head, *lines])


if __name__ == "__main__":
    main()
