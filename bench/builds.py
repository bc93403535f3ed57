"""How long a build takes after a change: the whole process, from a shell's point of view, with the most memory it had.

    python bench/builds.py [--runs N] [--packages A,B,…] [--suite SUITE] [--json FILE]

A spec of its own is locked and built first, in the store of the caller (SEATRIAL_STORE, or the user's own). Then:

    nothing   the same again
    line      one line of one of the application's files is another
    package   one package more: another one of --packages each time; what is locked and downloaded is there before

Memory is that of the largest process of all that took part. The machine must be idle: other work is measured with it.
Exits 1 if a median is above its limit.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMITS = {"nothing": 0.5, "line": 1.0, "package": 2.0}
"""Seconds."""

MEMORY = 150
"""MiB."""

PACKAGES = "hello,bc,tree,pv,sl"
_MEBIBYTE = 1024  # ru_maxrss is in KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One build: after what, for how many seconds, and with how many MiB at most."""

    change: str
    seconds: float
    memory: int
    image: str


def main(argv: Sequence[str]) -> int:
    """Measure, and print a line for each kind of change."""
    arguments = parse(argv)
    with tempfile.TemporaryDirectory(prefix="builds-") as scratch:
        found = list(measure(Path(scratch), arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    met = [is_met(change, found) for change in LIMITS]  # each prints its line
    return 0 if all(met) else 1


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments."""
    about, _, rest = str(__doc__).partition("\n")
    parser = argparse.ArgumentParser(description=about, epilog=rest, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="of each change but a package (10)")
    parser.add_argument("--packages", default=PACKAGES, metavar="A,B", help=f"one more in each turn ({PACKAGES})")
    parser.add_argument("--suite", default="bookworm", help="of Debian (bookworm)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there")
    return parser.parse_args(argv)


def measure(scratch: Path, arguments: argparse.Namespace) -> Iterator[Measured]:
    """Yield each build; the first of the spec is not measured, nor is what each more package needs to be there."""
    spec = write_spec(scratch / "plain", arguments.suite, ["python3"])
    first = build("first", spec)
    for number in range(arguments.runs):
        yield must_be(build("nothing", spec), first.image, is_same=True)
        (spec.parent / "app" / "app.py").write_text(f"print({os.getpid()}, {time.time_ns()}, {number})\n")
        changed = build("line", spec)
        yield must_be(changed, first.image, is_same=False)
        first = changed
    for name in filter(None, arguments.packages.split(",")):
        more = write_spec(scratch / name, arguments.suite, ["python3", name])
        yield must_be(build("package", more), first.image, is_same=False)


def write_spec(folder: Path, suite: str, packages: Sequence[str]) -> Path:
    """Write a small env with an application of two files, and lock it, which fetches all packages; return its path."""
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "app.py").write_text("print(1)\n")
    (folder / "app" / "other.py").write_text("print(2)\n")
    spec = folder / "builds.yaml"
    spec.write_text(
        f"seatrial: 1\nimage:\n  debian: {suite}\n  packages: [{', '.join(packages)}]\n"
        "  files: [{from: ./app, to: /app}]\n"
        "  labels: {made-for: 'bench/builds.py " + str(time.time_ns()) + "'}\n"
        "suite: {command: [python3, /app/app.py], results: exit}\n"
    )
    call(["lock", str(spec)])
    return spec


def build(change: str, spec: Path) -> Measured:
    """Build once, and return how that went."""
    begin = time.perf_counter()
    image, memory = call(["build", "--locked", "--json", str(spec)])
    return Measured(change=change, seconds=time.perf_counter() - begin, memory=memory, image=image)


def call(arguments: Sequence[str]) -> tuple[str, int]:
    """Run the command; return the image that it names, if any, and the most MiB that one of its processes had."""
    command = [sys.executable, "-m", "pipeline.cli.main", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as written, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdout=written, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)  # of the process and of all whose end it waited for
        process.returncode = os.waitstatus_to_exitcode(status)
        written.seek(0)
        said.seek(0)
        if process.returncode != 0:
            sys.exit(f"seatrial {' '.join(arguments)} failed: {said.read().decode(errors='replace')[-1500:]}")
        raw = written.read()
    found: Mapping[str, str] = json.loads(raw) if raw.startswith(b"{") else {}
    return found.get("image", ""), usage.ru_maxrss // _MEBIBYTE


def must_be(measured: Measured, image: str, *, is_same: bool) -> Measured:
    """Return what was measured, if the image is the one from before, or another one, as the change must have it."""
    if (measured.image == image) != is_same:
        sys.exit(f"after the change {measured.change!r} the image is {'another one' if is_same else 'the same'}")
    return measured


def is_met(change: str, found: Sequence[Measured]) -> bool:
    """Print what was measured of one kind of change, and return whether it is within its limits."""
    seconds = [each.seconds for each in found if each.change == change]
    if not seconds:
        print(f"{change:<8} not measured")
        return True
    memory = max(each.memory for each in found if each.change == change)
    median = statistics.median(seconds)
    print(
        f"{change:<8} median of {len(seconds)}: {median:.2f} s, {min(seconds):.2f} to {max(seconds):.2f} s"
        f" (limit {LIMITS[change]} s); largest process {memory} MiB (limit {MEMORY} MiB)"
    )
    return median <= LIMITS[change] and memory <= MEMORY


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
