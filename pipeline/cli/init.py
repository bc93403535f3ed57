"""``init``: write a first spec from what the project has."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.arguments import UsageError

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
examples:
  seatrial init                     write envs/NAME.yaml for the project here
  seatrial init --print             show it, write nothing"""

LOOK_AT = ("image", "  files", "  command")
"""The keys that a person should look at."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("directory", nargs="?", default=".", metavar="DIR", help="the project's folder (this one)")
    parser.add_argument("--print", action="store_true", help="print the spec on stdout, write nothing")


def run(arguments: argparse.Namespace) -> int:
    """Write the spec, and say which file, what to look at, and what comes next."""
    from pipeline.declare.init import first_spec, spec_name  # noqa: PLC0415 - loads the errors and a TOML reader
    from pipeline.report.text import visible  # noqa: PLC0415 - likewise

    directory = Path(arguments.directory)
    if not directory.is_dir():
        raise UsageError(f"'{directory}' is no folder")
    text = first_spec(directory)
    if arguments.print:
        sys.stdout.write(text)
        return 0
    path = directory / "envs" / f"{spec_name(directory)}.yaml"
    _write_new(path, text)
    if arguments.json:
        sys.stdout.write(json.dumps({"schema": "https://seatrial.dev/init/v1", "spec": str(path)}, indent=1) + "\n")
        return 0
    sys.stdout.write(f"{visible(str(path))}\n")
    if not arguments.quiet:
        shown = [f"  {number}  {line}" for number, line in enumerate(text.splitlines(), 1) if line.startswith(LOOK_AT)]
        command = "verify" if directory == Path() else f"verify {path}"
        sys.stderr.write("\n".join(["look at these lines:", *map(visible, shown), "then run:", f"  {command}"]) + "\n")
    return 0


def _write_new(path: Path, text: str) -> None:
    """Write a file that does not exist yet.

    Raises:
        UsageError: it exists, or cannot be written.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        hint = "`seatrial init --print` shows what would be written"
        raise UsageError(f"{path} exists, and is left as it is", hint=hint) from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
