"""How long a second `verify` takes with nothing changed: the whole process, from a shell's point of view.

    python bench/second_verify.py [SPEC] [--runs N] [--limit SECONDS]

The first `verify` fills a store (SEATRIAL_STORE, or the user's own); the figure is the median of the runs after it, and
each of them must re-run nothing. Exits 1 if the median is above the limit.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Measure, and print the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec", nargs="?", default="envs/schedule.yaml")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--limit", type=float, default=1.0)
    wishes = parser.parse_args()
    command = [sys.executable, "-m", "pipeline.cli.main", "verify", wishes.spec, "--json"]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    wanted = outcome(first.stdout)
    lasted = []
    for _ in range(wishes.runs):
        begin = time.perf_counter()
        again = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        lasted.append(time.perf_counter() - begin)
        if again.returncode != first.returncode or outcome(again.stdout) != wanted:
            sys.exit(f"the second verify of {wishes.spec} says something else than the first")
    median = statistics.median(lasted)
    print(f"{wishes.spec}: median of {wishes.runs}: {median:.2f} s, {min(lasted):.2f} to {max(lasted):.2f} s")
    sys.exit(median > wishes.limit)


def outcome(raw: bytes) -> tuple[object, ...]:
    """Return what a report says, apart from how long it took."""
    (environment,) = json.loads(raw)["environments"]
    hosts = [(each["name"], each["state"], each.get("behavior")) for each in environment["hosts"]]
    return environment["image"], environment["verdict"], hosts


if __name__ == "__main__":
    main()
