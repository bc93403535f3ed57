"""``bill``: print what an image holds, or how it came about."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
examples:
  seatrial bill envs/web.yaml                          CycloneDX, of the image
  seatrial bill web --format spdx --of suite           SPDX, of what only the tests need
  seatrial bill web --format provenance > web.json     SLSA provenance, not signed"""

FORMATS = ("cyclonedx", "spdx", "provenance")
"""As ``pipeline.bills.formats`` has them, which ``--help`` does not load."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("spec", metavar="SPEC", help="a file, or a name in envs/")
    parser.add_argument(
        "--format", "-f", metavar="F", choices=FORMATS, default=FORMATS[0], help=f"{', '.join(FORMATS)} (cyclonedx)"
    )
    parser.add_argument("--of", metavar="TREE", default="image", help="image, suite, or services/NAME (image)")
    parser.add_argument("--architecture", metavar="A", help="of a spec with several (this machine's)")


def run(arguments: argparse.Namespace) -> int:
    """Build what is not built yet, and print the document on stdout."""
    from pipeline.cli.options import options  # noqa: PLC0415 - not for --help
    from pipeline.cli.specs import one_spec  # noqa: PLC0415 - likewise
    from pipeline.report.live import progress  # noqa: PLC0415 - likewise

    path = one_spec(arguments.spec)
    wishes = options(arguments)

    from pipeline import preparation  # noqa: PLC0415 - loads everything, so after what people can get wrong
    from pipeline.bills.formats import render  # noqa: PLC0415 - likewise

    with progress(sys.stderr, os.environ, silent=arguments.quiet or arguments.no_progress) as shown:
        found = preparation.bill(path, wishes, arguments.of, arguments.architecture, shown.tell)
    sys.stdout.write(render(arguments.format, found, own_version()))
    return 0


def own_version() -> str:
    """Return this program's version; empty for a source tree that is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - likewise

    try:
        return version("seatrial")
    except PackageNotFoundError:
        return ""
