"""``hosts``: the hosts and which can run here, or the levels of their factors."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.specs import PATTERN

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pipeline.report.text import Ink
    from pipeline.verify.offers import Offer

EXAMPLES = """\
examples:
  seatrial hosts                    every host, and whether it can run here
  seatrial hosts --levels           every factor with its levels"""

_LEVEL = 22


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("--levels", action="store_true", help="list the factors and their levels instead")


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    from pipeline.report.text import Ink  # noqa: PLC0415 - not for --help

    ink = Ink.of(sys.stdout, os.environ)
    if arguments.levels:
        sys.stdout.write(_levels_json() if arguments.json else _levels(ink))
        return 0

    from pipeline import examination  # noqa: PLC0415 - loads everything
    from pipeline.cli.options import options  # noqa: PLC0415 - likewise

    offers = examination.offers(Path(PATTERN), options(arguments)).offers
    sys.stdout.write(_hosts_json(offers) if arguments.json else _hosts(offers, ink))
    return 0


def _hosts(offers: Sequence[Offer], ink: Ink) -> str:
    from pipeline.report.sentences import levels  # noqa: PLC0415 - not for --help
    from pipeline.report.text import columns, count, pad, visible, wrap  # noqa: PLC0415 - likewise

    width = max((columns(each.host.name) for each in offers), default=0)
    lines = []
    for each in offers:
        mark = ink.symbol("\N{EN DASH}" if each.unavailable else "●")
        first, *rest = wrap(visible(each.host.about), ink.width - width - 6)
        lines.append(ink.paint(mark, "dim") + f" {pad(visible(each.host.name), width)}  {first}")
        lines += [f"{' ' * (width + 4)}{line}" for line in rest]
        said = visible(levels(each.host.differing))
        lines += [ink.paint(f"{' ' * (width + 4)}{line}", "dim") for line in wrap(said, ink.width - width - 6) if line]
        if each.unavailable:
            why = visible(each.unavailable.reason)
            lines += [f"{' ' * (width + 4)}{line}" for line in wrap(f"not here: {why}", ink.width - width - 6)]
            lines += [f"{' ' * (width + 4)}{visible(each.unavailable.hint)}"] * bool(each.unavailable.hint)
    here = sum(not each.unavailable for each in offers)
    return "\n".join([*lines, "", f"{here} of {count(len(offers), 'host')} can run here."]) + "\n"


def _hosts_json(offers: Sequence[Offer]) -> str:
    hosts = [
        {
            "name": each.host.name,
            "about": each.host.about,
            "source": each.host.source,
            "digest": str(each.host.digest),
            "factors": dict(each.host.differing),
            "available": each.unavailable is None,
            "reason": each.unavailable.reason if each.unavailable else "",
            "hint": each.unavailable.hint if each.unavailable else "",
        }
        for each in offers
    ]
    return json.dumps({"schema": "https://seatrial.dev/hosts/v1", "hosts": hosts}, indent=1) + "\n"


def _levels(ink: Ink) -> str:
    from pipeline.report.text import wrap  # noqa: PLC0415 - not for --help
    from runtime.factors import FACTORS  # noqa: PLC0415 - likewise

    lines = []
    for factor in FACTORS:
        lines.append(ink.paint(factor.name, "bold"))
        for level, about in factor.levels.items():
            mark = ink.symbol("◆") if level == factor.default else " "
            first, *rest = wrap(about, ink.width - _LEVEL - 6)
            lines.append(f"  {mark} {level:<{_LEVEL}}  {first}")
            lines += [f"{' ' * (_LEVEL + 6)}{line}" for line in rest]
    return "\n".join([*lines, "", f"{ink.symbol('◆')} is the reference's level."]) + "\n"


def _levels_json() -> str:
    from runtime.factors import FACTORS  # noqa: PLC0415 - not for --help

    factors = [
        {"name": each.name, "default": each.default, "control": each.control, "levels": each.levels} for each in FACTORS
    ]
    return json.dumps({"schema": "https://seatrial.dev/factors/v1", "factors": factors}, indent=1) + "\n"
