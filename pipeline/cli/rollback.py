"""``rollback``: an earlier release of a stage comes back, through the same gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.arguments import UsageError
from pipeline.cli.promotion import app_name, carry_out

if TYPE_CHECKING:
    import argparse

    from pipeline.entering import Entry
    from pipeline.gating import Grounds

EXAMPLES = """\
examples:
  seatrial rollback web --stage prod                  what prod had before
  seatrial rollback web --stage prod --to sha256:…    a release that `seatrial status web` names"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("app", metavar="APP", help="the name of a spec, or its file")
    parser.add_argument("--stage", metavar="STAGE", required=True, help="the stage")
    parser.add_argument("--to", metavar="DIGEST", default="", help="the release; by default the one before")
    parser.add_argument(
        "--key", metavar="KEY", default="", help="sign with a file's key, agent:NAME or oidc:FILE (SEATRIAL_KEY)"
    )
    parser.add_argument("--take-over", action="store_true", help="pass over what another machine left unfinished")


def run(arguments: argparse.Namespace) -> int:
    """Roll back; exit 1 if the gate stays shut."""

    def entered(place: Grounds) -> Entry:
        from pipeline.entering import come_back  # noqa: PLC0415 - keeps the imports of --help few
        from runtime.digest import Digest  # noqa: PLC0415 - likewise
        from runtime.errors import DigestError  # noqa: PLC0415 - likewise

        try:
            chosen = Digest(arguments.to) if arguments.to else None
        except DigestError as error:
            raise UsageError(f"--to: {error.message}", hint="`seatrial status` names the releases") from error
        return come_back(app_name(arguments.app), arguments.stage, chosen, place)

    return carry_out(arguments, entered)
