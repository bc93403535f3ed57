"""``push_image``: an image from a store into a registry, byte for byte, so that no digest changes.

Layers and config go first, the manifest last: where it is, all of its image is. It is read back, and must be the bytes
that were put.

Source: OCI distribution specification, spec.md, "Push".
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from pipeline.build.http import Connections
from pipeline.build.registry import Registry
from pipeline.declare.errors import FetchError
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.copy import verified
from runtime.oci.descriptor import MANIFEST, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, text
from runtime.oci.image import Image
from runtime.oci.remote import Remote
from runtime.oci.store import Blobs


def push_image(digest: Digest, source: Blobs, remote: Remote, connections: Connections) -> None:
    """Put the image of a manifest's digest into a registry; blobs that it has already are not sent again.

    Args:
        digest: of its manifest.
        source: has it; nothing that it says is trusted.
        remote: names the repository, and the tag that the image gets; none where it names a digest.
        connections: reach the registry.

    Raises:
        FetchError: the registry cannot be reached, or refuses.
        StoreError: a blob is missing, or the name pins the digest of another image.
        DigestError: a document has another digest than its name.
        RefusedError: a document is malformed, or a blob is not the bytes that the manifest names.
    """
    if remote.digest not in (None, digest):
        raise StoreError(f"{remote.text} names another image than {digest}", hint="name a tag, or no digest")
    image = Image.open(source, digest)
    repository = Repository(remote, connections)
    for each in image.layers:
        repository.put_blob(each.descriptor, source)
    repository.put_blob(Descriptor.parse(image.manifest["config"], f"config of {digest}"), source)
    kind = text(image.manifest.get("mediaType", MANIFEST), f"mediaType of {digest}")
    repository.put_manifest(source.read(digest, DOCUMENT_LIMIT), kind)


class Repository(Registry):
    """One repository of a registry, to be read and written.

    Args:
        remote: names the repository, and the tag that a manifest gets; without one it has its digest alone.
        connections: reach the registry.
    """

    ACTIONS = "pull,push"

    def put_blob(self, blob: Descriptor, source: Blobs) -> None:
        """Put a blob in, verified while it is sent; nothing is sent if the registry has it.

        Raises:
            FetchError: the registry cannot be reached, or refuses.
            StoreError: the source has no such blob.
            RefusedError: it is not the bytes that the descriptor says.
        """
        if self._has(blob.digest):
            return
        self._again(lambda: self._upload(blob, source), f"blob {blob.digest}")

    def put_manifest(self, raw: bytes, media_type: str) -> None:
        """Put a manifest in, whose blobs are there already, and read it back.

        Raises:
            FetchError: the registry cannot be reached, or refuses.
            RefusedError: it gives other bytes than were put.
        """
        digest = Digest.of(raw)
        name = quote(self._remote.tag or digest.text, safe=":")
        headers = {"Content-Type": media_type}
        self._again(lambda: self._send("PUT", f"manifests/{name}", content=raw, headers=headers), f"manifest {name}")
        # A registry may write a manifest in another way than it came, and then its digest is another one.
        self._manifest(name, digest)

    def _has(self, digest: Digest) -> bool:
        try:
            self._again(lambda: self._send("HEAD", f"blobs/{digest}"), f"blob {digest}")
        except StoreError:
            return False
        return True

    def _upload(self, blob: Descriptor, source: Blobs) -> None:
        answer = self._send("POST", "blobs/uploads/", headers={"Content-Length": "0"})
        url = _destination(f"{self._remote.base}/blobs/uploads/", answer.get("Location", ""), blob.digest)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        is_own = urlsplit(url)[:2] == urlsplit(self._remote.base)[:2]
        authorization = self._authorization if is_own else ""
        self._connections.send("PUT", url, content=verified(blob, source), headers=headers, authorization=authorization)

    def _send(
        self, method: str, path: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Mapping[str, str]:
        url = f"{self._remote.base}/{path}"
        return self._connections.send(
            method, url, content=content, headers=headers or {}, authorization=self._authorization
        )

    def _refused(self, error: FetchError, what: str, *, hint: str = "") -> FetchError:
        message = f"{self._remote.text} cannot be put into its registry: {what}: {error.message}"
        return FetchError(message, hint=error.hint or hint)


def _destination(asked: str, location: str, digest: Digest) -> str:
    """Return where a registry wants a blob, which it says as a path or as a URL, with fields of its own."""
    parts = urlsplit(urljoin(asked, location))
    if not location or parts.scheme not in {"https", urlsplit(asked).scheme}:
        raise FetchError("the registry says no place for it, or one without TLS")
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("digest", digest.text)])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
