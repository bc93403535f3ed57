"""``doctor``: what can run here, and the command that enables what cannot."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from pipeline.cli import faults

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pipeline.report.text import Ink
    from pipeline.verify.offers import Ability, Examination, LevelOffer, Offer

EXAMPLES = """\
examples:
  seatrial doctor                   exit 0 if all hosts that the specs need can run here, else 3"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="whose hosts are needed (envs/*.yaml)")


def run(arguments: argparse.Namespace) -> int:
    """Print the answer first, then a line for each part of this machine with its remedy."""
    from pipeline.cli.arguments import UsageError  # noqa: PLC0415 - as above
    from pipeline.cli.options import options  # noqa: PLC0415 - as above
    from pipeline.cli.specs import named_specs  # noqa: PLC0415 - as above
    from pipeline.report.text import Ink  # noqa: PLC0415 - as above

    try:
        paths = named_specs(arguments.specs).paths
    except UsageError:
        if arguments.specs:
            raise
        paths = ()  # A project without specs needs no host; what could run is told all the same.
    wishes = options(arguments)

    from pipeline import examination  # noqa: PLC0415 - loads everything, so after what people can get wrong

    found = examination.examine(paths, wishes)
    text = _document(found) if arguments.json else ""
    sys.stdout.write(text or _text(found, Ink.of(sys.stdout, os.environ)))
    return faults.INCONCLUSIVE if any(each.required and each.unavailable for each in found.offers) else faults.PASSED


def _text(found: Examination, ink: Ink) -> str:
    from pipeline.report.text import columns, count, pad, visible  # noqa: PLC0415 - not for --help

    offers, abilities = found.offers, found.abilities
    here = sum(each.unavailable is None for each in offers)
    lines = [f"This machine can try {here} of {count(len(offers), 'host')}."]
    width = max((columns(each.name) for each in abilities), default=0)
    for each in abilities:
        mark = ink.symbol("●" if each.unavailable is None else "\N{EN DASH}")
        said = each.about if each.unavailable is None else each.unavailable.reason
        hint = each.unavailable.hint if each.unavailable else ""
        head = f"  {mark} {pad(visible(each.name), width)}  "
        line = head + visible(said)
        fits = columns(line) + columns(hint) + 2 <= ink.width
        lines.append(f"{line}  {visible(hint)}" if hint and fits else line)
        lines += [" " * columns(head) + visible(hint)] * bool(hint and not fits)
    lines += [f"  {line}" for line in _levels(found.levels, ink)]
    for offer in offers:
        if offer.required and offer.unavailable:
            why = offer.unavailable
            lines.append(f"  {ink.symbol('✕')} the specs need {visible(offer.host.name)}: {visible(why.reason)}")
            lines += [f"    {visible(why.hint)}"] * bool(why.hint)
    return "\n".join(lines) + "\n"


def _levels(levels: Sequence[LevelOffer], ink: Ink) -> list[str]:
    """Say how many levels can be had, and name those that are emulated, advisory, or not to be had."""
    from pipeline.report.text import count, visible, wrap  # noqa: PLC0415 - not for --help

    factors = {each.factor for each in levels}
    here = sum(each.unavailable is None for each in levels)
    head = f"{here} of {len(levels)} levels of {count(len(factors), 'factor')} can be had"
    groups: dict[str, list[str]] = {}
    for each in levels:
        word = "not here" if each.unavailable else str(each.fidelity)
        groups.setdefault(word, []).append(f"{each.factor}={each.level}")
    said = [f"{word}: {', '.join(groups[word])}" for word in ("emulated", "advisory", "not here") if word in groups]
    return [head, *(f"  {line}" for text in said for line in wrap(visible(text), ink.width - 4))]


def _document(found: Examination) -> str:
    def row(name: str, each: Offer | Ability | LevelOffer) -> dict[str, object]:
        why = each.unavailable
        reason, hint = (why.reason, why.hint) if why else ("", "")
        return {"name": name, "available": why is None, "reason": reason, "hint": hint}

    hosts = [row(each.host.name, each) | {"required": each.required} for each in found.offers]
    parts = [row(each.name, each) | {"about": each.about} for each in found.abilities]
    levels = [
        row(each.factor, each) | {"level": each.level, "fidelity": str(each.fidelity) if each.fidelity else None}
        for each in found.levels
    ]
    document = {"schema": "https://seatrial.dev/doctor/v1", "hosts": hosts, "abilities": parts, "levels": levels}
    return json.dumps(document, indent=1) + "\n"
