"""``Registry``: images of an OCI registry, read as a store: one manifest, and the blobs that it names.

Nothing that a registry says is trusted: a manifest is the bytes of its digest, and so is every blob. Which digest a tag
means is its word alone, and kept in the lock.

Source: OCI distribution specification, spec.md, "Pull"; the token authentication of the distribution project.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from pipeline.build.http import ChallengeError, Connections, TransientError
from pipeline.declare.errors import FetchError, MissingError
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.descriptor import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST
from runtime.oci.document import DOCUMENT_LIMIT, parse_document, text
from runtime.oci.reference import is_index, pick
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.remote import Remote

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_ACCEPT = f"{MANIFEST}, {INDEX}, {DOCKER_MANIFEST}, {DOCKER_INDEX}"
_PARAMETER = re.compile(r'([a-zA-Z]+)="([^"]*)"')
_TOKEN_LIMIT = 64 * 1024
_TRIES = 3

T = TypeVar("T")


class Registry:
    """Satisfies ``runtime.oci.store.Blobs`` for the images of one repository.

    Args:
        remote: names the repository, and an image.
        connections: reach the registry.
    """

    ACTIONS = "pull"
    """What a token is asked for."""

    def __init__(self, remote: Remote, connections: Connections) -> None:
        self._remote = remote
        self._connections = connections
        self._authorization = ""
        self._manifests: dict[Digest, bytes] = {}

    def find(self, architecture: str, digest: Digest | None = None) -> Digest:
        """Return the digest of the manifest that the name means now, for an architecture.

        Args:
            architecture: which of several to take.
            digest: of a manifest or of an index, in place of the one that the name has.

        Raises:
            FetchError: the registry cannot be read.
            StoreError: it has no such image.
            ImageError: it has none for the architecture.
            RefusedError: what it gives is malformed, or has another digest.
        """
        wanted = digest or self._remote.digest
        found, raw = self._manifest(wanted.text if wanted else self._remote.tag, wanted)
        if not is_index(parse_document(raw, f"manifest {found}")):
            return found
        chosen = pick(self._remote.text, raw, found, architecture)
        return self._manifest(chosen.text, chosen)[0]

    def manifest(self) -> bytes:
        """Return the manifest, or index, that the name means now, of whatever kind; it raises as ``find``."""
        pinned = self._remote.digest
        return self._manifest(pinned.text if pinned else self._remote.tag, pinned)[1]

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return a whole blob, verified; see ``Blobs.read``."""
        if digest in self._manifests:
            return self._manifests[digest]
        raw = self._again(lambda: self._read(f"blobs/{digest}", limit, "*/*"), f"blob {digest}")
        return _verified(raw, digest)

    @contextlib.contextmanager
    def _opened(self, digest: Digest) -> Iterator[Iterator[bytes]]:
        with contextlib.ExitStack() as stack:
            blocks = self._again(lambda: stack.enter_context(self._open(f"blobs/{digest}", "*/*")), f"blob {digest}")
            yield self._named(blocks, f"blob {digest}")

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob to be streamed; see ``Blobs.open``."""
        stack = contextlib.ExitStack()
        return io.BufferedReader(_Stream(stack.enter_context(self._opened(digest)), stack.close))

    def _named(self, blocks: Iterator[bytes], what: str) -> Iterator[bytes]:
        try:
            yield from blocks
        except FetchError as error:
            raise self._refused(error, what, hint="run it again: the layers that came whole are kept") from error

    def _manifest(self, name: str, wanted: Digest | None) -> tuple[Digest, bytes]:
        raw = self._again(
            lambda: self._read(f"manifests/{quote(name, safe=':')}", DOCUMENT_LIMIT, _ACCEPT), f"manifest {name}"
        )
        found = wanted or Digest.of(raw)
        self._manifests[found] = _verified(raw, found)
        return found, raw

    def _again(self, ask: Callable[[], T], what: str) -> T:
        """Return what a request gives; one that fails for a moment is made again, one without a token with it."""
        for left in reversed(range(_TRIES)):
            try:
                return ask()
            except ChallengeError as error:
                if self._authorization or not left:
                    raise self._refused(error, what) from error
                self._authorization = self._answer(error.challenge)
            except MissingError as error:
                raise StoreError(f"{self._remote.text}: the registry has no {what}") from error
            except TransientError as error:
                if not left:
                    raise self._refused(error, what) from error
            except FetchError as error:
                raise self._refused(error, what) from error
        raise AssertionError

    def _refused(self, error: FetchError, what: str, *, hint: str = "") -> FetchError:
        return FetchError(
            f"{self._remote.text} cannot be read from its registry: {what}: {error.message}", hint=error.hint or hint
        )

    def _read(self, path: str, limit: int, accept: str) -> bytes:
        with self._open(path, accept) as blocks:
            parts, left = [], limit
            for block in blocks:
                left -= len(block)
                if left < 0:
                    raise FetchError(f"it is longer than the {limit} bytes that are read of such a document")
                parts.append(block)
        return b"".join(parts)

    def _open(self, path: str, accept: str) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        url = f"{self._remote.base}/{path}"
        return self._connections.open(url, accept=accept, authorization=self._authorization)

    def _answer(self, challenge: str) -> str:
        """Return the header that a registry asks for: name and password, or a token."""
        own = self._connections.registry_authorization(self._remote.host, self._remote.repository)
        if own and challenge.lower().startswith("basic"):
            return own
        return f"Bearer {self._token(challenge, own)}"

    def _token(self, challenge: str, own: str) -> str:
        """Return a token; credentials for it are the registry's own, or those of the realm's host in netrc."""
        fields = dict(_PARAMETER.findall(challenge))
        realm = fields.get("realm", "")
        schemes = {"https", urlsplit(self._remote.base).scheme}
        if not challenge.lower().startswith("bearer ") or urlsplit(realm).scheme not in schemes:
            raise FetchError(
                f"the registry of {self._remote.text} wants to be asked in another way than by a token over TLS"
            )
        if urlsplit(realm).scheme != "https" and urlsplit(realm).netloc != urlsplit(self._remote.base).netloc:
            own = ""  # A password goes in plain text to the registry of this machine alone.
        query = {"scope": f"repository:{self._remote.repository}:{self.ACTIONS}"}
        if "service" in fields:
            query["service"] = fields["service"]
        joined = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        said = parse_document(
            self._connections.read(joined, _TOKEN_LIMIT, authorization=own), "the token of a registry"
        )
        found = text(said.get("token") or said.get("access_token") or "", "the token of a registry")
        if not found or not found.isascii() or not found.isprintable():
            raise FetchError(f"the registry of {self._remote.text} gives no token")
        return found


class _Stream(io.RawIOBase):
    """Blocks of bytes as a file; closing it ends the request."""

    def __init__(self, blocks: Iterator[bytes], end: Callable[[], None]) -> None:
        self._blocks = blocks
        self._end = end
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        self._rest = self._rest or next(self._blocks, b"")
        with memoryview(buffer).cast("B") as view:
            taken = self._rest[: len(view)]
            view[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def close(self) -> None:
        if not self.closed:
            self._end()
        super().close()


def _verified(raw: bytes, wanted: Digest) -> bytes:
    found = Digest.of(raw)
    if found != wanted:
        raise RefusedError(Refusal.BLOB_DIGEST, f"the registry gives bytes of the digest {found} for {wanted}")
    return raw
