"""``Repository``: one repository of a registry, to be read and written.

Source: OCI distribution specification, spec.md, "Push".
"""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import quote

from pipeline.declare.errors import FetchError
from pipeline.registry.answers import StatusError, TransientError
from pipeline.registry.http import Answer, Connections
from pipeline.registry.part import Rest
from pipeline.registry.registry import ACCEPT, Registry
from pipeline.registry.retry import Patience
from pipeline.registry.unfinished import Note, Unfinished
from pipeline.registry.upload import LostUploadError, Wire
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.copy import verified
from runtime.oci.descriptor import Descriptor
from runtime.oci.remote import Remote
from runtime.oci.store import Blobs

PARALLEL = 4
"""Blobs that are sent at once: few, since registries limit the connections of a client."""

_SEEN_TOO_EARLY = {"MANIFEST_BLOB_UNKNOWN", "DIGEST_INVALID"}
"""What docker-registry answers of a manifest while another client puts one of its blobs in, which is there already."""

CONDITION_FAILED = 412
"""Of HTTP: what is asked under a condition is not done."""

_PUT = "put into"
"""As ``READ``, of what is put in."""

_BEGINNINGS = 3
"""How often an upload is begun for one blob."""


class Repository(Registry):
    """One repository of a registry, to be read and written.

    Args:
        remote: names the repository, and the tag that a manifest gets.
        connections: reach the registry.
        patience: with a registry that is busy or away.
        others: repositories of the same registry that are read beside it.
        unfinished: where uploads under way are written down; None writes nothing down.
    """

    ACTIONS = "pull,push"

    def __init__(
        self,
        remote: Remote,
        connections: Connections,
        *,
        patience: Patience | None = None,
        others: tuple[str, ...] = (),
        unfinished: Unfinished | None = None,
    ) -> None:
        super().__init__(remote, connections, patience=patience, others=others)
        self._unfinished = unfinished
        self._there: set[Digest] = set()

    def put_blobs(self, blobs: Sequence[Descriptor], source: Blobs, *, mount: str = "") -> None:
        """Put blobs in, ``PARALLEL`` at a time; see ``put_blob``. After a failure those under way are given up."""
        stopped = threading.Event()
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="push") as threads:
            wanted = {each.digest: each for each in blobs}.values()
            begun = [threads.submit(self._put_blob, each, source, mount, stopped) for each in wanted]
            try:
                for each in as_completed(begun):
                    each.result()
            finally:
                stopped.set()
                threads.shutdown(wait=True, cancel_futures=True)

    def put_blob(self, blob: Descriptor, source: Blobs, *, mount: str = "") -> None:
        """Put a blob in, verified while it is sent; nothing is sent if the registry has it.

        Args:
            blob: what is put in.
            source: has it.
            mount: a repository of the same registry that has it as well; empty for none. Where the registry does not
                take it from there, it is sent.

        Raises:
            FetchError: the registry cannot be reached, or refuses.
            StoreError: the source has no such blob.
            RefusedError: it is not the bytes that the descriptor says.
        """
        self._put_blob(blob, source, mount, threading.Event())

    def put_manifest(
        self,
        raw: bytes,
        media_type: str,
        *,
        name: str = "",
        is_read_back: bool = True,
        condition: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """Put a manifest in, whose blobs are there already, and read it back.

        Args:
            raw: its bytes.
            media_type: of it.
            name: the tag that it gets, or its digest; by default the tag of ``remote``, its digest where there is none.
            is_read_back: False for a tag that others move at the same time.
            condition: headers under which it is put, which not every registry honors.

        Returns:
            What the registry answered; nothing is told of it where the manifest was found there after an interruption.

        Raises:
            StatusError: of 412, where the condition does not hold.
            FetchError: the registry cannot be reached, or refuses.
            RefusedError: it gives other bytes than were put.
        """
        digest = Digest.of(raw)
        named = name or self.remote.tag or digest.text
        path, headers = f"manifests/{quote(named, safe=':')}", {"Content-Type": media_type, **condition}
        answer = self._until_there(
            lambda header: self._send("PUT", path, header, content=raw, headers=headers), named, digest
        )
        # A registry may write a manifest in another way than it came, and then its digest is another one.
        if is_read_back:
            self._manifest(named, digest)
        return answer

    def named(self, name: str) -> Digest | None:
        """Return the digest of the manifest that a tag names, None if there is none; it raises as ``find``."""
        try:
            return self._manifest(name, None)[0]
        except StoreError:
            return None

    def entity_tag(self, name: str) -> str:
        """Return what the registry calls the state of a tag in conditions, empty where it does not say."""
        answer = self._head(f"manifests/{quote(name, safe=':')}", ACCEPT)
        return answer.headers.get("ETag", "") if answer else ""

    def has_manifest(self, digest: Digest) -> bool:
        """Tell whether a manifest is there; nothing is read of it."""
        return self._head(f"manifests/{digest}", ACCEPT) is not None

    def size_of(self, digest: Digest) -> int | None:
        """Return how many bytes a blob has by the registry's word; None if it has no such blob, -1 if it does not say.

        A registry that keeps blobs elsewhere, and says where, has the blob.
        """
        answer = self._head(f"blobs/{digest}")
        if answer is None:
            return None
        said = answer.headers.get("Content-Length", "")
        return int(said) if answer.status == 200 and re.fullmatch(r"[0-9]{1,18}", said) else -1

    def check_blobs(self, blobs: Sequence[Descriptor]) -> None:
        """Look whether blobs are there, each as long as its descriptor says.

        Raises:
            StoreError: one is missing, or has another size.
            FetchError: the registry cannot be reached.
        """
        wanted = {each.digest: each.size for each in blobs}
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="check") as threads:
            for digest, size in zip(wanted, threads.map(self.size_of, wanted), strict=True):
                if size not in (-1, wanted[digest]):
                    there = "nothing" if size is None else f"{size} bytes"
                    message = f"of blob {digest} there is {there}, not {wanted[digest]} bytes"
                    raise StoreError(f"{self.remote.text}: {message}")

    def sweep(self) -> int:
        """Delete the uploads that killed processes left here; return how many there were.

        One that cannot be deleted now is tried again the next time.
        """
        count = 0
        for note in self._unfinished.left(self.remote.base) if self._unfinished else ():
            count += 1
            self._wire().give_up(note)
        return count

    def _wire(self, patience: Patience | None = None) -> Wire:
        return Wire(base=self.remote.base, send=self._sent, patience=patience or self.patience)

    def _head(self, path: str, accept: str = "*/*") -> Answer | None:
        try:
            return self._again(lambda header: self._send("HEAD", path, header, accept=accept), path)
        except StoreError:
            return None

    def _until_there(self, put: Callable[[str], Answer], name: str, digest: Digest) -> Answer:
        """Put a manifest; after an interruption only if it is not there: another may have moved the tag meanwhile."""
        tried, what = 0, f"manifest {name}"
        while True:
            try:
                return self._once(put)
            except TransientError as error:
                tried += 1
                self._wait(tried, error, what, _PUT)
                if self.named(name) == digest:
                    return Answer(status=201, headers={})
            except StatusError as error:
                if error.status == CONDITION_FAILED:
                    raise
                if not _SEEN_TOO_EARLY & set(error.codes):
                    raise self._refused(error, what, verb=_PUT) from error
                tried += 1
                self._wait(tried, TransientError(error.message), what, _PUT)
            except FetchError as error:
                raise self._refused(error, what, verb=_PUT) from error

    def _put_blob(self, blob: Descriptor, source: Blobs, mount: str, stopped: threading.Event) -> None:
        what = f"blob {blob.digest}"
        wire = self._wire(replace(self.patience, stopped=stopped))
        try:
            # What may be had from beside is asked for at once: it is there afterwards, whether or not it was before.
            is_there = blob.digest in self._there or (not mount and wire.has(blob.digest))
            if not stopped.is_set() and not is_there:
                self._upload(wire, blob, mount, lambda: _until(verified(blob, source), stopped))
            self._there |= {blob.digest} if not stopped.is_set() else set()
        except FetchError as error:
            raise self._refused(error, what, verb=_PUT) from error

    def _upload(self, wire: Wire, blob: Descriptor, mount: str, read: Callable[[], Iterator[bytes]]) -> None:
        for left in reversed(range(_BEGINNINGS)):
            try:
                self._upload_once(wire, blob, mount, read())
            except LostUploadError:
                if not left:
                    raise
            else:
                return

    def _upload_once(self, wire: Wire, blob: Descriptor, mount: str, content: Iterator[bytes]) -> None:
        with self._note(blob.digest) as note:
            upload = wire.resume(note) or wire.begin(blob.digest, mount, note)
            if upload is None:
                return
            if mount and wire.has(blob.digest):
                upload.cancel()
                return
            try:
                upload.send(blob, content)
            except BaseException:
                upload.cancel()
                raise

    def _note(self, digest: Digest) -> contextlib.AbstractContextManager[Note]:
        if self._unfinished is None:
            return contextlib.nullcontext(Note())
        return self._unfinished.note(self.remote.base, digest)

    def _sent(self, method: str, url: str, content: bytes | Rest, headers: Mapping[str, str]) -> Answer:
        return self._once(lambda header: self._send(method, url, header, content=content, headers=headers))


def _until(blocks: Iterator[bytes], stopped: threading.Event) -> Iterator[bytes]:
    for block in blocks:
        if stopped.is_set():
            raise FetchError("it was given up, since another failed")
        yield block
