"""Every level of every factor: how true it is, who may have it, which backends carry it out, and what it has broken.

``python -m runtime.backends.reference`` prints docs/reference/factors.md.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from importlib import resources

from runtime.backends.native.one_id import is_emulated
from runtime.factors import FACTORS
from runtime.factors.carriers import EVERY
from runtime.factors.factor import Factor
from runtime.factors.machinery import RuntimeFactor
from runtime.factors.privileges import NoNewPrivilegesFactor
from runtime.outcome import Fidelity

_HEAD = ("factor", "level", "what it means", "fidelity", "root", "plain user", "backends", "known bugs")

_ABOUT = """\
# Factors

<!-- generated: python -m runtime.backends.reference -->

{count} factors, {levels} levels by name; many take further values, such as any size. The first level of a factor is the
reference's. `seatrial hosts --levels` tells which can be had on this machine, and why not the others.

* **Fidelity** is that of the native runtime: `native` is the real thing, `emulated` shows the same at the interface
  that programs use, `advisory` may have quirks of its own. Each run proves its levels from inside; one that did not
  take effect makes it INCONCLUSIVE.
* **Plain user**: `yes`; `groups` where control groups must be delegated to the user, else the level is refused, and the
  reference's holds if the run, watched, stayed below it; `one id: emulated` where a user without a range of ids gets an
  imitation.
* **Backends** that are not named refuse the level by name, before anything runs.
"""


def to_markdown() -> str:
    """Return the page of the reference."""
    return "\n".join(_lines()) + "\n"


def known_bugs() -> Mapping[str, tuple[str, ...]]:
    """Return factor → reports of what it has broken, each as ``OWNER/REPOSITORY#NUMBER``, for those that have some."""
    read = json.loads(resources.files(__package__).joinpath("bugs.json").read_text(encoding="utf-8"))
    return {name: tuple(found) for name, found in read.items()}


def _lines() -> Iterator[str]:
    bugs = known_bugs()
    yield _ABOUT.format(count=len(FACTORS), levels=sum(len(each.levels) for each in FACTORS))
    yield _row(_HEAD)
    yield _row(("---",) * len(_HEAD))
    for each in FACTORS:
        links = ", ".join(map(_link, bugs.get(each.name, ())))
        for number, (level, meaning) in enumerate(_ordered(each)):
            first = (f"**{each.name}**", links) if number == 0 else ("", "")
            what = (f"`{level}`", meaning.replace("|", "\\|"), each.fidelity(level).value)
            yield _row((first[0], *what, "yes", _plain_user(each, level), _carriers(each, level), first[1]))


def _ordered(each: Factor) -> tuple[tuple[str, str], ...]:
    """Return levels and meanings, the reference's level first."""
    return tuple(sorted(each.levels.items(), key=lambda row: row[0] != each.default))


def _plain_user(each: Factor, level: str) -> str:
    if each.needs(level):
        return "groups"
    if (each.name, level) == (NoNewPrivilegesFactor.name, "no"):
        return "with a range of ids"
    imitated = is_emulated(each.name, level) and each.fidelity(level) is Fidelity.NATIVE
    return "yes; one id: emulated" if imitated else "yes"


def _carriers(each: Factor, level: str) -> str:
    if each.name == RuntimeFactor.name:
        return level
    carriers, others = each.carriers(level), EVERY - each.carriers(level)
    if not others:
        return "all"
    shown = ", ".join(sorted(carriers))
    return f"all but {', '.join(sorted(others))}" if len(others) < len(carriers) else shown


def _link(bug: str) -> str:
    repository, _, number = bug.partition("#")
    return f"[{repository.rpartition('/')[2]}#{number}](https://github.com/{repository}/issues/{number})"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
