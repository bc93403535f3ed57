"""``deploy``: run what is live in a stage, and read back what really runs."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from pipeline.cli import faults

if TYPE_CHECKING:
    import argparse

    from pipeline.deploying import Deployed

EXAMPLES = """\
examples:
  seatrial deploy web --stage prod          run what is live in prod, as its file says; secrets come
                                            from the environment of this command
  seatrial deploy web --stage prod --json   the same for programs"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("app", metavar="APP", help="a spec, by its name in envs/ or its file")
    parser.add_argument("--stage", metavar="STAGE", required=True, help="whose live release is deployed")
    parser.add_argument(
        "--key", metavar="KEY", default="", help="sign with a file's key, agent:NAME or oidc:FILE (SEATRIAL_KEY)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Deploy, and print what runs; exit 1 if it was refused or rolled back, or stands and could not be signed."""
    from pipeline.cli.bill import own_version  # noqa: PLC0415 - keeps the imports of --help few
    from pipeline.cli.promotion import app_name, now, opened_place  # noqa: PLC0415 - likewise
    from pipeline.cli.signer import chosen_signer  # noqa: PLC0415 - likewise
    from pipeline.deploying import deploy, open_site  # noqa: PLC0415 - likewise

    signer = chosen_signer(arguments.key)
    with opened_place(arguments) as place:
        site = open_site(app_name(arguments.app), arguments.stage, place, os.environ)
        done = deploy(site, signer, teller(arguments), version=own_version(), clock=now)
    show(done, arguments)
    return faults.PASSED


def teller(arguments: argparse.Namespace) -> Teller:
    """Return what says each step on stderr, or nothing where nobody wants to hear it."""
    is_silent = arguments.quiet or arguments.no_progress
    return (lambda _: None) if is_silent else (lambda step: sys.stderr.write(f"{step}\n"))


def show(done: Deployed, arguments: argparse.Namespace) -> None:
    """Print what runs."""
    if arguments.json:
        sys.stdout.write(json.dumps(document(done), indent=1, ensure_ascii=False) + "\n")
        return
    found = done.deployment
    count = len(found.replicas)
    sys.stdout.write(
        f"{found.app} {found.image} runs in {found.stage}: {count} container{'' if count == 1 else 's'} on "
        f"{found.target.value}, promotion {found.number}\n"
    )
    if done.volumes and not arguments.quiet:
        sys.stdout.write(f"volumes {', '.join(done.volumes)} stay as they are, whatever is deployed or rolled back\n")


def document(done: Deployed) -> dict[str, object]:
    """Return the document of ``--json``."""
    found = done.deployment
    return {
        "schema": "https://seatrial.dev/deployed/v1",
        "app": found.app,
        "stage": found.stage,
        "target": found.target.value,
        "number": found.number,
        "release": found.release.text,
        "image": found.image.text,
        "configuration": found.configuration.text,
        "acceptance": found.acceptance.text if found.acceptance else None,
        "evidence": done.evidence.text,
        "replicas": [
            {"id": name, "digests": [each.text for each in seen.digests], "facts": seen.facts}
            for name, seen in sorted(found.replicas.items())
        ],
    }


if TYPE_CHECKING:
    from collections.abc import Callable

    Teller = Callable[[str], object]
