"""Records, a file each: the layers that something was built to here."""

import json
from collections.abc import Sequence
from pathlib import Path

from runtime.digest import Digest
from runtime.errors import SeatrialError
from runtime.oci.descriptor import Descriptor
from runtime.oci.image import Layer
from runtime.oci.temporary import write_whole


def print_layers(layers: Sequence[Layer]) -> bytes:
    """Return layers as a record has them."""
    found = [{"descriptor": each.descriptor.to_json(), "diff_id": each.diff_id.text} for each in layers]
    return json.dumps({"layers": found}).encode()


def parse_layers(raw: bytes, where: str) -> tuple[Layer, ...]:
    """Return the layers of a record.

    Args:
        raw: as ``print_layers`` returned it.
        where: it stands, for messages.

    Raises:
        ValueError, KeyError, TypeError, RefusedError, DigestError: it is none.
    """
    return tuple(
        Layer(descriptor=Descriptor.parse(each["descriptor"], where), diff_id=Digest(each["diff_id"]))
        for each in json.loads(raw)["layers"]
    )


def read_record(path: Path) -> tuple[Layer, ...]:
    """Return the layers of a record; none where there is none that can be read."""
    try:
        return parse_layers(path.read_bytes(), str(path))
    except (OSError, ValueError, KeyError, TypeError, SeatrialError):
        return ()


def write_record(path: Path, layers: Sequence[Layer]) -> None:
    """Write a record, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, print_layers(layers))
