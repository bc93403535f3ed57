"""``why-digest``: tell why two images have two digests, down to the path."""

from __future__ import annotations

import json
import sys
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.cli import faults
from pipeline.cli.options import store_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pipeline.digests.differences import Difference, Explanation

EXAMPLES = """\
examples:
  seatrial why-digest web oci:DIR:web
  seatrial why-digest web dir:DIR     of a registry: `skopeo copy --preserve-digests` writes dir:
  seatrial why-digest web docker-archive:saved.tar --json"""

_SHOWN = 10
_DIGITS = 110


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    about = "a name or sha256:… in the store, oci:DIR[:NAME|@DIGEST], dir:DIR, docker-archive:FILE"
    parser.add_argument("one", metavar="A", help=f"an image: {about}")
    parser.add_argument("two", metavar="B", help="the other one, likewise")


def run(arguments: argparse.Namespace) -> int:
    """Print what differs; exit 1 if anything does."""
    from pipeline.digests.why import why_digest  # noqa: PLC0415 - keeps the imports of --help few

    found = why_digest(arguments.one, arguments.two, store_path(arguments))
    if arguments.json:
        sys.stdout.write(json.dumps(document(found), indent=1, ensure_ascii=False) + "\n")
    else:
        from pipeline.report.text import visible  # noqa: PLC0415 - likewise

        sys.stdout.writelines(f"{visible(line)}\n" for line in lines(found, quiet=arguments.quiet))
    return faults.PASSED if found.is_equal else faults.FAILED


def document(found: Explanation) -> dict[str, object]:
    """Return an explanation for programs."""
    images = [{"name": name, "digest": digest} for name, digest in zip(found.names, found.digests, strict=True)]
    return {
        "schema": "https://seatrial.dev/why-digest/v1",
        "equal": found.is_equal,
        "sentence": found.sentence,
        "images": images,
        "differences": [
            {
                "cause": each.cause.value,
                "where": each.where,
                "path": each.path,
                "one": each.one,
                "two": each.two,
                "lines": list(each.lines),
            }
            for each in found.differences
        ],
    }


def lines(found: Explanation, *, quiet: bool) -> Iterator[str]:
    """Yield the lines of an explanation for people; ``quiet`` leaves all but the sentence out."""
    yield found.sentence
    if quiet:
        return
    yield ""
    for name, digest in zip(found.names, found.digests, strict=True):
        yield f"  {digest}  {name}"
    for (where, cause), group in groupby(found.differences, key=lambda each: (each.where, each.cause)):
        each = list(group)
        yield ""
        yield f"{where}: {cause.value}" + (f" ({len(each)})" if len(each) > 1 else "")
        for one in each[:_SHOWN]:
            yield from _of_one(one)
        if len(each) > _SHOWN:
            yield f"  … {len(each) - _SHOWN} more; --json lists all"


def _of_one(found: Difference) -> Iterator[str]:
    if found.path:
        yield f"  {found.path}"
    if found.lines:
        yield from (f"    {line}" for line in found.lines)
        return
    for sign, text in (("-", found.one), ("+", found.two)):
        if text:
            yield f"    {sign} {text if len(text) <= _DIGITS else text[:_DIGITS] + '…'}"
