"""``report``: the last result again, in another format."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.arguments import UsageError

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
examples:
  seatrial report                                the last result, for a terminal
  seatrial report --format html > report.html    a page, for people
  seatrial report --format junit > report.xml
  seatrial report run/report.json --format markdown >> "$GITHUB_STEP_SUMMARY"
  seatrial report --format github                annotations, in a step of a workflow"""

FORMATS = ("terminal", "html", "json", "junit", "markdown", "github")

PLANNED = ("ctrf", "sarif")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("report", nargs="?", metavar="RUN", help="a report's file (.seatrial/report.json)")
    parser.add_argument("--format", "-f", metavar="F", help=f"{', '.join(FORMATS)} (terminal)")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; the exit code says whether it could be printed, not what it says."""
    name = arguments.format or ("json" if arguments.json else "terminal")
    if name not in FORMATS:
        why = "this version cannot write it yet" if name in PLANNED else "there is no such format"
        raise UsageError(f"--format {name}: {why}", hint=f"choose from {', '.join(FORMATS)}")

    from pipeline.report import github, json, junit, markdown, terminal  # noqa: PLC0415 - not for --help
    from pipeline.report.saved import load  # noqa: PLC0415 - likewise
    from pipeline.report.text import Ink  # noqa: PLC0415 - likewise

    path = Path(arguments.report or ".seatrial/report.json")
    found = load(path / "report.json" if path.is_dir() else path)
    if name == "terminal":
        ink, verbose = Ink.of(sys.stdout, os.environ), arguments.verbose > 0
        text = terminal.render(found, ink, quiet=arguments.quiet, verbose=verbose)
    elif name == "html":
        from pipeline.report import html  # noqa: PLC0415 - loads the library of templates

        text = html.render(found)
    else:
        formats = {"json": json, "junit": junit, "markdown": markdown, "github": github}
        text = formats[name].render(found)
    sys.stdout.write(text)
    return 0
