"""``verify``: build, run on every host, compare, explain, judge, report."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import faults

if TYPE_CHECKING:
    import argparse

    from pipeline.verify.verdict import Verification

EXAMPLES = """\
examples:
  verify                            every spec in envs/, on every host it asks for
  verify envs/web.yaml --hosts quick
  verify web=registry.example.org/web@sha256:…   another image, the same spec
  verify --locked --json            in CI: writes no lock, prints one JSON document
  verify web --sign                 leave what was found beside the image, signed"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("specs", nargs="*", metavar="SPEC[=IMAGE]", help="a file, or a name in envs/ (envs/*.yaml)")
    parser.add_argument("--hosts", metavar="SET", help="a set of hosts, or their names with commas")
    parser.add_argument("--budget", metavar="TIME", help="how long to look for causes (20m); 0s only compares")
    parser.add_argument("--fail-fast", action="store_true", help="end with the first host that fails")
    parser.add_argument("--fresh", action="store_true", help="run everything again, use no earlier run")
    parser.add_argument("--locked", action="store_true", help="write no lock: a missing one is an error")
    parser.add_argument("--sign", action="store_true", help="sign what was found, and put it beside the image")
    parser.add_argument(
        "--no-prediction",
        action="store_true",
        help="look for causes without a traced run that says where to look first",
    )


def run(arguments: argparse.Namespace) -> int:
    """Verify, print the report, keep it as a file, and return the exit code of the verdict."""
    from pipeline.cli import stopping  # noqa: PLC0415 - as above
    from pipeline.cli.options import options  # noqa: PLC0415 - as above
    from pipeline.cli.specs import named_specs  # noqa: PLC0415 - as above
    from pipeline.report.live import progress  # noqa: PLC0415 - as above

    named = named_specs(arguments.specs)
    wishes = options(arguments, images=named.images)

    from pipeline import verification  # noqa: PLC0415 - loads everything, so after what people can get wrong

    silent = arguments.quiet or arguments.no_progress
    try:
        with progress(sys.stderr, os.environ, silent=silent) as shown:
            result = verification.verify(named.paths, wishes, shown.tell)
    except verification.Interrupted as stop:
        show(arguments, stop.partial)
        return stopping.exit_code(stop.__cause__)
    show(arguments, result)
    if arguments.sign:
        _sign(result, wishes.store, quiet=arguments.quiet)
    return exit_code(result)


def _sign(result: Verification, store: Path, *, quiet: bool) -> None:
    from pipeline.attesting import attest  # noqa: PLC0415 - only where it is asked for
    from pipeline.cli.bill import own_version  # noqa: PLC0415 - likewise
    from pipeline.cli.signer import chosen_signer  # noqa: PLC0415 - likewise

    signer = chosen_signer("")
    count = attest(result, store, signer, version=own_version(), clock=lambda: int(time.time()))
    if not quiet:
        sys.stderr.write(f"signed {count} statements as {signer.public.id}\n")


def show(arguments: argparse.Namespace, result: Verification) -> None:
    """Keep the report as a file, and print it as the options want it."""
    from pipeline.report import json, terminal  # noqa: PLC0415 - not for --help
    from pipeline.report.text import Ink  # noqa: PLC0415 - likewise

    saved = _save(result)
    if arguments.json:
        sys.stdout.write(json.render(result))
        return
    ink = Ink.of(sys.stdout, os.environ)
    text = terminal.render(
        result, ink, quiet=arguments.quiet, verbose=arguments.verbose > 0, saved=saved.as_uri() if saved else ""
    )
    sys.stdout.write(text)


def exit_code(result: Verification) -> int:
    """Return the exit code of a verdict."""
    codes = {"PASSED": faults.PASSED, "FAILED": faults.FAILED, "INCONCLUSIVE": faults.INCONCLUSIVE}
    return codes[result.verdict]


def _save(result: Verification) -> Path | None:
    from pipeline.report.saved import save  # noqa: PLC0415 - not for --help

    try:
        return save(result, Path.cwd())
    except OSError as error:
        sys.stderr.write(f"warning: the report is not kept: {error}\n")
        return None
