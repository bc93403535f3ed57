"""How long `verify --help` takes beside Python's own start: whole processes, in turns.

    python bench/start_up.py [--turns N] [--limit SECONDS]

The figure is the difference of the medians. Exits 1 if it is above the limit.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
WAYS = {"verify --help": ("-m", "pipeline.cli.main", "verify", "--help"), "python": ("-c", "pass")}


def main() -> None:
    """Measure, and print both medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--limit", type=float, default=0.15)
    wishes = parser.parse_args()
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(wishes.turns):
        for way, words in WAYS.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            taken[way].append(time.perf_counter() - begin)
    medians = {way: statistics.median(each) for way, each in taken.items()}
    more = medians["verify --help"] - medians["python"]
    for way, seconds in medians.items():
        print(f"{way:<14} {seconds:.3f} s")
    print(f"more: {more:.3f} s, limit {wishes.limit}")
    sys.exit(more > wishes.limit)


if __name__ == "__main__":
    main()
