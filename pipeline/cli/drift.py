"""``drift``: tell how what runs differs from what was deployed, and from what is live in the stage."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from pipeline.cli import faults

if TYPE_CHECKING:
    import argparse

    from pipeline.release.deployment import Deployment
    from pipeline.release.drift import Drift

EXAMPLES = """\
examples:
  seatrial drift web --stage prod          what differs from what was deployed; exit 1 if any does
  seatrial drift web --stage prod --json   the same for programs"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("app", metavar="APP", help="a spec, by its name in envs/ or its file")
    parser.add_argument("--stage", metavar="STAGE", required=True, help="where it was deployed")


def run(arguments: argparse.Namespace) -> int:
    """Compare, and print what differs; exit 1 if anything does."""
    from pipeline.cli.promotion import app_name, opened_place  # noqa: PLC0415 - keeps the imports of --help few
    from pipeline.deploying import find_drift, open_site  # noqa: PLC0415 - likewise

    with opened_place(arguments) as place:
        record, found = find_drift(open_site(app_name(arguments.app), arguments.stage, place, os.environ))
    if arguments.json:
        sys.stdout.write(json.dumps(_document(record, found), indent=1, ensure_ascii=False) + "\n")
    else:
        _show(record, found)
    return faults.FAILED if found else faults.PASSED


def _show(record: Deployment, found: tuple[Drift, ...]) -> None:
    from pipeline.report.text import visible  # noqa: PLC0415 - likewise

    for each in found:
        sys.stdout.write(visible(f"{each.kind.value}  {each.replica or record.app}: {each.what}") + "\n")
    if not found:
        count = len(record.replicas)
        sys.stdout.write(
            f"no drift: {count} container{'' if count == 1 else 's'} of {record.app} in {record.stage} as deployed\n"
        )


def _document(record: Deployment, found: tuple[Drift, ...]) -> dict[str, object]:
    return {
        "schema": "https://seatrial.dev/drift/v1",
        "app": record.app,
        "stage": record.stage,
        "target": record.target.value,
        "release": record.release.text,
        "image": record.image.text,
        "drifts": [{"kind": each.kind.value, "replica": each.replica, "what": each.what} for each in found],
    }
