"""Outages that happened, each as a small app with the same mechanism, and the one factor that turns it red.

python tests/outages/outage.py make NAME --to FOLDER    the app with its hosts, to look at and to verify by hand
python tests/outages/outage.py lock                     renew the locks that only these apps need
python tests/outages/outage.py page                     print docs/reference/outages.md
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HOSTS = ROOT / "specs" / "hosts"
BASES = HERE / "_bases"
FAULTS = HERE.parent / "faults"
sys.path.append(str(FAULTS))

import variants  # noqa: E402
from fault import FaultError  # noqa: E402


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One app of this folder, in the format of the faults and three keys more.

    Args:
        folder: where it is.
        about: one sentence: what the wrong assumption is.
        factor: what turns it red.
        level: at which level.
        also: other levels of the same factor that do.
        link: the report of what happened.
        title: of the report.
        fails: names of the tests that differ.
        reference: what these tests are on the reference.
        here: what they become.
        sensitive: factors whose other levels touch this app too; no host that sets one is asked.
        base: name of a file in ``_bases``, here or beside the faults.
        packages: Debian packages beside the base's.
    """

    folder: Path
    about: str
    factor: str
    level: str
    also: tuple[str, ...]
    link: str
    title: str
    fails: tuple[str, ...]
    reference: str
    here: str
    sensitive: frozenset[str]
    base: str
    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def red_levels(self) -> tuple[str, ...]:
        """The levels of the factor at which the app behaves as it did in the outage, or else than there."""
        return self.level, *self.also


def outages() -> tuple[str, ...]:
    """Return the names of all, sorted."""
    return tuple(sorted(path.parent.name for path in HERE.glob("*/fault.yaml")))


def read(folder: Path) -> Outage:
    """Return the outage in a folder.

    Raises:
        FaultError: a key is unknown or missing, or the causes are not one.
    """
    values: dict[str, Any] = yaml.load((folder / "fault.yaml").read_text(), Loader=yaml.BaseLoader)  # noqa: S506
    try:
        ((factor, level),) = values.pop("causes").items()
        report = values.pop("outage")
        outage = Outage(
            folder=folder,
            about=values.pop("about"),
            factor=factor,
            level=level,
            also=tuple(values.pop("also", ())),
            link=report["link"],
            title=report["title"],
            fails=tuple(values.pop("fails")),
            reference=values.pop("reference", "passed"),
            here=values.pop("here", "failed"),
            sensitive=frozenset(values.pop("sensitive", ())),
            base=values.pop("base", "bookworm"),
            packages=tuple(sorted(values.pop("packages", ()))),
        )
    except (KeyError, ValueError) as error:
        raise FaultError(f"{folder.name}/fault.yaml: {error!r}") from error
    if values.pop("kind", "") != "one" or values:
        raise FaultError(f"{folder.name}/fault.yaml: not of kind one, or unknown keys {sorted(values)}")
    return outage


def hosts_of(outage: Outage, seed: int, most: int | None) -> dict[str, dict[str, str]]:
    """Return the hosts that an app is verified on: name → levels.

    The guilty level alone, among levels drawn of other factors, and every host of the set ``thorough`` that sets one
    level, so that each factor that has such a host is asked whether it turns the app red, too.

    Args:
        outage: the app.
        seed: what is drawn, is drawn by it.
        most: how many hosts are asked that must stay green, drawn of all; None for all.
    """
    chance = random.Random(f"{seed} {outage.name}")
    guilty = {outage.factor: outage.level}
    free = sorted(variants.INNOCENT.keys() - guilty.keys() - outage.sensitive)
    drawn = sorted(chance.sample(free, chance.randint(5, 9)))
    among = {factor: chance.choice(variants.INNOCENT[factor]) for factor in drawn}
    brought = dict(_single_levels(outage.sensitive))
    green = [name for name, levels in brought.items() if levels.get(outage.factor) not in outage.red_levels]
    left_out = chance.sample(green, len(green) - most) if most is not None and most < len(green) else ()
    asked = {name: levels for name, levels in brought.items() if name not in left_out}
    return {"alone": guilty, "among": {**guilty, **among}, **asked}


def make(
    outage: Outage, folder: Path, seed: int = 0, most: int | None = None
) -> tuple[Path, dict[str, dict[str, str]]]:
    """Write the app, its spec and the lock into a folder; return where the spec is, and its hosts."""
    for part in ("app", "tests"):
        shutil.copytree(outage.folder / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    hosts = hosts_of(outage, seed, most)
    declared = [{"name": name, "factors": levels} for name, levels in hosts.items()]
    spec = folder / f"{outage.name}.yaml"
    spec.write_text(yaml.safe_dump({**_base(outage), "hosts": declared}, sort_keys=False))
    shutil.copy(lock_path(outage), folder / f"{outage.name}.lock.json")
    return spec, hosts


def lock_path(outage: Outage) -> Path:
    """Return where the lock of all apps of the same base and packages is: it answers neither hosts nor files."""
    name = f"{'+'.join((outage.base, *outage.packages))}.lock.json"
    return next((each / name for each in (variants.BASES, BASES) if (each / name).exists()), BASES / name)


def page() -> str:
    """Return the page of the reference."""
    head = """\
# Outages

<!-- generated: python tests/outages/outage.py page -->

What has happened to others, and the one thing about a host that makes it happen again. Each is a small app in
`tests/outages/` with the mechanism of the report that it names: verified, it is red on the hosts that have the level,
and green on every other host of the set `thorough` that differs from the reference in one level.

| outage | report | factor | level | what was taken for granted |
| --- | --- | --- | --- | --- |
"""
    return head + "".join(_rows())


def _rows() -> Iterator[str]:
    for each in (read(HERE / name) for name in outages()):
        _, repository, _, number = each.link.removeprefix("https://github.com/").split("/")
        report = f"[{repository}#{number}]({each.link}): {each.title}".replace("|", "\\|")
        levels = ", ".join(f"`{level}`" for level in each.red_levels)
        if each.reference != "passed":
            levels += " (green there, and red elsewhere)"
        yield f"| `{each.name}` | {report} | `{each.factor}` | {levels} | {each.about} |\n"


def _single_levels(sensitive: frozenset[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the hosts of the set ``thorough`` that set one level, of a factor that is not among these."""
    names = yaml.safe_load((HOSTS / "sets" / "thorough.yaml").read_text())["hosts"]
    for name in names:
        levels = yaml.load((HOSTS / f"{name}.yaml").read_text(), Loader=yaml.BaseLoader)["factors"]  # noqa: S506
        if len(levels) == 1 and not levels.keys() & sensitive:
            yield name, levels


def _base(outage: Outage) -> dict[str, Any]:
    """Return a spec without hosts."""
    folder = BASES if (BASES / f"{outage.base}.yaml").exists() else variants.BASES
    spec: dict[str, Any] = yaml.safe_load((folder / f"{outage.base}.yaml").read_text())
    spec["image"]["packages"] += outage.packages
    return spec


def _lock() -> None:
    """Lock what these apps ask for and the faults do not, by the command that users have."""
    wanted: Mapping[Path, Outage] = {lock_path(each): each for each in (read(HERE / name) for name in outages())}
    for path, outage in sorted(wanted.items()):
        if path.parent != BASES:
            continue
        with tempfile.TemporaryDirectory() as folder:
            spec = Path(folder) / "spec.yaml"
            spec.write_text(yaml.safe_dump(_base(outage)))
            for part in ("app", "tests"):
                (Path(folder) / part).mkdir()
            if path.exists():
                shutil.copy(path, spec.with_suffix(".lock.json"))
            command = [sys.executable, "-m", "pipeline.cli.main", "lock", str(spec)]
            subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
            BASES.mkdir(exist_ok=True)
            shutil.copy(spec.with_suffix(".lock.json"), path)
    for path in set(BASES.glob("*.lock.json")) - wanted.keys():
        path.unlink()


def main() -> None:
    """Make one, renew the locks, or print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("lock")
    verbs.add_parser("page")
    making = verbs.add_parser("make")
    making.add_argument("name", choices=outages())
    making.add_argument("--to", type=Path, required=True)
    making.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    match options.verb:
        case "lock":
            _lock()
        case "page":
            print(page(), end="")
        case _:
            spec, _ = make(read(HERE / options.name), options.to, options.seed)
            print(spec)


if __name__ == "__main__":
    main()
