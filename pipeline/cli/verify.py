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

    from pipeline.preparation import Built
    from pipeline.verify.verdict import Verification
    from runtime.digest import Digest

EXAMPLES = """\
examples:
  verify                            every spec in envs/, on every host it asks for
  verify envs/web.yaml --hosts quick
  verify web=registry.example.org/web@sha256:…   another image, the same spec
  verify --locked --json            in CI: writes no lock, prints one JSON document
  verify web --key ci.pem           sign what was found with another key than this machine's"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("specs", nargs="*", metavar="SPEC[=IMAGE]", help="a file, or a name in envs/ (envs/*.yaml)")
    parser.add_argument("--hosts", metavar="SET", help="a set of hosts, or their names with commas")
    parser.add_argument("--budget", metavar="TIME", help="how long to look for causes (20m); 0s only compares")
    parser.add_argument("--fail-fast", action="store_true", help="end with the first host that fails")
    parser.add_argument("--fresh", action="store_true", help="run everything again, use no earlier run")
    parser.add_argument("--locked", action="store_true", help="write no lock: a missing one is an error")
    parser.add_argument("--no-sign", action="store_true", help="leave nothing signed beside the image")
    parser.add_argument(
        "--key",
        "--sign",
        metavar="KEY",
        default="",
        help="sign with a file's key, agent:NAME or oidc:FILE (SEATRIAL_KEY), in place of this machine's",
    )
    parser.add_argument(
        "--no-prediction",
        action="store_true",
        help="look for causes without a traced run that says where to look first",
    )


def run(arguments: argparse.Namespace) -> int:
    """Verify, print the report, keep it as a file, and return the exit code of the verdict."""
    from pipeline.cli import stopping  # noqa: PLC0415 - as above
    from pipeline.cli.options import options  # noqa: PLC0415 - as above
    from pipeline.cli.signer import leave_origin  # noqa: PLC0415 - as above
    from pipeline.cli.specs import named_specs  # noqa: PLC0415 - as above
    from pipeline.report.live import progress  # noqa: PLC0415 - as above

    named = named_specs(arguments.specs)
    wishes = options(arguments, images=named.images)

    from pipeline import verification  # noqa: PLC0415 - loads everything, so after what people can get wrong
    from pipeline.cli.ahead import loading_ahead  # noqa: PLC0415 - likewise

    silent = arguments.quiet or arguments.no_progress
    built: list[tuple[Path, Built]] = []
    try:
        with progress(sys.stderr, os.environ, silent=silent) as shown:
            tell = loading_ahead(shown.tell, signs=not arguments.no_sign)
            result = verification.verify(named.paths, wishes, tell, lambda *each: built.append(each))
    except verification.Interrupted as stop:
        show(arguments, stop.partial)
        return stopping.exit_code(stop.__cause__)
    show(arguments, result)
    if not arguments.no_sign:
        for path, each in built:
            leave_origin(path, each, wishes.store, arguments.key)
        _sign(result, wishes.store, arguments)
    return exit_code(result)


def _sign(result: Verification, store: Path, arguments: argparse.Namespace) -> None:
    """Sign what was found. Where nobody named a key, one that cannot be had is no fault of the verification."""
    from pipeline.declare.errors import KeysError  # noqa: PLC0415 - as above

    is_asked = bool(arguments.key or os.environ.get("SEATRIAL_KEY"))
    try:
        count, key = _signed(result, store, arguments.key)
    except KeysError as error:
        if is_asked:
            raise
        sys.stderr.write(f"warning: nothing is signed: {error.message}\n")
        return
    if count and not arguments.quiet and (is_asked or arguments.verbose):
        sys.stderr.write(f"signed {count} statements as {key}\n")


def _signed(result: Verification, store: Path, wanted: str) -> tuple[int, str]:
    """Sign what is new, and return how many statements that were, and the id of the key."""
    from pipeline.attested import is_attested, remember_attested  # noqa: PLC0415 - as above
    from pipeline.release.key_place import key_name, keys_folder  # noqa: PLC0415 - as above

    def named() -> Digest:
        return key_name(wanted, os.environ, keys_folder(os.environ, Path.home()))

    new = tuple(each for each in result.environments if not is_attested(each, named(), store))
    if result.partial or not new:
        return 0, ""
    from dataclasses import replace  # noqa: PLC0415 - as above

    from pipeline.attesting import attest  # noqa: PLC0415 - loads cryptography, which a repetition needs not
    from pipeline.cli.bill import own_version  # noqa: PLC0415 - likewise
    from pipeline.cli.signer import chosen_signer  # noqa: PLC0415 - likewise

    signer = chosen_signer(wanted)
    signed = replace(result, environments=new)
    count = attest(signed, store, signer, version=own_version(), clock=lambda: int(time.time()))
    for each in new:
        remember_attested(each, named(), store)
    return count, signer.public.id


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
    from pipeline.report import html  # noqa: PLC0415 - not for --help
    from pipeline.report.saved import save, write  # noqa: PLC0415 - likewise

    try:
        return write(save(result, Path.cwd()).with_name("report.html"), html.render(result))
    except OSError as error:
        sys.stderr.write(f"warning: the report is not kept: {error}\n")
        return None
