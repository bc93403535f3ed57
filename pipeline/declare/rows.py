"""``rows``: the hosts that a set makes of the levels that it covers: every pair of levels of two factors is met."""

import re

from pipeline.declare.covering import covering_array
from pipeline.declare.errors import SpecError
from pipeline.declare.host_file import HostSet
from runtime.factors import factor
from runtime.host import Host

_NAME = re.compile(r"(?P<set>.+?)-(?P<number>[1-9][0-9]*)(-seed-(?P<seed>[1-9][0-9]*))?")


def rows(host_set: HostSet, seed: int) -> tuple[Host, ...]:
    """Return the hosts of a set's ``cover``; with the reference, whose levels are in it, they meet every pair.

    Args:
        host_set: the set.
        seed: the same seed gives the same hosts. It is part of their names, but for 0.

    Raises:
        SpecError: what must never stand together leaves no host.
    """
    if not host_set.cover:
        return ()
    usual = {name: factor(name).default for name in host_set.cover}
    levels = {name: tuple(dict.fromkeys((usual[name], *each))) for name, each in host_set.cover.items()}
    try:
        _, *others = covering_array(levels, seed=seed, forbidden=host_set.never, first=usual)
    except SpecError as error:
        raise SpecError(f"the set {host_set.name!r} cannot be made: {error.message}", hint=error.hint) from error
    return tuple(
        Host(
            name=row_name(host_set.name, number, seed),
            about=f"Row {number} of the covering array of the set {host_set.name}",
            factors={name: level for name, level in row.items() if level != usual[name]},
        )
        for number, row in enumerate(others, 1)
    )


def row_name(host_set: str, number: int, seed: int) -> str:
    """Return the name of a row: ``pairs-3``, ``pairs-3-seed-7``."""
    return f"{host_set}-{number}" + (f"-seed-{seed}" if seed else "")


def parse_row_name(name: str) -> tuple[str, int, int] | None:
    """Return the set, the number and the seed that a row's name says; None if it is no such name."""
    found = _NAME.fullmatch(name)
    return (found["set"], int(found["number"]), int(found["seed"] or 0)) if found else None
