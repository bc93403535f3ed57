"""Print the table of image and suite digests: each spec, built anew under conditions that must not matter.

Every row is one `seatrial build` in a store of its own, from a copy of this tree of its own. The first row of a spec
downloads all that it needs, unless `--cache` names where that was done before; the others find those packages in their
caches. Of the first spec each condition is varied alone and then all at once, of the others two at a time.

Where a row gives another digest, each of its conditions is tried alone, and what differs is told by `why-digest`.

    python bench/digest_table.py --user NAME                 all of envs/*.yaml; NAME is a plain user with newuidmap
    python bench/digest_table.py envs/web.yaml --rows alone --vary umask,timezone

Exit 0 if each spec has one image digest and one suite digest, 1 if not or if a build fails, 3 if a condition that was
asked for could not be varied here.
"""

import argparse
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import surroundings

ROOT = Path(__file__).resolve().parent.parent
CODE = ("pipeline", "runtime", "specs")
KEPT = ("PATH", "*INDEX*", "*CERT*", "*_CA_*", "PIP_*", "UV_*", "*_proxy", "*_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one build finds around it; the defaults are those of the row that others are compared with.

    Args:
        user: who builds; empty for the caller.
        umask: in octal.
        timezone: TZ; empty for none.
        locale: LANG and LC_ALL.
        home: the name of the home folder.
        folder: the name of the working folder and so of the tree's copy; ``elsewhere`` has another depth, blanks and
            letters that are no ASCII, and the command is not started in it.
        cpus: how many; 0 for all.
        hash_seed: PYTHONHASHSEED.
        host_name: what the machine is called; empty for as it is.
        jobs: `--jobs`; 0 for none.
        clock: what libfaketime is told, as ``+365d``; empty for the true time.
        file_system: what the store is on; empty for what the scratch folder is on.
        order: ``shuffled`` if folders of the tree list their entries in an order that is new each time.
        zones: ``absent`` if the machine has no time zones.
        pauses: ``many`` if the build is stopped for moments again and again.
        memory: ``short`` if its control group has little.
        python: an interpreter of another version that has our dependencies; empty for this one.
        cache: ``warm``, or ``cold`` for downloading all.
    """

    user: str = ""
    umask: str = "022"
    timezone: str = ""
    locale: str = "C.UTF-8"
    home: str = "home"
    folder: str = "work"
    cpus: int = 0
    hash_seed: str = "0"
    host_name: str = ""
    jobs: int = 0
    clock: str = ""
    file_system: str = ""
    order: str = ""
    zones: str = ""
    pauses: str = ""
    memory: str = ""
    python: str = ""
    cache: str = "warm"


PLAIN = Row()
ELSEWHERE = "elsewhere/two words/\u00fc"
REASONS = (
    "user needs root, --user NAME and a Python of this version for NAME; cpus needs two; clock needs faketime; "
    "python needs --python; host_name, file_system, order (disorderfs), zones and memory (control groups, version 1) "
    "need root"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of the table: what varied, and what came out; if not the usual, by which condition, and what differs."""

    spec: str
    varied: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    suite: str = ""
    seconds: int = 0
    error: str = ""
    guilty: str = ""
    why: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        """The digests."""
        return self.image, self.suite


def main(argv: Sequence[str]) -> int:
    """Build, and print a row as soon as it is there."""
    arguments = parse(argv)
    if os.geteuid() == 0:
        surroundings.enter()
    values = variations(arguments.user or [], arguments.python or [])
    names = [each for each in Row.__dataclass_fields__ if each != "cache"]
    wanted = [each for each in names if arguments.vary is None or each in arguments.vary.split(",")]
    lacking = [each for each in wanted if each not in values]
    specs = arguments.specs or sorted((ROOT / "envs").glob("[!_]*.yaml"))
    found: list[Result] = []
    for number, path in enumerate(specs):
        chosen = {name: values[name] for name in wanted if name in values}
        rows = list(ROWS[arguments.rows or ("alone" if number == 0 else "pairs")](chosen))
        with tempfile.TemporaryDirectory(prefix="digests-", dir=arguments.scratch) as scratch:
            os.chmod(scratch, 0o755)  # noqa: PTH101, S103 - another user builds below it
            for result in build_all(path, rows, Path(scratch), arguments):
                found.append(result)
                print(line(result), flush=True)
    print("\n".join(summary(found, lacking)))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    is_one = all(len(digests(found, spec)) == 1 for spec in {each.spec for each in found})
    return 1 if not is_one or not found or any(each.error for each in found) else 3 if lacking else 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments."""
    about, _, rest = str(__doc__).partition("\n")
    parser = argparse.ArgumentParser(description=about, epilog=rest, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("specs", nargs="*", type=Path, metavar="SPEC", help="with its lock beside it (envs/*.yaml)")
    parser.add_argument("--vary", metavar="A,B", help="the conditions to vary: user and the names of the rows (all)")
    parser.add_argument("--user", metavar="NAME", action="append", help="a plain user who builds (again and again)")
    parser.add_argument("--python", metavar="FILE", action="append", help="a Python with our dependencies (likewise)")
    parser.add_argument("--code", type=Path, metavar="DIR", default=ROOT, help="build by the code of another tree")
    parser.add_argument("--rows", choices=ROWS, help="what varies in a row (alone for the first spec, else pairs)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="a store's cache with all packages: no cold row")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where stores are made, and removed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there too")
    arguments = parser.parse_args(argv)
    unknown = sorted(set((arguments.vary or "").split(",")) - set(Row.__dataclass_fields__) - {""})
    if unknown:
        parser.error(f"--vary {unknown[0]}: there are {', '.join(Row.__dataclass_fields__)}")
    return arguments


Values = Mapping[str, Sequence[Row]]
"""Condition → rows in each of which it alone differs, in another way."""


def variations(users: Sequence[str], pythons: Sequence[str]) -> Values:
    """Return the conditions that can be varied here."""
    levels: dict[str, list[Any]] = {
        "umask": ["077"],
        "timezone": ["Asia/Kolkata"],
        "locale": ["tr_TR.UTF-8"],
        "home": ["another-home"],
        "folder": [ELSEWHERE],
        "hash_seed": ["4242"],
        "jobs": [1, 4],
        "pauses": ["many"],
        "cpus": [1] if len(os.sched_getaffinity(0)) > 1 else [],
        "clock": ["+365d"] if Path(surroundings.FAKE_TIME).exists() else [],
        "python": list(pythons),
    }
    if os.geteuid() == 0:
        levels |= {
            "user": [each for each in users if python_of(each)],
            "host_name": ["somewhere-else"],
            "file_system": surroundings.file_systems(),
            "order": ["shuffled"] if surroundings.can_reorder() else [],
            "zones": ["absent"],
            "memory": ["short"] if surroundings.can_squeeze() else [],
        }
    rows = {name: [replace(PLAIN, **{name: each}) for each in found] for name, found in levels.items()}
    return {name: rows[name] for name in Row.__dataclass_fields__ if rows.get(name)}


def alone(values: Values) -> Iterator[Row]:
    """Yield a row for each way in which a condition varies, and one for all conditions at once."""
    yield from (PLAIN, *(row for rows in values.values() for row in rows))
    if len(values) > 1:
        yield together((name, rows[0]) for name, rows in values.items())


def in_pairs(values: Values) -> Iterator[Row]:
    """Yield rows in which two conditions vary, so that each varies in each of its ways."""
    left = [(name, row) for name, rows in values.items() for row in rows]
    half = (len(left) + 1) // 2
    for index in range(half):  # two ways of one condition stand beside each other, and cannot be had together
        yield together(left[index::half])


def all_at_once(values: Values) -> Iterator[Row]:
    """Yield the one row in which every condition varies."""
    yield together((name, rows[0]) for name, rows in values.items())


def together(values: Iterable[tuple[str, Row]]) -> Row:
    """Return the row in which all of some conditions vary.

    Another user has no Python but the machine's, and what is on a tmpfs counts as memory.
    """
    row = replace(PLAIN, **{name: getattr(row, name) for name, row in values})
    return replace(row, python="" if row.user else row.python, memory="" if row.file_system == "tmpfs" else row.memory)


ROWS = {"alone": alone, "pairs": in_pairs, "together": all_at_once}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is built: a spec, by the code of a tree, from a cache of packages if there is one."""

    path: Path
    code: Path
    cache: Path | None


def build_all(path: Path, rows: Sequence[Row], scratch: Path, wishes: argparse.Namespace) -> Iterator[Result]:
    """Build a spec with an empty cache, unless there is a filled one, then under the conditions of each row.

    A single row is for who knows the digests; all others are compared with the first.
    """
    source, first = Source(path=path, code=wishes.code, cache=wishes.cache), scratch / "first"
    usual = None
    if wishes.cache is None or len(rows) > 1:
        usual = build(source, replace(PLAIN, cache="warm" if wishes.cache else "cold"), first)
        yield usual
    source = replace(source, cache=wishes.cache or first / "store" / "cache")
    for number, row in enumerate(each for each in rows if each != PLAIN or not wishes.cache):
        yield compared(source, row, scratch / str(number), usual)
    if usual is not None:
        remove(first)


def compared(source: Source, row: Row, place: Path, usual: Result | None) -> Result:
    """Build a row, and where its digests are others than the usual, find which condition it is, and what differs."""
    result = build(source, row, place, usual)
    remove(place)
    if usual is None or result.error or usual.error or result.pair == usual.pair or len(result.varied) < 2:
        return result
    guilty = []
    for name in result.varied:
        one = build(source, together([(name, row)]), place, usual)
        remove(place)
        if one.pair != usual.pair:
            guilty.append(one)
    found = ", ".join(" ".join(each.varied) for each in guilty) or "no condition alone"
    return replace(result, guilty=found, why=next((each.why for each in guilty if each.why), result.why))


def build(source: Source, row: Row, place: Path, usual: Result | None = None) -> Result:
    """Build a spec once; ``place`` is a new folder for all that this build needs and makes.

    Where the digests are not the ``usual``, whose store is in the folder ``first`` beside it, what differs is told.
    """
    (place / "store").mkdir(parents=True)
    is_plain = row.folder == PLAIN.folder
    name = Path(source.path.resolve().parent.name, source.path.name)
    command = ["-m", "pipeline.cli.main", "build", "--json", "--locked", "--no-progress"]
    jobs = [f"--jobs={row.jobs}"] if row.jobs else []
    with ExitStack() as stack:
        stack.enter_context(surroundings.file_system(row.file_system, place / "store"))
        tree = lay_out(source, row, place)
        stack.enter_context(surroundings.reordered(tree, is_wanted=bool(row.order)))
        stack.enter_context(surroundings.host_name(row.host_name))
        stack.enter_context(surroundings.without_zones(is_wanted=bool(row.zones)))
        group = stack.enter_context(surroundings.little_memory(is_wanted=bool(row.memory)))
        begin = time.monotonic()
        process = subprocess.Popen(
            [row.python or python_of(row.user), *command, *jobs, str(name if is_plain else tree / name)],
            env=environment(row, place, tree),
            cwd=tree if is_plain else "/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=int(row.umask, 8),
            preexec_fn=lambda: limit_cpus(row.cpus),  # noqa: PLW1509 - no thread runs yet
            start_new_session=True,
            **identity(row.user),
        )
        if group is not None:
            (group / "cgroup.procs").write_text(str(process.pid), encoding="ascii")
        with surroundings.paused(process.pid, is_wanted=bool(row.pauses)):
            output, said = process.communicate()
        seconds = round(time.monotonic() - begin)
        result = Result(spec=source.path.stem, varied=varied(row), seconds=seconds)
        if process.returncode != 0:
            return replace(result, error=said.strip() or f"exit {process.returncode}")
        built = json.loads(output)
        result = replace(result, image=built["image"], suite=built["suite"])
        return replace(result, why=difference(result, usual, place)) if usual is not None else result


def difference(result: Result, usual: Result, place: Path) -> str:
    """Return what `why-digest` says of the images of two builds, or of their suites; nothing if they are the same."""
    stores = (place.parent / "first" / "store" / "oci", place / "store" / "oci")
    for pair in ((usual.image, result.image), (usual.suite, result.suite)):
        if pair[0] and len(set(pair)) > 1:
            names = [f"oci:{store}@{digest}" for store, digest in zip(stores, pair, strict=True)]
            command = [sys.executable, "-m", "pipeline.cli.main", "why-digest", *names]
            return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return ""


def lay_out(source: Source, row: Row, place: Path) -> Path:
    """Make the home, the store's cache, and a copy of the code and of the specs' folder, and return the copy."""
    before = os.umask(int(row.umask, 8))
    try:
        tree = place / row.folder
        specs = source.path.resolve().parent
        for each in (*(source.code / name for name in CODE), specs):
            copy(each, tree / each.name)
        (place / row.home).mkdir()
        if source.cache is not None:
            copy(source.cache, place / "store" / "cache")
        if row.user:
            link_packages(place / "packages")
    finally:
        os.umask(before)
    if row.user:
        give(place, pwd.getpwnam(row.user))
    return tree


def copy(source: Path, target: Path) -> None:
    """Copy a folder as an unpacked archive would have it: modes by the umask, times of now, links kept."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for each in source.iterdir():
            if each.name not in {"__pycache__", "partial"}:  # nor what is downloaded just now
                copy(each, target / each.name)
    else:
        shutil.copyfile(source, target)
        if source.stat().st_mode & 0o100:
            umask = os.umask(0)
            os.umask(umask)
            target.chmod(0o777 & ~umask)


def link_packages(target: Path) -> None:
    """Make the packages of this interpreter reachable for another user; those of root may lie below a closed folder."""
    for source in packages_here():
        shutil.copytree(source, target, copy_function=link, symlinks=True, dirs_exist_ok=True)


def packages_here() -> list[Path]:
    """Return the folders of installed packages that this interpreter looks into, wherever it was told to."""
    return [
        Path(each) for each in sys.path if each.endswith(("site-packages", "dist-packages")) and Path(each).is_dir()
    ]


def link(source: str, target: str) -> None:
    """Link a file, or copy it where that is impossible: over the border of a file system, or to another user's."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def give(place: Path, user: pwd.struct_passwd) -> None:
    """Make all in a place a user's own, but the packages, whose files are not copies."""
    os.chown(place, user.pw_uid, user.pw_gid)
    for folder, names, files in os.walk(place):
        if Path(folder) == place:
            names[:] = [each for each in names if each != "packages"]
        for name in (*names, *files):
            os.lchown(Path(folder, name), user.pw_uid, user.pw_gid)
    for folder, _, _ in os.walk(place / "packages"):
        Path(folder).chmod(0o755)


def environment(row: Row, place: Path, tree: Path) -> dict[str, str]:
    """Return the variables of a build: where packages come from is the caller's, the rest the row's."""
    kept = {name: value for name, value in os.environ.items() if any(fnmatch(name, each) for each in KEPT)}
    packages = [] if row.python else [place / "packages"] if row.user else packages_here()
    return kept | {
        "PYTHONPATH": os.pathsep.join(map(str, (tree, *packages))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": row.hash_seed,
        "SEATRIAL_STORE": str(place / "store"),
        "HOME": str(place / row.home),
        "LANG": row.locale,
        "LC_ALL": row.locale,
        **({"TZ": row.timezone} if row.timezone else {}),
        **({"LD_PRELOAD": surroundings.FAKE_TIME, "FAKETIME": row.clock} if row.clock else {}),
    }


def identity(name: str) -> dict[str, Any]:
    """Return what makes a command run as a user."""
    if not name:
        return {}
    user = pwd.getpwnam(name)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def python_of(user: str) -> str:
    """Return an interpreter of this version that the user may start; empty if there is none."""
    shown = "import sys; print(sys.version_info[:2] == " + str(tuple(sys.version_info[:2])) + ")"
    for each in (sys.executable, "/usr/bin/python3", f"/usr/bin/python3.{sys.version_info[1]}"):
        try:
            done = subprocess.run([each, "-c", shown], capture_output=True, check=False, cwd="/", **identity(user))
        except OSError:
            continue
        if done.stdout.strip() == b"True":
            return each
    return ""


def limit_cpus(count: int) -> None:
    """Leave this process the first CPUs of those that it has; 0 for all."""
    if count:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def remove(place: Path) -> None:
    """Remove what a build made, also what belongs to ids that this user can act as in a user namespace only."""
    trees = place / "store" / "trees"
    if os.geteuid() != 0 and trees.is_dir():
        subprocess.run(
            ["unshare", "--map-root-user", "--map-auto", "rm", "-rf", str(trees)], check=False, capture_output=True
        )
    shutil.rmtree(place)


def varied(row: Row) -> dict[str, str]:
    """Return the conditions of a row that are not the plain ones."""
    both = ((name, getattr(row, name), getattr(PLAIN, name)) for name in Row.__dataclass_fields__)
    return {name: str(here) for name, here, plain in both if here != plain}


def line(result: Result) -> str:
    """Return a row of the table, or the error in its place."""
    conditions = " ".join(f"{name}={value}" for name, value in result.varied.items()) or "plain"
    made = f"{result.image[7:23]} {result.suite[7:23]}" if not result.error else f"FAILED: {result.error}"
    told = f"\n  differs by {result.guilty or conditions}: {result.why}" if result.why else ""
    return f"{result.spec:<14} {made}  {result.seconds:>4} s  {conditions}{told}"


def summary(found: Sequence[Result], lacking: Sequence[str]) -> Iterator[str]:
    """Yield what the table shows of each spec, and what it does not."""
    for spec in dict.fromkeys(each.spec for each in found):
        pairs = digests(found, spec)
        rows = sum(each.spec == spec for each in found)
        yield f"{spec}: {'one image, one suite' if len(pairs) == 1 and pairs[0][0] else 'NOT ONE IMAGE'} in {rows} rows"
        yield from (f"  image {image} suite {suite}" if image else "  a build failed" for image, suite in pairs)
    if lacking:
        yield f"not varied: {', '.join(lacking)} ({REASONS})"


def digests(found: Sequence[Result], spec: str) -> list[tuple[str, str]]:
    """Return the pairs of image and suite that a spec was built to, each once; an empty one stands for an error."""
    return sorted({(each.image, each.suite) for each in found if each.spec == spec})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
