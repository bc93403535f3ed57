"""``Upload``: one blob on its way into a repository, in parts that can be sent again.

A part is sent with its place in the blob, while it is read. After an interruption the registry is asked how much it
has, and what is missing is sent; a registry that cannot say begins anew. Whatever goes wrong, the upload is deleted.

What cannot be deleted: an upload whose beginning was answered into a connection that had ended, since nobody knows its
name; and with the distribution project's registry (2.8 and 3) one that was cut in the middle of a part, since it knows
an upload only by a signed state that goes with the answer to that part. It removes both by itself, after a week unless
it is configured otherwise.

Source: OCI distribution specification, spec.md, "Pushing blobs".
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from pipeline.declare.errors import FetchError, MissingError
from pipeline.registry.answers import StatusError, TransientError
from pipeline.registry.http import Answer
from pipeline.registry.part import Content, Part, Rest
from pipeline.registry.retry import Patience
from pipeline.registry.unfinished import Note
from runtime.digest import Digest
from runtime.oci.descriptor import Descriptor

PART = 16 << 20
"""Bytes that are sent at once, and kept until they have arrived; a blob of no more is sent in one request."""

_LONGEST_PART = 64 << 20
"""Bytes that a registry may want at least."""

_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")


class LostUploadError(FetchError):
    """The registry does not know the upload any more, or has other parts of it than it should have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Sends the requests of uploads into one repository.

    Args:
        base: the URL that the repository's blobs are below.
        send: sends one request once, as (method, URL, content, headers), and answers the registry's challenges.
        patience: before it is sent again.
    """

    base: str
    send: Callable[[str, str, bytes | Rest, Mapping[str, str]], Answer]
    patience: Patience

    def again(self, method: str, url: str) -> Answer:
        """Send a request without content, one that may be sent twice, until it is answered."""
        tried = 0
        while True:
            try:
                return self.send(method, url, b"", {"Content-Length": "0"} if method == "POST" else {})
            except TransientError as error:
                tried += 1
                self.patience.wait(tried, error)

    def has(self, digest: Digest) -> bool:
        """Tell whether the repository has a blob."""
        try:
            self.again("HEAD", f"{self.base}/blobs/{digest}")
        except MissingError:
            return False
        return True

    def begin(self, digest: Digest, mount: str, note: Note) -> "Upload | None":
        """Begin an upload, and note where it is; None if the registry took the blob from another repository."""
        query = f"?{urlencode({'mount': digest.text, 'from': mount})}" if mount else ""
        asked = f"{self.base}/blobs/uploads/{query}"
        answer = self.again("POST", asked)
        if answer.status == 201:
            return None
        if not answer.headers.get("Location"):
            raise LostUploadError("the registry says no place for it")
        return Upload(self, asked, answer, note)

    def resume(self, note: Note) -> "Upload | None":
        """Go on with an upload that a process left; None if there is none, or the registry does not know it."""
        if not note.url:
            return None
        try:
            answer = self.again("GET", note.url)
            return Upload(self, note.url, answer, note, sent=_count(answer) or 0)
        except (MissingError, StatusError):
            with contextlib.suppress(FetchError):
                self.again("DELETE", note.url)
            return None

    def give_up(self, note: Note) -> None:
        """Delete an upload that a process left; its note is kept where the registry cannot be asked now."""
        try:
            if note.url:
                self.again("DELETE", note.url)
        except (MissingError, StatusError):
            return
        except FetchError:
            note.keep()


class Upload:
    """One upload, which the registry has begun.

    Args:
        wire: sends requests.
        asked: the URL that began it.
        answer: to that request.
        note: where its place is noted.
        sent: how many bytes the registry has already.

    Raises:
        FetchError: the answer says no place for the upload.
    """

    def __init__(self, wire: Wire, asked: str, answer: Answer, note: Note, *, sent: int = 0) -> None:
        self._wire = wire
        self._note = note
        self._sent = sent
        self._url = self._before = asked
        self._move(answer)
        self._before = self._url
        self.part = _part_of(answer)

    def send(self, blob: Descriptor, content: Iterable[bytes]) -> None:
        """Send a blob, and end the upload.

        Args:
            blob: what is sent.
            content: its bytes; where they are not the blob's, their iterator raises.

        Raises:
            LostUploadError: it has to be begun anew.
            FetchError: the registry cannot be reached, or refuses.
        """
        if self._sent > blob.size:
            raise LostUploadError(f"the registry has {self._sent} bytes of it, and {blob.size} are all")
        read = Content(content)
        try:
            self._send(blob, read)
        finally:
            read.check()  # it explains whatever the registry says of the zeros

    def cancel(self) -> None:
        """Delete what was sent; the note of it is kept where the registry cannot be asked now."""
        for url in dict.fromkeys((self._url, self._before)):
            try:
                self._wire.again("DELETE", url)
            except (MissingError, StatusError):
                continue
            except FetchError:  # What led here is told.
                self._note.keep()
            return

    def _send(self, blob: Descriptor, read: Content) -> None:
        if blob.size <= self.part:
            self._finish(blob, Part(read, blob.size), 0)
            return
        for start in range(0, blob.size, self.part):
            self._send_part(start, Part(read, min(self.part, blob.size - start)))
            read.check()
        self._finish(blob, Part(read, 0), blob.size)

    def _send_part(self, start: int, part: Part) -> None:
        """Send one part but for what was sent before, and what is missing of it after an interruption."""
        end = start + part.size
        at, tried, confused = min(max(start, self._sent), end), 0, False
        while at < end:
            try:
                at = self._patch(at, part.from_byte(at - start), end)
            except TransientError as error:
                tried += 1
                self._wire.patience.wait(tried, error)
                at = self._received(start, end)
            except (MissingError, StatusError) as error:
                # 404 where an answer was cut within its Location, 416 where the part came twice.
                if isinstance(error, StatusError) and error.status != 416:
                    raise
                if confused:
                    raise LostUploadError(error.message) from error
                confused = True
                at = self._received(start, end)
        part.read()  # what was sent before, too: its digest counts

    def _patch(self, at: int, rest: Rest, end: int) -> int:
        """Send bytes, and return how many bytes of the blob the registry has now."""
        place = {"Content-Range": f"{at}-{end - 1}"}
        answer = self._wire.send("PATCH", self._url, rest, {**_headers_of(rest), **place})
        self._move(answer)
        has = _count(answer)
        if not answer.headers.get("Location"):
            raise TransientError("the registry's answer to a part is not whole")
        if has is None or has == end:
            return end
        if not at < has < end:
            raise LostUploadError(f"the registry has {has} bytes of it, and {end} were sent")
        return has

    def _received(self, start: int, end: int) -> int:
        """Ask how many bytes of the blob the registry has."""
        answer = self._status()
        if answer.headers.get("Location"):
            self._move(answer)
        has = _count(answer) or 0
        if not start <= has <= end:
            raise LostUploadError(f"the registry has {has} bytes of it, and {start} to {end} were sent")
        return has

    def _status(self) -> Answer:
        """Ask for the upload, where it is and then where it was before: an answer may have been cut in its Location."""
        try:
            return self._wire.again("GET", self._url)
        except (MissingError, StatusError) as error:
            try:
                answer = self._wire.again("GET", self._before)
            except (MissingError, StatusError):
                raise LostUploadError(error.message) from error
        self._url = self._before
        return answer

    def _finish(self, blob: Descriptor, part: Part, start: int) -> None:
        """Send the last bytes, and let the registry look at the digest; a blob that is there then was accepted."""
        end = start + part.size
        at, tried = min(max(start, self._sent), end), 0
        while True:
            try:
                self._put(blob, part.from_byte(at - start))
            except TransientError as error:
                if self._wire.has(blob.digest):
                    return
                tried += 1
                self._wire.patience.wait(tried, error)
                at = self._received(start, end)
            except MissingError as error:
                if self._wire.has(blob.digest):
                    return
                tried += 1
                if tried > 1:
                    raise LostUploadError(error.message) from error
                at = self._received(start, end)
            else:
                return

    def _put(self, blob: Descriptor, rest: Rest) -> None:
        self._wire.send("PUT", _with_digest(self._url, blob.digest), rest, _headers_of(rest))

    def _move(self, answer: Answer) -> None:
        """Go to where the registry wants the next request, which it says as a path or as a URL."""
        following = urljoin(self._url, answer.headers.get("Location", ""))
        if urlsplit(following).scheme not in {"https", urlsplit(self._url).scheme}:
            raise FetchError("the registry says no place for it, or one without TLS")
        self._before, self._url = self._url, following
        self._note.write(following)


def _headers_of(rest: Rest) -> Mapping[str, str]:
    return {"Content-Type": "application/octet-stream", "Content-Length": str(len(rest))}


def _part_of(answer: Answer) -> int:
    least = answer.headers.get("OCI-Chunk-Min-Length", "")
    return min(max(PART, int(least)), _LONGEST_PART) if re.fullmatch(r"[0-9]{1,12}", least) else PART


def _count(answer: Answer) -> int | None:
    """Return how many bytes a registry says that it has, None if it does not say.

    ``0-0`` is what registries say of none, and would be right for one; no part of one byte is ever sent.
    """
    found = _RANGE.fullmatch(answer.headers.get("Range", ""))
    if found is None:
        return None
    last = int(found[1])
    return last + 1 if last else 0


def _with_digest(url: str, digest: Digest) -> str:
    split = urlsplit(url)
    query = urlencode([*parse_qsl(split.query, keep_blank_values=True), ("digest", digest.text)])
    return urlunsplit((split.scheme, split.netloc, split.path, query, ""))
