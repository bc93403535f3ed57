"""``lock``: pin every package by version and hash."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
examples:
  seatrial lock envs/web.yaml               pin what is not pinned yet
  seatrial lock web --upgrade tzdata        the newest tzdata, everything else as it is
  seatrial lock web --upgrade               the newest of everything
  seatrial lock web --vendor registry.example.org/kept:web
                                            keep every byte that the lock names there
  seatrial lock --check                     in CI: fail if a lock is missing or stale"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="a file, or a name in envs/ (envs/*.yaml)")
    parser.add_argument(
        "--upgrade", nargs="?", action="append", const="", metavar="PACKAGE", help="take the newest: of one, or of all"
    )
    parser.add_argument(
        "--vendor", metavar="REF", help="keep every byte that the lock names in a registry, as HOST/NAME:TAG"
    )
    parser.add_argument("--check", action="store_true", help="write nothing: fail if a lock is missing or stale")


def run(arguments: argparse.Namespace) -> int:
    """Lock, and print a line for each spec: its lock's file, what became of it, its digest."""
    from pipeline.cli.options import options  # noqa: PLC0415 - as above
    from pipeline.cli.specs import named_specs  # noqa: PLC0415 - as above
    from pipeline.report.live import progress  # noqa: PLC0415 - as above
    from pipeline.report.text import visible  # noqa: PLC0415 - as above

    specs, upgrade = split_upgrade(arguments.specs, arguments.upgrade)
    named = named_specs(specs)
    _refuse_vendor(arguments, len(named.paths))
    wishes = options(arguments)

    from pipeline import preparation  # noqa: PLC0415 - loads everything, so after what people can get wrong

    with progress(sys.stderr, os.environ, silent=arguments.quiet or arguments.no_progress) as shown:
        locked = preparation.lock(
            named.paths, wishes, upgrade, arguments.check, shown.tell, vendor=arguments.vendor or ""
        )
    if arguments.json:
        keys = [{"lock": str(each.path), "digest": str(each.digest), "changed": each.changed} for each in locked]
        sys.stdout.write(json.dumps({"schema": "https://seatrial.dev/locked/v1", "locks": keys}, indent=1) + "\n")
    elif not arguments.quiet:
        for each in locked:
            word = "written" if each.changed else "unchanged"
            sys.stdout.write(f"{visible(str(each.path))}  {word}  {each.digest.short}\n")
    return 0


def _refuse_vendor(arguments: argparse.Namespace, count: int) -> None:
    from pipeline.cli.arguments import UsageError  # noqa: PLC0415 - as above

    if arguments.vendor is None:
        return
    if arguments.check:
        raise UsageError("--vendor writes, and --check writes nothing", hint="use one of them")
    if count != 1:
        raise UsageError(
            f"--vendor keeps one lock, and {count} specs are named", hint="run it for each, with a tag of its own"
        )


def split_upgrade(specs: list[str], wanted: list[str] | None) -> tuple[list[str], tuple[str, ...] | None]:
    """Return the specs, and the packages to upgrade: None for none, an empty tuple for all.

    ``--upgrade envs/web.yaml`` upgrades everything of that spec: a file is no package.
    """
    if wanted is None:
        return specs, None
    files = [word for word in wanted if word.endswith((".yaml", ".yml")) or Path(word).is_file()]
    packages = tuple(word for word in wanted if word and word not in files)
    return [*specs, *files], packages
