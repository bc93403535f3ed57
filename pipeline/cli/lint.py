"""``lint``: what an image should not hold, and what in it is stale."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from pipeline.cli import faults
from pipeline.cli.early import is_image
from pipeline.cli.options import options, store_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pipeline.lint.lint import Linted

EXAMPLES = """\
examples:
  seatrial lint envs/web.yaml               build it, and look for leaks and staleness
  seatrial lint web oci:DIR:NAME            images too, as `seatrial run` names them
  seatrial lint --json web                  each finding with its path and layer"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument(
        "subjects",
        nargs="+",
        metavar="SPEC|IMAGE",
        help="a spec; or an image: oci:DIR[:NAME|@DIGEST], sha256:…, or a name in the store",
    )
    parser.add_argument("--locked", action="store_true", help="write no lock: a missing one is an error")


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; exit 1 if an error is among it."""
    from pipeline.lint.rule import Severity  # noqa: PLC0415 - keeps the imports of --help few
    from pipeline.report.lint import document, render  # noqa: PLC0415 - likewise
    from pipeline.report.text import Ink  # noqa: PLC0415 - likewise

    images = [linted for each in arguments.subjects for linted in _linted(each, arguments)]
    if arguments.json:
        sys.stdout.write(json.dumps(document(images), indent=1) + "\n")
    else:
        ink = Ink.of(sys.stdout, os.environ)
        sys.stdout.write(render(images, ink, quiet=arguments.quiet, verbose=bool(arguments.verbose)))
    return faults.FAILED if any(each.count(Severity.ERROR) for each in images) else faults.PASSED


def _linted(subject: str, arguments: argparse.Namespace) -> Iterator[Linted]:
    """Yield what was found in an image, or in each image of a spec."""
    from pipeline.lint.lint import lint  # noqa: PLC0415 - likewise

    if is_image(subject):
        from pipeline.image_run import layout_of, open_image  # noqa: PLC0415 - likewise
        from runtime.oci.platform import own_architecture  # noqa: PLC0415 - likewise
        from runtime.oci.reference import parse_reference  # noqa: PLC0415 - likewise

        reference = parse_reference(subject)
        layout = layout_of(reference, store_path(arguments))
        yield lint(layout, subject, open_image(reference, layout, own_architecture()).digest)
        return
    from pipeline.cli.specs import one_spec  # noqa: PLC0415 - likewise
    from pipeline.preparation import build  # noqa: PLC0415 - loads everything
    from pipeline.report.live import progress  # noqa: PLC0415 - likewise
    from runtime.oci.layout import Layout  # noqa: PLC0415 - likewise

    path, wishes = one_spec(subject), options(arguments)
    with progress(sys.stderr, os.environ, silent=arguments.quiet or arguments.no_progress) as shown:
        built = build(path, wishes, False, shown.tell)  # noqa: FBT003 - built once
    for each in built.variants:
        name = f"{subject} ({each.architecture})" if len(built.variants) > 1 else subject
        yield lint(Layout(store_path(arguments) / "oci"), name, each.image)
