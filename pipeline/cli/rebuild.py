"""``rebuild``: build an image again as somebody else would, and sign what came out."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

from pipeline.cli import faults
from pipeline.cli.options import store_path

if TYPE_CHECKING:
    import argparse

    from pipeline.rebuilding import Rebuilt

EXAMPLES = """\
examples:
  seatrial rebuild web                     the image that was built last as web
  seatrial rebuild oci:DIR --key ci.pem    an image of somebody else, signed with a key of one's own"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("image", metavar="IMAGE", help="a name or sha256:… in the store, oci:DIR[:NAME|@DIGEST]")
    parser.add_argument(
        "--key", metavar="KEY", default="", help="sign with a file's key, agent:NAME or oidc:FILE (SEATRIAL_KEY)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Rebuild, and print what came out; exit 1 if it is another image."""
    from pipeline.cli.bill import own_version  # noqa: PLC0415 - keeps the imports of --help few
    from pipeline.cli.signer import chosen_signer  # noqa: PLC0415 - likewise
    from pipeline.rebuilding import rebuild  # noqa: PLC0415 - likewise
    from pipeline.report.live import progress  # noqa: PLC0415 - likewise

    signer, store, version = chosen_signer(arguments.key), store_path(arguments), own_version()
    with progress(sys.stderr, os.environ, silent=arguments.quiet or arguments.no_progress) as shown:
        done = rebuild(arguments.image, store, signer, shown.tell, version=version, clock=lambda: int(time.time()))
    if arguments.json:
        sys.stdout.write(json.dumps(_document(done), indent=1, ensure_ascii=False) + "\n")
    else:
        _show(done, quiet=arguments.quiet)
    return faults.PASSED if done.explanation is None else faults.FAILED


def _show(done: Rebuilt, *, quiet: bool) -> None:
    from pipeline.cli.why_digest import lines  # noqa: PLC0415 - likewise
    from pipeline.report.text import visible  # noqa: PLC0415 - likewise

    seen = done.rebuild
    sys.stdout.write(f"{seen.image}  {seen.result}  signed by {done.signer}\n")
    if done.explanation is not None:
        sys.stdout.writelines(f"{visible(line)}\n" for line in lines(done.explanation, quiet=quiet))


def _document(done: Rebuilt) -> dict[str, object]:
    from pipeline.cli.why_digest import document  # noqa: PLC0415 - likewise

    seen = done.rebuild
    return {
        "schema": "https://seatrial.dev/rebuilt/v1",
        "result": seen.result.value,
        "image": seen.image.text,
        "rebuilt": seen.rebuilt.text,
        "lock": seen.lock.text,
        "signer": done.signer,
        "evidence": done.evidence.text,
        "why": document(done.explanation) if done.explanation else None,
    }
