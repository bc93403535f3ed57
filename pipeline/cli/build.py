"""``build``: build the image and print its digest."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
examples:
  seatrial build envs/web.yaml              print the image's digest
  seatrial build web --check                build it again under other conditions, and compare"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("spec", metavar="SPEC", help="a file, or a name in envs/")
    parser.add_argument("--check", action="store_true", help="build again under another host, and compare")
    parser.add_argument("--locked", action="store_true", help="write no lock: a missing one is an error")


def run(arguments: argparse.Namespace) -> int:
    """Build; stdout gets the image's digest and nothing else, stderr the suite's."""
    from pipeline.cli.options import options  # noqa: PLC0415 - as above
    from pipeline.cli.specs import one_spec  # noqa: PLC0415 - as above
    from pipeline.report.live import progress  # noqa: PLC0415 - as above

    path = one_spec(arguments.spec)
    wishes = options(arguments)

    from pipeline import verification  # noqa: PLC0415 - loads everything, so after what people can get wrong

    with progress(sys.stderr, os.environ, silent=arguments.quiet or arguments.no_progress) as shown:
        built = verification.build(path, wishes, arguments.check, shown.tell)
    if arguments.json:
        keys = {"spec": str(path), "image": str(built.image), "suite": str(built.suite), "checked": arguments.check}
        sys.stdout.write(json.dumps({"schema": "https://seatrial.dev/built/v1", **keys}, indent=1) + "\n")
        return 0
    sys.stdout.write(f"{built.image}\n")
    if not arguments.quiet:
        again = "; built again, the same bytes" if arguments.check else ""
        sys.stderr.write(f"suite {built.suite}{again}\n")
    return 0
