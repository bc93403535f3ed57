"""``Registry``: images of an OCI registry, read as a store: one manifest, and the blobs that it names.

Nothing that a registry says is trusted: a manifest is the bytes of its digest, and so is every blob. Which digest a tag
means is its word alone, and kept in the lock.

Source: OCI distribution specification, spec.md, "Pull".
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from pipeline.declare.errors import FetchError, MissingError
from pipeline.registry.answers import ChallengeError, LongAnswerError, TransientError
from pipeline.registry.http import Answer, Connections
from pipeline.registry.retry import Patience
from pipeline.registry.stream import Stream
from pipeline.registry.token import Authorizer
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.descriptor import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, items, parse_document, text
from runtime.oci.reference import is_index, pick
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.remote import Remote

ACCEPT = f"{MANIFEST}, {INDEX}, {DOCKER_MANIFEST}, {DOCKER_INDEX}"
"""What is asked for where a manifest is: registries have others for whoever does not say so."""

READ = "read from"
"""How messages call what could not be done with something that is in a registry."""

_LOGIN = "log in with `docker login` or `podman login`: their files and credential programs are asked"

_NEXT = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?')
_PAGES = 1000

T = TypeVar("T")


class Registry:
    """Satisfies ``runtime.oci.store.Blobs`` for the images of one repository; safe to use from several threads.

    Args:
        remote: names the repository, and an image.
        connections: reach the registry.
        patience: with a registry that is busy or away.
        others: repositories of the same registry that are read beside it.

    Attributes:
        remote: as it was given.
        patience: likewise.
    """

    ACTIONS = "pull"
    """What a token is asked for."""

    def __init__(
        self,
        remote: Remote,
        connections: Connections,
        *,
        patience: Patience | None = None,
        others: tuple[str, ...] = (),
    ) -> None:
        self.remote = remote
        self._connections = connections
        self.patience = patience or Patience()
        self._authorizer = Authorizer(remote, connections, self.ACTIONS, others)
        self._manifests: dict[Digest, bytes] = {}
        self._has_referrers = True

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
        wanted = digest or self.remote.digest
        found, raw = self._manifest(wanted.text if wanted else self.remote.tag, wanted)
        if not is_index(parse_document(raw, f"manifest {found}")):
            return found
        chosen = pick(self.remote.text, raw, found, architecture)
        return self._manifest(chosen.text, chosen)[0]

    def manifest(self, name: str = "") -> bytes:
        """Return a manifest, or index, of whatever kind; it raises as ``find``.

        Args:
            name: a tag, or the text of a digest; by default what the registry's own name means now.
        """
        pinned = self.remote.digest if not name else Digest(name) if ":" in name else None
        return self._manifest(pinned.text if pinned else name or self.remote.tag, pinned)[1]

    def known(self, digest: Digest) -> bytes:
        """Return a manifest, or index, by its digest; what was read before is not asked for. It raises as ``find``."""
        return self._manifests.get(digest) or self.manifest(digest.text)

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return a whole blob, or a manifest that was read before, verified; see ``Blobs.read``."""
        if digest in self._manifests:
            return self._manifests[digest]
        raw = self._again(lambda header: self._read(f"blobs/{digest}", limit, "*/*", header), f"blob {digest}")
        return _verified(raw, digest)

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob to be streamed; see ``Blobs.open``. It goes on where a connection ends."""
        what, path = f"blob {digest}", f"blobs/{digest}"

        @contextlib.contextmanager
        def reopen(start: int) -> Iterator[Iterator[bytes]]:
            with contextlib.ExitStack() as stack:

                def ask(header: str) -> Iterator[bytes]:
                    return stack.enter_context(self._open(path, "*/*", header, start))

                yield self._again(ask, what)

        hint = "run it again: the layers that came whole are kept"
        return io.BufferedReader(Stream(reopen, self.patience, lambda error: self._refused(error, what, hint=hint)))

    def tags(self) -> tuple[str, ...]:
        """Return the tags of the repository, sorted, none where there is no such repository; it raises as ``find``."""
        try:
            pages = list(self._pages("tags/list?n=1000", "*/*", "the list of tags"))
        except StoreError:
            return ()
        found = (items(page.get("tags"), "the list of tags") for page in pages)
        return tuple(sorted({text(each, "the list of tags") for several in found for each in several}))

    def referrers(self, subject: Digest) -> tuple[Descriptor, ...] | None:
        """Return what the registry itself lists as attached to a manifest; None if it has no such lists.

        It raises as ``find``.
        """
        what = f"the list of what is attached to {subject}"
        if not self._has_referrers:
            return None
        try:
            pages = list(self._pages(f"referrers/{subject}", INDEX, what))
        except StoreError:
            # Of a repository that is there, one 404 tells enough; of one that is not yet, nothing.
            self._has_referrers = subject not in self._manifests
            return None
        found = (items(page.get("manifests"), what) for page in pages)
        return tuple(Descriptor.parse(each, what) for several in found for each in several)

    def _pages(self, path: str, accept: str, what: str) -> Iterator[Mapping[str, Json]]:
        """Yield the pages of a list, which a registry names one after the other."""
        url = f"{self.remote.base}/{path}"
        for _ in range(_PAGES):
            raw, answer = self._page(url, accept, what)
            yield parse_document(raw, what)
            following = _NEXT.search(answer.headers.get("Link", ""))
            if following is None:
                return
            url = urljoin(url, following[1])
            if urlsplit(url)[:2] != urlsplit(self.remote.base)[:2]:
                raise FetchError(f"{self.remote.text}: {what} goes on at another server, which is not followed")
        raise FetchError(f"{self.remote.text}: {what} has more than the {_PAGES} pages that are read")

    def _page(self, url: str, accept: str, what: str) -> tuple[bytes, Answer]:
        return self._again(
            lambda header: self._connections.page(url, DOCUMENT_LIMIT, accept=accept, authorization=header), what
        )

    def _manifest(self, name: str, wanted: Digest | None) -> tuple[Digest, bytes]:
        path = f"manifests/{quote(name, safe=':')}"
        raw = self._again(lambda header: self._read(path, DOCUMENT_LIMIT, ACCEPT, header), f"manifest {name}")
        found = wanted or Digest.of(raw)
        self._manifests[found] = _verified(raw, found)
        return found, raw

    def _again(self, ask: Callable[[str], T], what: str) -> T:
        """Return what a request gives; one that fails for a moment is made again, one without a token with it.

        Args:
            ask: makes the request with the header that says who asks; one that may be made twice.
            what: is asked for.
        """
        tried = 0
        while True:
            try:
                return self._once(ask)
            except MissingError as error:
                raise StoreError(f"{self.remote.text}: the registry has no {what}: {error.message}") from error
            except TransientError as error:
                tried += 1
                self._wait(tried, error, what)
            except FetchError as error:
                raise self._refused(error, what) from error

    def _once(self, ask: Callable[[str], T]) -> T:
        """Return what a request gives; it is made again only to answer the registry's challenge."""
        while True:
            used = self._authorizer.header
            try:
                found = ask(used)
            except ChallengeError as error:
                self._authorizer.renew(used, error)
            else:
                self._authorizer.prove(used)
                return found

    def _wait(self, tried: int, error: TransientError, what: str, verb: str = READ) -> None:
        try:
            self.patience.wait(tried, error)
        except FetchError as last:
            raise self._refused(last, what, verb=verb) from error

    def _refused(self, error: FetchError, what: str, *, hint: str = "", verb: str = READ) -> FetchError:
        own = _LOGIN if isinstance(error, ChallengeError) else error.hint or hint
        message = f"{self.remote.text} cannot be {verb} its registry: {what}: {error.message}"
        return (LongAnswerError if isinstance(error, LongAnswerError) else FetchError)(message, hint=own)

    def _read(self, path: str, limit: int, accept: str, header: str) -> bytes:
        with self._open(path, accept, header) as blocks:
            parts, left = [], limit
            for block in blocks:
                left -= len(block)
                if left < 0:
                    raise LongAnswerError(f"it is longer than the {limit} bytes that are read of such a document")
                parts.append(block)
        return b"".join(parts)

    def _open(
        self, path: str, accept: str, header: str, start: int = 0
    ) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        url = f"{self.remote.base}/{path}"
        return self._connections.open(url, accept=accept, authorization=header, start=start)

    def _send(
        self,
        method: str,
        path: str,
        header: str,
        *,
        content: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
        accept: str = "*/*",
    ) -> Answer:
        """Send a request to a path below the repository, or to a URL; the header goes to the registry alone."""
        url = urljoin(f"{self.remote.base}/", path)
        own = header if urlsplit(url)[:2] == urlsplit(self.remote.base)[:2] else ""
        return self._connections.send(method, url, content=content, headers=headers, authorization=own, accept=accept)


def _verified(raw: bytes, wanted: Digest) -> bytes:
    found = Digest.of(raw)
    if found != wanted:
        raise RefusedError(Refusal.BLOB_DIGEST, f"the registry gives bytes of the digest {found} for {wanted}")
    return raw
