"""``scale``: run another number of containers of what is deployed."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from pipeline.cli import faults
from pipeline.cli.arguments import UsageError

if TYPE_CHECKING:
    import argparse

    from pipeline.deploying import Site

EXAMPLES = """\
examples:
  seatrial scale web --stage prod 3   new ones are tried under load before they get traffic
  seatrial scale web --stage prod 0   end all of them; volumes stay"""

_MOST = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("app", metavar="APP", help="a spec, by its name in envs/ or its file")
    parser.add_argument("--stage", metavar="STAGE", required=True, help="where it is deployed")
    parser.add_argument("count", metavar="N", type=int, help="how many containers, 0 to 256")
    parser.add_argument(
        "--key", metavar="KEY", default="", help="sign with a file's key, agent:NAME or oidc:FILE (SEATRIAL_KEY)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Scale, and print what runs; exit 1 if new containers behave otherwise than those that run."""
    if not 0 <= arguments.count <= _MOST:
        raise UsageError(f"{arguments.count} containers: want 0 to {_MOST}")
    from pipeline.cli.bill import own_version  # noqa: PLC0415 - keeps the imports of --help few
    from pipeline.cli.deploy import show, teller  # noqa: PLC0415 - likewise
    from pipeline.cli.promotion import app_name, now, opened_place  # noqa: PLC0415 - likewise
    from pipeline.cli.signer import chosen_signer  # noqa: PLC0415 - likewise
    from pipeline.deploying import end_all, open_site, scale  # noqa: PLC0415 - likewise

    signer, tell, version = chosen_signer(arguments.key), teller(arguments), own_version()
    with opened_place(arguments) as place:
        site = open_site(app_name(arguments.app), arguments.stage, place, os.environ)
        if not arguments.count:
            end_all(site)
            _show_end(site, arguments)
            return faults.PASSED
        done = scale(site, arguments.count, signer, tell, version=version, clock=now)
    show(done, arguments)
    return faults.PASSED


def _show_end(site: Site, arguments: argparse.Namespace) -> None:
    if arguments.json:
        found = {
            "schema": "https://seatrial.dev/deployed/v1",
            "app": site.app,
            "stage": site.stage.name,
            "replicas": [],
        }
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        sys.stdout.write(f"{site.app} runs in {site.stage.name} no more\n")
