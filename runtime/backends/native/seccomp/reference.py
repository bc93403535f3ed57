"""The default profile beside those of Docker and podman: how many calls each allows, and why ours allows fewer.

``python -m runtime.backends.native.seccomp.reference`` prints docs/reference/system-calls.md.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from runtime.backends.native.seccomp import read_numbers
from runtime.data import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    """Another default profile.

    Args:
        name: ``docker`` or ``containers-common``.
        about: whose it is, and of when.
        allowed: how many calls it allows under the engine's default capabilities, some for certain arguments only.
        refused: call that it allows and ours does not → why.
        added: call that ours allows and it does not → why.
    """

    name: str
    about: str
    allowed: int
    refused: Mapping[str, str]
    added: Mapping[str, str]


def allowed_calls() -> frozenset[str]:
    """Return the names of the calls that the default profile allows, some for certain arguments only."""
    profile = _data("default.json")
    known = {name for table in read_numbers().values() for name in table}
    return frozenset({*profile["allow"], *profile["conditions"]} & known)


def neighbors() -> tuple[Neighbor, ...]:
    """Return the profiles that ours is counted beside."""
    return tuple(Neighbor(name=name, **row) for name, row in sorted(_data("beside.json")["profiles"].items()))


def summary() -> str:
    """Return the counts in one line."""
    docker = next(each for each in neighbors() if each.name == "docker")
    return f"{len(allowed_calls())} system calls allowed, of {docker.allowed} that Docker allows"


def to_markdown() -> str:
    """Return the page of the reference."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    profile, numbers = _data("default.json"), read_numbers()
    ours = allowed_calls()
    yield "# System calls"
    yield ""
    yield "<!-- generated: python -m runtime.backends.native.seccomp.reference -->"
    yield ""
    yield "A run under the factor level `seccomp: default` may make the calls below. A call through a foreign interface"
    yield "(i386, x32, another architecture) ends the process with SIGSYS."
    yield ""
    yield "| profile | allowed | x86_64 | aarch64 |"
    yield "|---|---|---|---|"
    counts = " | ".join(str(len(ours & numbers[machine].keys())) for machine in ("x86_64", "aarch64"))
    yield f"| Seatrial's | **{len(ours)}** | {counts} |"
    for each in neighbors():
        yield f"| {each.about} | {each.allowed} | | |"
    for each in neighbors():
        yield from _differences(each)
    yield from _table("Allowed for certain arguments only", "condition", _data("beside.json")["narrower"])
    yield from _names("Allowed", profile["allow"])
    yield from _names("Refused with EPERM", profile["refuse"])
    yield ""
    yield "All others fail with ENOSYS, as on an older kernel."


def _differences(neighbor: Neighbor) -> Iterator[str]:
    yield from _table(f"Allowed by {neighbor.about}, refused by ours", "why", neighbor.refused)
    if neighbor.added:
        yield from _table(f"Allowed by ours, not by {neighbor.about}", "why", neighbor.added)
    else:
        yield ""
        yield "Ours allows nothing that it refuses."


def _table(title: str, head: str, rows: Mapping[str, str]) -> Iterator[str]:
    yield from ("", f"## {title}", "", f"| call | {head} |", "|---|---|")
    yield from (f"| `{name}` | {text} |" for name, text in sorted(rows.items()))


def _names(title: str, names: list[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "", ", ".join(f"`{name}`" for name in sorted(names)))


def _data(name: str) -> Any:  # noqa: ANN401 - as json has it
    return json.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
