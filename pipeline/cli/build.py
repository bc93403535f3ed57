"""``build``: build the image and print its digest."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from pipeline.preparation import Built

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
    from pipeline.cli.signer import leave_origin  # noqa: PLC0415 - as above
    from pipeline.cli.specs import one_spec  # noqa: PLC0415 - as above
    from pipeline.report.live import progress  # noqa: PLC0415 - as above

    path = one_spec(arguments.spec)
    wishes = options(arguments)

    from pipeline.preparation import build  # noqa: PLC0415 - loads everything, so after what people can get wrong

    with progress(sys.stderr, os.environ, silent=arguments.quiet or arguments.no_progress) as shown:
        built = build(path, wishes, arguments.check, shown.tell)
    leave_origin(path, built, wishes.store)
    if arguments.json:
        sys.stdout.write(json.dumps(_document(path, built, arguments.check), indent=1) + "\n")
        return 0
    for each in built.variants:
        sys.stdout.write(f"{each.image}\n")
        if not arguments.quiet:
            of = f" for {each.architecture}" if len(built.variants) > 1 else ""
            again = "; built again, the same bytes" if arguments.check else ""
            sys.stderr.write(f"suite {each.suite}{of}{again}\n")
    if built.index is not None and not arguments.quiet:
        sys.stderr.write(f"index {built.index}\n")
    return 0


def _document(path: Path, built: Built, is_checked: bool) -> dict[str, object]:  # noqa: FBT001 - a flag
    """Return what ``--json`` prints: image and suite of the spec's first architecture, and all by name."""
    first = built.variants[0]
    every = {each.architecture: {"image": str(each.image), "suite": str(each.suite)} for each in built.variants}
    return {
        "schema": "https://seatrial.dev/built/v1",
        "spec": str(path),
        "image": str(first.image),
        "suite": str(first.suite),
        "architectures": every,
        **({"index": str(built.index)} if built.index else {}),
        "checked": is_checked,
    }
