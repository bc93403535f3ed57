"""``report``: the last result again, in another format."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.arguments import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pipeline.verify.verdict import Verification

EXAMPLES = """\
examples:
  seatrial report                                the last result, for a terminal
  seatrial report --format html > report.html    a page, for people
  seatrial report --format junit > report.xml
  seatrial report --format sarif > report.sarif  for code scanning
  seatrial report --format ctrf > report.ctrf.json
  seatrial report run/report.json --format markdown >> "$GITHUB_STEP_SUMMARY"
  seatrial report --format github                annotations, in a step of a workflow"""

FORMATS = ("terminal", "html", "json", "junit", "ctrf", "sarif", "markdown", "github")
"""Each is a module of ``pipeline.report``, which is loaded only if it is asked for."""

VERSIONED = {"ctrf", "sarif"}
"""Those that say which version of this program wrote them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("report", nargs="?", metavar="RUN", help="a report's file (.seatrial/report.json)")
    parser.add_argument("--format", "-f", metavar="F", help=f"{', '.join(FORMATS)} (terminal)")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; the exit code says whether it could be printed, not what it says."""
    name = arguments.format or ("json" if arguments.json else "terminal")
    if name not in FORMATS:
        raise UsageError(f"--format {name}: there is no such format", hint=f"choose from {', '.join(FORMATS)}")

    from pipeline.report.saved import load  # noqa: PLC0415 - not for --help

    path = Path(arguments.report or ".seatrial/report.json")
    found = load(path / "report.json" if path.is_dir() else path)
    sys.stdout.write(_rendered(name, found, arguments))
    return 0


def _rendered(name: str, found: Verification, arguments: argparse.Namespace) -> str:
    from pipeline.cli.bill import own_version  # noqa: PLC0415 - not for --help
    from pipeline.report.text import Ink  # noqa: PLC0415 - likewise

    render: Callable[..., str] = import_module(f"pipeline.report.{name}").render
    if name == "terminal":
        ink, verbose = Ink.of(sys.stdout, os.environ), arguments.verbose > 0
        return render(found, ink, quiet=arguments.quiet, verbose=verbose)
    return render(found, own_version()) if name in VERSIONED else render(found)
