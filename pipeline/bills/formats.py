"""The formats of bills: one a module, one a row here."""

import json
from collections.abc import Callable, Mapping

from pipeline.bills import cyclonedx, provenance, spdx
from pipeline.bills.bill import Bill
from runtime.canonical import Json

FORMATS: Mapping[str, Callable[[Bill, str], Mapping[str, Json]]] = {
    cyclonedx.NAME: lambda bill, _: cyclonedx.document(bill),
    spdx.NAME: lambda bill, _: spdx.document(bill),
    provenance.NAME: provenance.document,
}
"""Name → what makes the document of a bill and of the builder's version, which provenance alone tells."""


def render(name: str, bill: Bill, version: str) -> str:
    """Return a bill as text that ends in a line feed; equal bills and versions give equal bytes.

    It is ASCII, with the keys of every object in order.

    Args:
        name: of the format.
        bill: what is told.
        version: of the builder.
    """
    return json.dumps(FORMATS[name](bill, version), indent=1, sort_keys=True).replace("\x7f", "\\u007f") + "\n"
