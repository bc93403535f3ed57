"""``promote``: the identical bytes enter the next stage, if their evidence satisfies it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.promotion import app_name, carry_out

if TYPE_CHECKING:
    import argparse

    from pipeline.entering import Entry
    from pipeline.gating import Grounds

EXAMPLES = """\
examples:
  seatrial promote web --to dev              what was verified here last
  seatrial promote web --to prod             what stands in the stage before
  seatrial promote web --to prod --key ci.pem    sign as somebody whom the keyring knows"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("app", metavar="APP", help="the name of a spec, or its file")
    parser.add_argument("--to", metavar="STAGE", required=True, help="the stage to enter")
    parser.add_argument("--budget", metavar="TIME", help="how long to look for causes (20m); 0s only compares")
    parser.add_argument(
        "--key", metavar="KEY", default="", help="sign with a file's key, agent:NAME or oidc:FILE (SEATRIAL_KEY)"
    )
    parser.add_argument("--take-over", action="store_true", help="pass over what another machine left unfinished")


def run(arguments: argparse.Namespace) -> int:
    """Promote; exit 1 if the stage does not take it, 3 if that could not be found out."""

    def entered(place: Grounds) -> Entry:
        from pipeline.entering import enter  # noqa: PLC0415 - keeps the imports of --help few

        return enter(app_name(arguments.app), arguments.to, place)

    return carry_out(arguments, entered)
