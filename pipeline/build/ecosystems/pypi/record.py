"""RECORD: what a distribution consists of, as CSV of path, hash and size.

Source: "Recording installed projects" of the Python packaging specifications.
"""

import base64
import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Row:
    """One file.

    Args:
        path: with ``/``.
        hash: ``ALGORITHM=BASE64``, or empty for RECORD itself.
        size: in bytes; -1 where it is not told.
    """

    path: str
    hash: str = ""
    size: int = -1


def digest_text(digest: bytes) -> str:
    """Return a SHA-256 as RECORD holds it."""
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def parse_record(content: bytes) -> tuple[Row, ...]:
    """Return the rows of a RECORD.

    Raises:
        ValueError: it is no UTF-8, no CSV, or a row is too short or has a size that is no number.
    """
    rows = []
    try:
        for fields in csv.reader(io.StringIO(content.decode("utf-8"), newline="")):
            if not fields:
                continue
            path, digest, size = (*fields, "", "")[:3]
            rows.append(Row(path=path, hash=digest, size=int(size) if size else -1))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return tuple(rows)


def print_record(rows: Iterable[Row]) -> bytes:
    """Return the rows as a RECORD, sorted, with line ends of one byte."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in sorted(rows):
        writer.writerow([row.path, row.hash, row.size if row.size >= 0 else ""])
    return text.getvalue().encode()
