"""How long an image takes here and by other tools, of the same package files, in turns.

    python bench/image_peers.py [--packages A,B] [--suite SUITE] [--turns N] [--with TOOL,…] [--json FILE]

    cold      nothing is there but the .debs: ours makes layers, compressed;
              mmdebstrap one archive, not compressed, once
    warm      ours right after that, of one plain package more: the strata below it are there
    docker    `docker build` of a Dockerfile that installs the same .debs with dpkg, on a base of the essential ones
    buildah   `buildah build` of the same
    least     no image, of packages with python3: their data is decompressed to nowhere by one xz, the modules of
              which mmdebstrap's tree has byte-code are compiled by that tree's own Python in one process, and
              mmdebstrap's archive is compressed as layers are; whoever makes these files does all three

Wall and CPU seconds of the whole process and of all that it waited for; of dockerd, which works elsewhere, wall alone.
Memory is that of the largest process. The figures are ratios of medians to mmdebstrap's, with the upper end of the
bootstrap 95 % interval. Cold, mmdebstrap and least each begin on a new file system; see ``disk.py``. The machine must
be idle. Needs root, and the tools that are asked for; of docker a daemon.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from disk import Disk, new_disk
from ratio import ratio_of_medians

from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.essential import essential_closure
from pipeline.build.locks import current_lock, fetcher_of
from pipeline.declare.read import read_specs
from runtime.oci.platform import own_architecture

ROOT = Path(__file__).resolve().parents[1]
MOST = {"cold": 0.3, "warm": 0.1}
"""Of mmdebstrap's wall and CPU time."""

MEMORY = 150
"""MiB."""

PLAIN = "hello"
_MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"
_SPEC = """seatrial: 1
name: {name}
image: {{debian: {suite}, packages: [apt, {packages}]}}
suite: {{command: ["true"], results: exit}}
"""
_DOCKERFILE = """FROM {base}
COPY debs /debs
RUN DEBIAN_FRONTEND=noninteractive dpkg --force-depends --force-unsafe-io -i /debs/*.deb && rm -r /debs
"""

_LEAST = """set -e
xz --decompress --stdout --threads=1 "$1"/*.xz > /dev/null
chroot "$2" python3 -m compileall -q -f -i /modules
"$4" -c "$5" "$3"
"""
_COMPRESS = """
import sys
from runtime.oci.gzip import MEMBER, compress_member
with open(sys.argv[1], "rb") as archive:
    while part := archive.read(MEMBER):
        compress_member(part)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One making of an image: by whom, wall and CPU seconds, and MiB of the largest process."""

    way: str
    wall: float
    cpu: float
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an image is made once: ``before`` brings about the state that it begins with, and is not measured."""

    make: Callable[[], object]
    before: Callable[[], object] = lambda: None


def main(argv: Sequence[str]) -> int:
    """Measure in turns, and print a line for each way."""
    arguments = parse(argv)
    found: dict[str, list[Measured]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="peers-", dir=arguments.scratch) as scratch,
        new_disk(Path(scratch)) as disk,
    ):
        ways = prepare(Path(scratch), disk, arguments)
        for _ in range(arguments.turns):
            for name, way in ways.items():
                way.before()
                found[name].append(measured(name, way.make))
    if arguments.json:
        every = [asdict(each) for taken in found.values() for each in taken]
        arguments.json.write_text(json.dumps(every, indent=1) + "\n")
    met = [is_met(way, found) for way in found]  # each prints its line
    return 0 if all(met) else 1


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments."""
    about, _, rest = str(__doc__).partition("\n")
    parser = argparse.ArgumentParser(description=about, epilog=rest, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--packages", default="python3,python3-pip", metavar="A,B", help="(python3,python3-pip)")
    parser.add_argument("--suite", default="bookworm", help="of Debian (bookworm)")
    parser.add_argument("--turns", type=int, default=5, help="of all ways (5)")
    parser.add_argument("--with", dest="tools", default="", metavar="TOOL,…", help="docker, buildah (none)")
    parser.add_argument("--scratch", type=Path, help="a folder on the disk that is measured (the temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there")
    return parser.parse_args(argv)


def prepare(scratch: Path, disk: Disk, arguments: argparse.Namespace) -> Mapping[str, Way]:
    """Lock, download, and return the ways by name."""
    files = locked_files(scratch, arguments.suite, arguments.packages.split(","))
    archive = laid_archive(scratch / "archive", files)
    ways = dict(ways_beside(scratch, disk, arguments.suite, files, archive))
    tools = [each for each in arguments.tools.split(",") if each]
    if tools:
        context = dockerfile(scratch / "context", arguments.suite, archive, files, tools)
    for tool in tools:
        ways[tool] = Way(make=partial(run, [tool, "build", "--no-cache", "-t", "seatrial-peer", str(context)]))
    if "python3" in files:
        archive_file = scratch / "least.tar"
        mmdebstrap(arguments.suite, archive, sorted(files), archive_file)
        data = least_data(scratch / "data", files)
        tree = disk.folder / "tree"
        command = ["sh", "-c", _LEAST, "sh", data, tree, archive_file, sys.executable, _COMPRESS]

        def unpack() -> None:
            disk.renew()
            least_tree(tree, archive_file)

        ways["least"] = Way(before=unpack, make=partial(run, [str(each) for each in command]))
    return ways


def locked_files(scratch: Path, suite: str, packages: Sequence[str]) -> Mapping[str, Path]:
    """Lock an image of some packages, and one of one more, and return name → .deb of those of the first."""
    store = scratch / "store"
    spec = locked(scratch / "plain.yaml", suite, packages, store)
    locked(scratch / "more.yaml", suite, [*packages, PLAIN], store)
    return package_files(spec, store)


def ways_beside(
    scratch: Path, disk: Disk, suite: str, files: Mapping[str, Path], archive: Path
) -> Mapping[str, Way]:
    """Return mmdebstrap's way and ours, in the order in which they are to be measured: warm comes after cold.

    Args:
        scratch: as of ``locked_files``, of which ``files`` are.
        disk: what is made is there; ours stays until the next turn.
        suite: of Debian.
        files: name → .deb.
        archive: has them, as mmdebstrap takes it.
    """
    kept, store = scratch / "store", disk.folder / "store"

    def download() -> None:
        disk.renew()
        store.mkdir()
        (store / "cache").symlink_to(kept / "cache")

    return {
        "mmdebstrap": Way(
            before=disk.renew, make=lambda: mmdebstrap(suite, archive, sorted(files), disk.folder / "peer.tar")
        ),
        "cold": Way(before=download, make=lambda: build(scratch / "plain.yaml", store)),
        "warm": Way(make=lambda: build(scratch / "more.yaml", store)),
    }


def least_data(folder: Path, files: Mapping[str, Path]) -> Path:
    """Return a folder with the packages' data, compressed as it came."""
    folder.mkdir()
    for name, file in files.items():
        with (folder / f"{name}.tar.xz").open("wb") as out:
            subprocess.run(["ar", "p", file, "data.tar.xz"], stdout=out, check=True)
            if not out.tell():
                sys.exit(f"{name} has no data.tar.xz, which is all that `least` can read")
    return folder


def least_tree(tree: Path, archive: Path) -> None:
    """Unpack mmdebstrap's archive, with a list of the modules of which it has byte-code."""
    tree.mkdir()
    run(["tar", "-C", str(tree), "--exclude=./dev", "-xf", str(archive)])
    compiled = (each.relative_to(tree) for each in tree.glob("usr/**/__pycache__/*.pyc"))
    modules = sorted({f"/{each.parents[1]}/{each.name.split('.cpython')[0]}.py" for each in compiled})
    (tree / "modules").write_text("".join(f"{each}\n" for each in modules))


def locked(path: Path, suite: str, packages: Sequence[str], store: Path) -> Path:
    """Write a spec and lock it, which fetches all packages; return its path."""
    path.write_text(_SPEC.format(name=path.stem, suite=suite, packages=", ".join(packages)))
    seatrial("lock", str(path), "--store", str(store))
    return path


def package_files(path: Path, store: Path) -> Mapping[str, Path]:
    """Return name → .deb of all packages of a spec."""
    (spec,) = read_specs([path])
    lock = current_lock(spec)
    packages = lock.platforms[own_architecture()].image.debian
    with fetcher_of(spec, store, lock) as fetcher:
        files = fetcher.fetch_all([each.artifact for each in packages])
    return {each.name: file for each, file in zip(packages, files, strict=True)}


def laid_archive(folder: Path, files: Mapping[str, Path]) -> Path:
    """Return a folder with the packages and their index, as mmdebstrap takes it for an archive."""
    folder.mkdir()
    stanzas = []
    for name, file in sorted(files.items()):
        shutil.copyfile(file, folder / f"{name}.deb")
        control = read_deb(file).control_files["control"].decode().strip("\n")
        stanzas.append(f"{control}\nFilename: {name}.deb\nSize: {file.stat().st_size}\n")
    sums = subprocess.run(
        ["sha256sum", *(f"{name}.deb" for name in sorted(files))], cwd=folder, stdout=subprocess.PIPE, check=True
    )
    hashes = [line.split()[0].decode() for line in sums.stdout.splitlines()]
    index = "\n".join(f"{stanza}SHA256: {each}\n" for stanza, each in zip(stanzas, hashes, strict=True))
    (folder / "Packages").write_text(index)
    return folder


def mmdebstrap(suite: str, archive: Path, names: Sequence[str], out: Path) -> None:
    """Make an archive of the tree by mmdebstrap, which works beside it; it compresses nothing."""
    include = f"--include={','.join(names)}"
    run(
        [
            "mmdebstrap",
            "--variant=apt",
            f"--hook-dir={_MERGED_USR}",
            include,
            suite,
            str(out),
            f"deb [trusted=yes] copy://{archive} ./",
        ],
        TMPDIR=str(out.parent),
    )


def dockerfile(folder: Path, suite: str, archive: Path, files: Mapping[str, Path], tools: Sequence[str]) -> Path:
    """Return a folder to build from: the packages that are not essential, on a base image of those that are."""
    essential = {*essential_closure({name: read_deb(file).control for name, file in files.items()}), "apt"}
    (folder / "debs").mkdir(parents=True)
    for name in files.keys() - essential:
        shutil.copyfile(files[name], folder / "debs" / f"{name}.deb")
    base = folder.parent / "base.tar"
    mmdebstrap(suite, archive, sorted(essential), base)
    if "docker" in tools:
        run(["docker", "import", str(base), "seatrial-peer-base"])
    if "buildah" in tools:
        (folder.parent / "base").mkdir()
        shutil.copyfile(base, folder.parent / "base" / "base.tar")
        (folder.parent / "base" / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
        run(["buildah", "build", "-t", "seatrial-peer-base", str(folder.parent / "base")])
    (folder / "Dockerfile").write_text(_DOCKERFILE.format(base="seatrial-peer-base"))
    return folder


def build(spec: Path, store: Path) -> None:
    """Build, whole process."""
    seatrial("build", "--locked", str(spec), "--store", str(store))


def seatrial(*arguments: str) -> None:
    """Run a command of ours."""
    run([sys.executable, "-m", "pipeline.cli.main", *arguments])


def run(command: Sequence[str], **environment: str) -> None:
    """Run a command; it ends this one if it fails."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(command, env=variables, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)[:200]} failed: {done.stderr.decode(errors='replace')[-1500:]}")


def measured(way: str, make: Callable[[], object]) -> Measured:
    """Make the image in a process of its own, and return what that took."""
    os.sync()
    begin = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            make()
        except SystemExit as failed:
            print(failed, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{way} failed")
    return Measured(
        way=way,
        wall=time.perf_counter() - begin,
        cpu=usage.ru_utime + usage.ru_stime,
        memory=usage.ru_maxrss // 1024,
    )


def is_met(way: str, found: Mapping[str, Sequence[Measured]]) -> bool:
    """Print what was measured of one way beside mmdebstrap, and return whether it is within its limits."""
    ours, peer = found[way], found["mmdebstrap"]
    wall, cpu = (
        ratio_of_medians([getattr(each, name) for each in ours], [getattr(each, name) for each in peer])
        for name in ("wall", "cpu")
    )
    middle = sorted(ours, key=lambda each: each.wall)[len(ours) // 2]
    memory = max(each.memory for each in ours)
    limit = f", limit {MOST[way]}; {memory} MiB, limit {MEMORY}" if way in MOST else f"; {memory} MiB"
    print(
        f"{way:<10} {middle.wall:6.2f} s, {middle.cpu:6.2f} CPU s;"
        f" wall {wall.value:.2f} x, to {wall.high:.2f}; CPU {cpu.value:.2f} x, to {cpu.high:.2f}{limit}"
    )
    return way not in MOST or (max(wall.high, cpu.high) <= MOST[way] and memory <= MEMORY)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main(sys.argv[1:]))
