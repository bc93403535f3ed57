"""``copy_image``: an image from one store into another, byte for byte, so that no digest changes.

Every blob is verified while it is streamed, and is visible only once its digest and its size are the ones that the
manifest names. The manifest comes last: where it is, all of its image is.
"""

import hashlib
from collections.abc import Iterator

from runtime.digest import Digest
from runtime.oci.descriptor import MANIFEST, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, text
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.store import Blobs, Store

_CHUNK = 1 << 20


def copy_image(digest: Digest, source: Blobs, target: Layout, *, names: tuple[str, ...] = ()) -> Image:
    """Copy the image of a manifest's digest; what is there already is not read again.

    Args:
        digest: of its manifest.
        source: has it; nothing that it says is trusted.
        target: takes it.
        names: under which the target lists it.

    Returns:
        The image, as the target has it.

    Raises:
        StoreError: a blob is missing, or cannot be written.
        DigestError: a document has another digest than its name.
        RefusedError: a document is malformed, or a layer is not the bytes that the manifest names.
    """
    image = Image.open(source, digest)
    for each in image.layers:
        _copy(each.descriptor, source, target)
    config = Descriptor.parse(image.manifest["config"], f"config of {digest}")
    target.write(source.read(config.digest, DOCUMENT_LIMIT), config.media_type, expected=config.digest)
    kind = text(image.manifest.get("mediaType", MANIFEST), f"mediaType of {digest}")
    manifest = target.write(source.read(digest, DOCUMENT_LIMIT), kind, expected=digest)
    for name in names:
        target.add_manifest(manifest, name=name)
    return Image.open(target, digest)


def is_whole(digest: Digest, store: Store) -> bool:
    """Tell whether a store has the manifest of an image, its config and all of its layers."""
    return store.has(digest) and all(store.has(each.descriptor.digest) for each in Image.open(store, digest).layers)


def verified(blob: Descriptor, source: Blobs) -> Iterator[bytes]:
    """Yield a blob in parts; the last is followed by an error if they were not what the descriptor says.

    Raises:
        StoreError: the source has no such blob.
        RefusedError: it has another size or digest; nothing beyond the size is yielded.
    """
    state, size = hashlib.sha256(), 0
    with source.open(blob.digest) as file:
        read = getattr(file, "read1", file.read)  # as it comes: nothing waits for a whole part, and nothing is copied
        while size <= blob.size and (part := read(_CHUNK)):
            state.update(part)
            size += len(part)
            if size > blob.size:
                break
            yield part
    if size != blob.size:
        there = f"more than {blob.size}" if size > blob.size else f"{size} of {blob.size}"
        raise RefusedError(Refusal.BLOB_SIZE, f"layer {blob.digest} has {there} bytes that its manifest says")
    if state.hexdigest() != blob.digest.hex:
        raise RefusedError(Refusal.BLOB_DIGEST, f"layer {blob.digest} has the digest sha256:{state.hexdigest()}")


def _copy(blob: Descriptor, source: Blobs, target: Layout) -> None:
    if not target.has(blob.digest):
        target.write(verified(blob, source), blob.media_type, expected=blob.digest)
