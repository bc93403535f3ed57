"""``status``: what each stage has, by whose word and since when, and what did not come to its end."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from pipeline.cli import faults
from pipeline.cli.promotion import app_name, journal_of, now, opened_place

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pipeline.release.deployment import Deployment
    from pipeline.standings import Stand

EXAMPLES = """\
examples:
  seatrial status                   every app that this machine knows of, in every stage
  seatrial status web               one app, with its earlier releases
  seatrial status --json            for a program"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("app", nargs="?", default="", metavar="APP", help="the name of a spec, or its file (all)")


def run(arguments: argparse.Namespace) -> int:
    """Show the stages; exit 1 if one of them cannot be read."""
    from pipeline.report.text import Ink, pad, visible  # noqa: PLC0415 - keeps the imports of --help few
    from pipeline.standings import standings  # noqa: PLC0415 - likewise

    with opened_place(arguments, makes_key=False) as place:
        app = app_name(arguments.app) if arguments.app else ""
        found = standings(place, journal_of(place), app)
    at = now()
    if arguments.json:
        stands = [_document(each, at) for each in found]
        sys.stdout.write(json.dumps({"schema": "https://seatrial.dev/status/v1", "stages": stands}, indent=1) + "\n")
    else:
        ink = Ink.of(sys.stdout, os.environ)
        width = max((len(f"{each.app}  {each.stage}") for each in found), default=0)
        for stand in found:
            name = pad(f"{stand.app}  {stand.stage}", width)
            told = _lines(stand, name, at, is_whole=bool(app))
            sys.stdout.writelines(f"{ink.plain(visible(line))}\n" for line in told)
        if not found:
            sys.stdout.write("no stage has a release yet\n")
    return faults.FAILED if any(each.problem for each in found) else faults.PASSED


def _lines(stand: Stand, name: str, at: int, *, is_whole: bool) -> Iterator[str]:
    """Yield a line for a stage, and one for each thing that people have to know of it."""
    if stand.problem:
        yield f"{name}  cannot be read: {stand.problem}"
        return
    claim = stand.accepted
    if stand.live is None:
        yield f"{name}  nothing"
    elif claim is None:
        yield f"{name}  {stand.live.short}  nobody who may says that it was let in"
    else:
        since = f"number {claim.says.number}, {age(at - claim.at)} ago, by {claim.holder.name}"
        evidence = f", evidence of {age(at - stand.verified)} ago" if stand.verified is not None else ", no evidence"
        yield f"{name}  {stand.live.short}  {since}{evidence}"
    if stand.deployed is not None:
        yield f"        {_deployed(stand.deployed)}{_apart(stand)}"
    if stand.unfinished is not None:
        step = stand.unfinished.steps[-1] if stand.unfinished.steps else "its beginning"
        since = age(at - stand.unfinished.at)
        yield f"        unfinished: {stand.unfinished.release.short}, begun {since} ago, at {step}; promote it again"
    if is_whole:
        yield from (f"        before: {each}" for each in stand.others)


def _deployed(deployment: Deployment) -> str:
    """Return what runs by the record; what really does, `drift` tells."""
    what = f"{deployment.release.short}, number {deployment.number}"
    if not deployment.replicas:
        return f"deployed: nothing; the last was {what}"
    return f"deployed: {what}, {len(deployment.replicas)} container{'s' * (len(deployment.replicas) != 1)}"


def _apart(stand: Stand) -> str:
    """Return what is to be said where something else is deployed than is live."""
    is_live = stand.deployed is None or stand.deployed.release == stand.live
    return "" if is_live else f"; `seatrial deploy {stand.app} --stage {stand.stage}` runs what is live"


def age(seconds: int) -> str:
    """Return how long ago something was, in one unit: ``3 days``."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'s' * (number != 1)}"
    return f"{max(0, seconds)} s"


def _document(stand: Stand, at: int) -> dict[str, object]:
    claim, left, deployed = stand.accepted, stand.unfinished, stand.deployed
    return {
        "app": stand.app,
        "stage": stand.stage,
        "store": stand.store,
        "live": stand.live.text if stand.live else None,
        "number": claim.says.number if claim else None,
        "since": claim.at if claim else None,
        "key": {"name": claim.holder.name, "id": claim.holder.key.id} if claim else None,
        "evidence-age": at - stand.verified if stand.verified is not None else None,
        "others": [each.text for each in stand.others],
        "unfinished": {"release": left.release.text, "at": left.at, "steps": list(left.steps)} if left else None,
        "deployed": {
            "release": deployed.release.text,
            "number": deployed.number,
            "containers": len(deployed.replicas),
        }
        if deployed
        else None,
        "problem": stand.problem,
    }
