"""``explain``: narrow one difference to its cause."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
examples:
  seatrial explain envs/web.yaml --host openshift
  seatrial explain web --host openshift --test tests/test_files.py::test_mode"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("spec", metavar="SPEC", help="a file, or a name in envs/")
    parser.add_argument("--host", required=True, metavar="HOST", help="the host where it differs")
    parser.add_argument("--test", metavar="ID", help="one test (every difference there)")
    parser.add_argument("--budget", metavar="TIME", help="how long to look for the cause (20m)")
    parser.add_argument("--fresh", action="store_true", help="run everything again, use no earlier run")
    parser.add_argument("--locked", action="store_true", help="write no lock: a missing one is an error")
    parser.add_argument(
        "--no-prediction",
        action="store_true",
        help="look for causes without a traced run that says where to look first",
    )


def run(arguments: argparse.Namespace) -> int:
    """Explain, print what was found, and return the exit code of its verdict."""
    from pipeline.cli.options import options  # noqa: PLC0415 - as above
    from pipeline.cli.specs import one_spec  # noqa: PLC0415 - as above
    from pipeline.cli.verify import exit_code  # noqa: PLC0415 - as above
    from pipeline.report import json, terminal  # noqa: PLC0415 - as above
    from pipeline.report.findings import predicted  # noqa: PLC0415 - as above
    from pipeline.report.live import progress  # noqa: PLC0415 - as above
    from pipeline.report.text import Ink  # noqa: PLC0415 - as above

    path = one_spec(arguments.spec)
    wishes = options(arguments)

    from pipeline import verification  # noqa: PLC0415 - loads everything, so after what people can get wrong

    with progress(sys.stderr, os.environ, silent=arguments.quiet or arguments.no_progress) as shown:
        result = verification.explain(path, arguments.host, arguments.test, wishes, shown.tell)
    if arguments.json:
        sys.stdout.write(json.render(result))
    else:
        ink = Ink.of(sys.stdout, os.environ)
        sys.stdout.write(terminal.render(result, ink, quiet=arguments.quiet, verbose=arguments.verbose > 0))
        sys.stdout.writelines(f"{line}\n" for line in predicted(result, ink))
    return exit_code(result)
