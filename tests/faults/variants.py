"""Fresh variants of the faults: other names, other tests beside the bug, other hosts; the same seed makes the same one.

python tests/faults/variants.py make NAME --seed 7 --to FOLDER    a variant to look at, and to verify by hand
python tests/faults/variants.py lock                              renew the locks that all variants share
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from drawn_hosts import INNOCENT, draw
from fault import HERE, Fault, FaultError, faults, read
from words import renaming

ROOT = HERE.parents[1]
BASES = HERE / "_bases"
BESIDE = HERE / "_beside"

Rename = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A variant in a folder of its own.

    Args:
        fault: what it is a variant of.
        seed: what it was drawn by.
        spec: its spec; the lock is beside it.
        fails: ids of the tests that must differ on the guilty hosts, or that are flaky.
        hosts: name → whether the fault's causes hold there.
    """

    fault: Fault
    seed: int
    spec: Path
    fails: frozenset[str]
    hosts: Mapping[str, bool]


def make(fault: Fault, seed: int, folder: Path) -> Variant:
    """Write a variant of ``fault`` into ``folder``, which must be empty or not there."""
    chance = random.Random(f"{seed} {fault.name}")
    rename = renaming(fault.words, chance)
    for part in ("app", "tests"):
        _copy(fault.folder / part, folder / part, rename)
    fails = frozenset(_id(folder, rename(name)) for name in fault.fails)
    if fault.base != "exit":
        _add_tests(folder / "tests", fault.causes.keys(), chance)
    hosts = draw(fault, chance)
    name = f"{chance.choice((fault.name, *(other for others in fault.words.values() for other in others)))}-{seed}"
    spec = _write_spec(folder / f"{name}.yaml", base(fault.base, fault.packages), lock_path(fault), hosts)
    is_guilty = {each: bool(fault.causes) and fault.causes.items() <= hosts[each].items() for each in hosts}
    return Variant(fault=fault, seed=seed, spec=spec, fails=fails, hosts=is_guilty)


def make_beside(seed: int, folder: Path, most: int | None = None) -> Path:
    """Write all tests of ``_beside`` into ``folder``, and a spec with a host for each innocent level, or ``most``."""
    rename = _rename_beside(random.Random(seed))
    _copy(BESIDE, folder / "tests", rename)
    (folder / "app").mkdir()
    (folder / "app" / "README").write_text("The tests are all there is.\n")
    hosts = {
        f"innocent-{factor}-{index}": {factor: level}
        for factor in INNOCENT
        for index, level in enumerate(INNOCENT[factor])
    }
    left_out = random.Random(seed).sample(sorted(hosts), max(0, len(hosts) - most)) if most is not None else ()
    hosts = {name: levels for name, levels in hosts.items() if name not in left_out}
    return _write_spec(folder / f"beside-{seed}.yaml", base("bookworm", ()), BASES / "bookworm.lock.json", hosts)


def base(name: str, packages: Iterable[str]) -> dict[str, Any]:
    """Return a spec without hosts."""
    spec = yaml.safe_load((BASES / f"{name}.yaml").read_text())
    spec["image"]["packages"] += packages
    return spec


def lock_path(fault: Fault) -> Path:
    """Return where the lock of all apps of the same base and packages is: it answers neither hosts nor files."""
    return BASES / f"{'+'.join((fault.base, *fault.packages))}.lock.json"


def _write_spec(path: Path, spec: Mapping[str, Any], lock: Path, hosts: Mapping[str, Mapping[str, str]]) -> Path:
    declared = [{"name": name, "factors": dict(factors)} for name, factors in hosts.items()]
    path.write_text(yaml.safe_dump({**spec, "hosts": declared}, sort_keys=False))
    shutil.copy(lock, path.with_suffix(".lock.json"))
    return path


def _copy(source: Path, target: Path, rename: Rename) -> None:
    for path in sorted(source.rglob("*")):
        if not path.is_file() or path.suffix == ".pyc":
            continue
        there = target / rename(str(path.relative_to(source)))
        there.parent.mkdir(parents=True, exist_ok=True)
        try:
            there.write_text(rename(path.read_text()))
        except UnicodeDecodeError:
            shutil.copy(path, there)
        there.chmod(path.stat().st_mode & 0o777)


def _id(folder: Path, name: str) -> str:
    """Return pytest's id of a test: it runs in the folder above ``tests``."""
    if name == "suite" or ".py" in name:
        return name
    outermost = name.partition("::")[0].partition("[")[0]
    for path in sorted((folder / "tests").rglob("test_*.py")):
        if outermost in {each.name for each in ast.parse(path.read_text()).body if hasattr(each, "name")}:
            return f"{path.relative_to(folder)}::{name}"
    raise FaultError(f"no test {name!r} in {folder}")


def _add_tests(tests: Path, causes: Collection[str], chance: random.Random) -> None:
    """Put tests beside the guilty ones: in files of their own, and before and after them in the same file."""
    pool = [path for path in sorted(BESIDE.glob("test_*.py")) if _touching(path).isdisjoint(causes)]
    rename = _rename_beside(chance)
    guilty = sorted(tests.rglob("test_*.py"))
    for path in chance.sample(pool, chance.randint(3, 7)):
        text = rename(path.read_text())
        place = chance.choice(guilty)
        if chance.random() < 0.5 and not _bound(text) & _bound(place.read_text()):
            parts = [text.strip(), place.read_text().strip()]
            place.write_text("\n\n\n".join(parts if chance.random() < 0.5 else reversed(parts)) + "\n")
        else:
            there = tests / f"test_{chance.choice('abcdefghijklmnopqrstuvwxyz')}_{rename(path.stem)[5:]}.py"
            there.write_text(text)


def _rename_beside(chance: random.Random) -> Rename:
    words = yaml.safe_load((BESIDE / "words.yaml").read_text())
    return renaming({word: tuple(others) for word, others in words.items()}, chance)


def _touching(path: Path) -> set[str]:
    """Return the factors that break the tests in a file by levels of apps, as its first line says."""
    first = path.read_text().partition("\n")[0]
    return set(first.removeprefix("# touched by:").replace(" ", "").split(",")) if first.startswith("#") else set()


def _bound(text: str) -> set[str]:
    """Return the names that a module's statements bind, but those that mean the same wherever they are imported."""
    names: set[str] = set()
    for each in ast.parse(text).body:
        match each:
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                names.add(each.name)
            case ast.Import():
                names |= {alias.asname or "" for alias in each.names} - {""}
            case ast.ImportFrom():
                names |= {alias.asname or alias.name for alias in each.names}
            case _:
                names |= {node.id for node in ast.walk(each) if isinstance(node, ast.Name)}
    return names


def _lock() -> None:
    """Lock each base with each list of packages that an app asks for, by the command that users have."""
    wanted = {lock_path(fault): fault for fault in map(read, (HERE / name for name in faults()))}
    for path, fault in sorted(wanted.items()):
        with tempfile.TemporaryDirectory() as folder:
            spec = Path(folder) / "spec.yaml"
            spec.write_text(yaml.safe_dump(base(fault.base, fault.packages)))
            for part in ("app", "tests"):
                (Path(folder) / part).mkdir()
            if path.exists():
                shutil.copy(path, spec.with_suffix(".lock.json"))
            command = [sys.executable, "-m", "pipeline.cli.main", "lock", str(spec)]
            subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
            shutil.copy(spec.with_suffix(".lock.json"), path)
    for path in set(BASES.glob("*.lock.json")) - wanted.keys():
        path.unlink()


def main() -> None:
    """Make one variant, or renew the locks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("lock")
    making = verbs.add_parser("make")
    making.add_argument("name", choices=faults())
    making.add_argument("--seed", type=int, default=0)
    making.add_argument("--to", type=Path, required=True)
    options = parser.parse_args()
    if options.verb == "lock":
        _lock()
        return
    variant = make(read(HERE / options.name), options.seed, options.to)
    print(json.dumps({"spec": str(variant.spec), "fails": sorted(variant.fails), "hosts": variant.hosts}, indent=1))


if __name__ == "__main__":
    main()
