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
    from pipeline.verify.offers import Ability, Offer

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

    from pipeline import verification  # noqa: PLC0415 - loads everything, so after what people can get wrong

    found = verification.examine(paths, wishes)
    text = _document(found.offers, found.abilities) if arguments.json else ""
    sys.stdout.write(text or _text(found.offers, found.abilities, Ink.of(sys.stdout, os.environ)))
    return faults.INCONCLUSIVE if any(each.required and each.unavailable for each in found.offers) else faults.PASSED


def _text(offers: Sequence[Offer], abilities: Sequence[Ability], ink: Ink) -> str:
    from pipeline.report.text import columns, count, pad, visible  # noqa: PLC0415 - not for --help

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
    for offer in offers:
        if offer.required and offer.unavailable:
            why = offer.unavailable
            lines.append(f"  {ink.symbol('✕')} the specs need {visible(offer.host.name)}: {visible(why.reason)}")
            lines += [f"    {visible(why.hint)}"] * bool(why.hint)
    return "\n".join(lines) + "\n"


def _document(offers: Sequence[Offer], abilities: Sequence[Ability]) -> str:
    def row(name: str, each: Offer | Ability) -> dict[str, object]:
        why = each.unavailable
        reason, hint = (why.reason, why.hint) if why else ("", "")
        return {"name": name, "available": why is None, "reason": reason, "hint": hint}

    hosts = [row(each.host.name, each) | {"required": each.required} for each in offers]
    parts = [row(each.name, each) | {"about": each.about} for each in abilities]
    document = {"schema": "https://seatrial.dev/doctor/v1", "hosts": hosts, "abilities": parts}
    return json.dumps(document, indent=1) + "\n"
