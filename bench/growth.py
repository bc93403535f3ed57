"""How the time and size of an image grow with its packages, here and by mmdebstrap, of the same files.

    python bench/growth.py [--sizes N,…] [--suite SUITE] [--turns N] [--scratch DIR]

An image of so many packages more than apt and the essential ones: Python, Perl, and modules of both in an order that
hangs on their names alone, each after those that it depends on; so each larger image has all packages of the smaller
ones. Printed is
a row of Markdown for each size: medians of wall and CPU seconds of *cold*, as of `image_peers.py`, and of mmdebstrap,
in turns; of one plain package more; the layers' bytes, compressed; and how many scripts are run when all is installed.
Each begins on a new file system; see ``disk.py``. The machine must be idle. Needs root.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from disk import Disk, new_disk
from image_peers import Measured, laid_archive, locked_files, measured, ways_beside

from pipeline.build.ecosystems.debian.archive import DebianRequest, read_universe
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.ecosystems.debian.index import Candidate, Universe
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import read_sources
from runtime.oci.platform import own_architecture

SIZES = (10, 100, 300, 1000)
_KINDS = re.compile(r"python3-[a-z0-9]+|lib[a-z0-9-]+-perl")
_FIRST = ("python3", "perl")
_SCRIPTS = ("preinst", "postinst")
_HEAD = (
    "| packages | all | scripts | MB | cold: wall, CPU s | mmdebstrap: wall, CPU s | wall | CPU | one more: wall s |"
)


def main(argv: Sequence[str]) -> int:
    """Measure all sizes, the smallest first, and print the table."""
    arguments = parse(argv)
    print(_HEAD)
    print("|--:" * _HEAD.count(" |") + "|")
    for size in arguments.sizes:
        with (
            tempfile.TemporaryDirectory(prefix="growth-", dir=arguments.scratch) as scratch,
            new_disk(Path(scratch)) as disk,
        ):
            print(row(Path(scratch), disk, size, arguments), flush=True)
    return 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments."""
    about, _, rest = str(__doc__).partition("\n")
    parser = argparse.ArgumentParser(description=about, epilog=rest, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=_sizes, default=SIZES, metavar="N,…", help="packages (10,100,300,1000)")
    parser.add_argument("--suite", default="bookworm", help="of Debian (bookworm)")
    parser.add_argument("--turns", type=int, default=3, help="of both (3)")
    parser.add_argument("--scratch", type=Path, help="a folder on the disk that is measured (the temporary one)")
    parser.add_argument("--cache", type=Path, help="a store whose downloads are taken")
    return parser.parse_args(argv)


def row(scratch: Path, disk: Disk, size: int, arguments: argparse.Namespace) -> str:
    """Measure one size, and return its row."""
    kept = scratch / "store"
    if arguments.cache:
        shutil.copytree(arguments.cache / "cache", kept / "cache", copy_function=os.link)
    files = locked_files(scratch, arguments.suite, chosen(kept, arguments.suite, size))
    ways = ways_beside(scratch, disk, arguments.suite, files, laid_archive(scratch / "archive", files))
    found: dict[str, list[Measured]] = defaultdict(list)
    for _ in range(arguments.turns):
        for name, way in ways.items():
            way.before()
            found[name].append(measured(name, way.make))
    return _written(size, files, layer_bytes(disk.folder / "store"), found)


def chosen(store: Path, suite: str, size: int) -> list[str]:
    """Return the names of so many packages, each of which depends on others of them and on the essential ones alone."""
    with Fetcher(store / "cache", read_sources(os.environ, Path.home())) as fetcher:
        request = DebianRequest(suite=suite, packages=(), architecture=own_architecture())
        universe = read_universe(request, fetcher, now=datetime.now(UTC))
    base = closed(universe, ["apt", *(each.name for each in universe.essential())])
    order = list(dict.fromkeys((*_ordered(universe, base), *_others(universe, base))))
    if len(order) < size:
        sys.exit(f"{suite} has {len(order)} such packages, and {size} are wanted")
    return order[:size]


def closed(universe: Universe, names: Sequence[str]) -> set[str]:
    """Return some packages and all that they depend on, by the first alternative that there is."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        candidate = universe.candidate(waiting.pop())
        if candidate is not None and candidate.name not in found:
            found.add(candidate.name)
            waiting += [each for each in _needed(universe, candidate) if each]
    return found


def layer_bytes(store: Path) -> int:
    """Return the bytes of the layers of the image that was built first."""
    index = json.loads((store / "oci" / "index.json").read_bytes())
    named = {each.get("annotations", {}).get("org.opencontainers.image.ref.name"): each for each in index["manifests"]}
    blob = store / "oci" / "blobs" / named["plain"]["digest"].replace(":", "/")
    return sum(each["size"] for each in json.loads(blob.read_bytes())["layers"])


def _ordered(universe: Universe, base: set[str]) -> Iterator[str]:
    """Yield what runs the others, each package after those that it depends on."""
    seen = set(base)

    def visit(name: str) -> Iterator[str]:
        candidate = universe.candidate(name)
        if candidate is None or candidate.name in seen:
            return
        seen.add(candidate.name)
        for each in _needed(universe, candidate):
            yield from visit(each)
        yield candidate.name

    for name in _FIRST:
        yield from visit(name)


def _others(universe: Universe, base: set[str]) -> Iterator[str]:
    """Yield packages whose dependencies were yielded before, and which refuse none, of both kinds in turns."""
    have = base | closed(universe, _FIRST)
    names = sorted(filter(_KINDS.fullmatch, universe.names), key=lambda name: hashlib.sha256(name.encode()).digest())
    for _ in range(len(_FIRST) + 1):  # those that wait for a later name
        for name in names:
            candidate = universe.candidate(name)
            if candidate is None or name in have or candidate.refuses or candidate.provides:
                continue
            if set(_needed(universe, candidate)) <= have:
                have.add(name)
                yield name


def _needed(universe: Universe, candidate: Candidate) -> Iterator[str]:
    """Yield the package that answers each dependency: that of the first alternative; an empty name for none."""
    for group in candidate.needs:
        found = next((universe.matching(each) for each in group if universe.matching(each)), ())
        yield found[0].name if found else ""


def _written(size: int, files: Mapping[str, Path], layers: int, found: Mapping[str, Sequence[Measured]]) -> str:
    wall = {way: statistics.median(each.wall for each in taken) for way, taken in found.items()}
    cpu = {way: statistics.median(each.cpu for each in taken) for way, taken in found.items()}
    scripts = sum(script in read_deb(path).control_files for path in files.values() for script in _SCRIPTS)
    cells = [
        f"{size}",
        f"{len(files)}",
        f"{scripts}",
        f"{layers / 1e6:.0f}",
        f"{wall['cold']:.1f}, {cpu['cold']:.1f}",
        f"{wall['mmdebstrap']:.1f}, {cpu['mmdebstrap']:.1f}",
        f"{wall['cold'] / wall['mmdebstrap']:.2f} x",
        f"{cpu['cold'] / cpu['mmdebstrap']:.2f} x",
        f"{wall['warm']:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(each) for each in text.split(",")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
