"""How a layer is compressed: which format, and what the first bytes tell of who wrote them."""

from pipeline.digests.places import Stored
from runtime.oci.descriptor import LAYER_GZIP, LAYER_ZSTD

# Source: RFC 1952 section 2.3: XFL 2 is the slowest, 4 the fastest; OS 3 is Unix, 255 unknown.
_SPEED = {0: "", 2: ", slowest level", 4: ", fastest level"}
_SYSTEM = {3: ", system Unix", 255: ", system unknown"}


def compression_of(layer: Stored) -> str:
    """Return how a layer is compressed, with its size: the same archive has as many forms as there are compressors.

    Raises:
        StoreError: it is not there.
    """
    size = f"{layer.descriptor.size} bytes"
    match layer.sniffed().media_type:
        case kind if kind == LAYER_GZIP:
            return f"gzip{_gzip(layer)}, {size}"
        case kind if kind == LAYER_ZSTD:
            return f"zstd, {size}"
        case _:
            return f"not compressed, {size}"


def format_of(text: str) -> str:
    """Return the format alone of what ``compression_of`` returned."""
    return text.partition(",")[0]


def _gzip(layer: Stored) -> str:
    with layer.place.open(layer.descriptor.digest) as file:
        header = file.read(10)
    if len(header) < 10:
        return ""
    stamp = int.from_bytes(header[4:8], "little")
    name = ", with a file name" if header[3] & 8 else ""
    time = f", time {stamp}" if stamp else ""
    return f"{_SPEED.get(header[8], '')}{_SYSTEM.get(header[9], f', system {header[9]}')}{time}{name}"
