"""``push_image``: an image from a store into a registry, byte for byte, so that no digest changes.

Layers and config go first, the manifest last: where it is, all of its image is. It is read back, and must be the bytes
that were put. Of an index the images that it lists go before it, each by its digest.

Source: OCI distribution specification, spec.md, "Push".
"""

from collections.abc import Mapping

from pipeline.registry.http import Connections
from pipeline.registry.registry import Registry
from pipeline.registry.repository import Repository
from pipeline.registry.retry import Patience
from pipeline.registry.unfinished import Unfinished
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.descriptor import INDEX, MANIFEST, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, items, parse_document, text
from runtime.oci.image import parse_manifest
from runtime.oci.reference import is_index
from runtime.oci.remote import Remote
from runtime.oci.store import Blobs


def push_image(
    digest: Digest,
    source: Blobs,
    remote: Remote,
    connections: Connections,
    *,
    patience: Patience | None = None,
    unfinished: Unfinished | None = None,
) -> None:
    """Put the image of a manifest's digest into a registry; blobs that it has already are not sent again.

    Args:
        digest: of its manifest, or of an index.
        source: has it; nothing that it says is trusted. Of another repository of the same registry the blobs are not
            sent: the registry takes them from there.
        remote: names the repository, and the tag that the image gets; none where it names a digest.
        connections: reach the registry.
        patience: with a registry that is busy or away.
        unfinished: where uploads under way are written down, for the next process; None writes nothing down.

    Raises:
        FetchError: the registry cannot be reached, or refuses.
        StoreError: a blob is missing, or the name pins the digest of another image.
        DigestError: a document has another digest than its name.
        RefusedError: a document is malformed, or a blob is not the bytes that the manifest names.
    """
    if remote.digest not in (None, digest):
        raise StoreError(f"{remote.text} names another image than {digest}", hint="name a tag, or no digest")
    mount = beside(source, remote)
    others = (mount,) if mount else ()
    repository = Repository(remote, connections, patience=patience, others=others, unfinished=unfinished)
    raw = _manifest_of(digest, source)
    index = parse_document(raw, f"manifest {digest}")
    if not is_index(index):
        _push(digest, raw, source, repository, mount)
        return
    for each in items(index.get("manifests"), f"index {digest}"):
        child = Descriptor.parse(each, f"index {digest}").digest
        _push(child, _manifest_of(child, source), source, repository, mount, name=child.text)
    repository.put_manifest(raw, text(index.get("mediaType", INDEX), f"mediaType of {digest}"))


def blobs_of(manifest: Mapping[str, Json], digest: Digest) -> tuple[Descriptor, ...]:
    """Return the blobs of a manifest, of an image or of another artifact: layers in their order, and the config.

    Raises:
        RefusedError: one of them is malformed.
    """
    layers = items(manifest.get("layers"), f"layers of {digest}")
    return (
        *(Descriptor.parse(each, f"layer {index} of {digest}") for index, each in enumerate(layers, 1)),
        Descriptor.parse(manifest.get("config"), f"config of {digest}"),
    )


def beside(source: Blobs, remote: Remote) -> str:
    """Return the repository of the same registry that a source is, empty if it is none."""
    if isinstance(source, Registry) and source.remote.host == remote.host:
        return source.remote.repository
    return ""


def _push(digest: Digest, raw: bytes, source: Blobs, repository: Repository, mount: str, *, name: str = "") -> None:
    manifest = parse_manifest(raw, str(digest))
    repository.put_blobs(blobs_of(manifest, digest), source, mount=mount)
    kind = text(manifest.get("mediaType", MANIFEST), f"mediaType of {digest}")
    repository.put_manifest(raw, kind, name=name)


def _manifest_of(digest: Digest, source: Blobs) -> bytes:
    """Return a manifest; a registry has them in another place than blobs."""
    return source.manifest(digest.text) if isinstance(source, Registry) else source.read(digest, DOCUMENT_LIMIT)
