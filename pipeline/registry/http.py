"""Streams from ``http:``, ``https:`` and ``file:`` URLs, with the machine's proxies, certificates and credentials."""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from pipeline.declare.errors import FetchError, MissingError
from pipeline.declare.reasons import Reason
from pipeline.registry.access import (
    Access,
    authorization_of,
    basic_authorization,
    proxy_of,
    shown,
    without_credentials,
)
from pipeline.registry.answers import PROBLEM_LIMIT, PROXY_STATUS, TransientError, proxy_refusal, refuse_status

if TYPE_CHECKING:
    import urllib3

BLOCK = 1 << 20
"""Bytes that are asked for at once; fewer may come."""

_REDIRECTS = 5
_DONE = (200, 201, 202, 204)
_ELSEWHERE = (301, 302, 303, 307, 308)
_CONNECT_SECONDS = 20.0
_READ_SECONDS = 60.0
"""What a proxy answers that wants to know who asks. Source: RFC 9110, section 15.5.8."""
_SLOW_SECONDS = 20.0
_SLOW_RATE = 1024
"""Bytes a second below which a server is given up, judged whenever it was waited for ``_SLOW_SECONDS``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server says of a request that succeeded.

    Args:
        status: of HTTP.
        headers: in any case of their names.
    """

    status: int
    headers: Mapping[str, str]


class Connections:
    """A few kept connections to each server; nothing is imported or opened before the first request.

    Args:
        access: proxies, certificates and the files of credentials.
        size: connections that are kept per server.

    Attributes:
        access: as it was given.
    """

    def __init__(self, access: Access, *, size: int) -> None:
        self.access = access
        self._size = size
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every connection; a later request opens new ones."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.clear()

    def read(self, url: str, limit: int, *, accept: str = "*/*", authorization: str = "") -> bytes:
        """Return what ``url`` holds; ``accept`` and ``authorization`` are as for ``open``.

        Raises:
            TransientError: a later try may succeed.
            MissingError: there is no such file.
            FetchError: anything else, as a content of more than ``limit`` bytes.
        """
        parts: list[bytes] = []
        left = limit
        with self.open(url, accept=accept, authorization=authorization) as blocks:
            for block in blocks:
                left -= len(block)
                if left < 0:
                    message = f"it is longer than the {limit} bytes that are read of such a file"
                    raise FetchError(message, reason=Reason.ANSWER_LONG)
                parts.append(block)
        return b"".join(parts)

    def page(self, url: str, limit: int, *, accept: str = "*/*", authorization: str = "") -> tuple[bytes, Answer]:
        """Return what ``url`` holds, and the answer with which it came; in everything else as ``read``."""
        response = self._request(url, accept, authorization, 0)
        try:
            return _whole(response, limit), Answer(status=response.status, headers=response.headers)
        finally:
            response.close()
            response.release_conn()

    def post(self, url: str, form: bytes, limit: int) -> bytes:
        """Send a form that asks for something, and return the answer; redirects are not followed.

        Raises:
            TransientError: a later try may succeed.
            FetchError: anything else, as an answer of more than ``limit`` bytes.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        response = self._request_once(url, "*/*", "", method="POST", content=form, headers=headers)
        try:
            _check_answer(response, 0)
            return _whole(response, limit)
        finally:
            response.close()
            response.release_conn()

    @contextlib.contextmanager
    def open(
        self, url: str, *, accept: str = "*/*", authorization: str = "", start: int = 0
    ) -> Iterator[Iterator[bytes]]:
        """Yield the blocks of what ``url`` holds; redirects are followed, never from TLS to plain HTTP.

        Args:
            url: of what is wanted.
            accept: the media types that are.
            authorization: the header for the server of ``url``, never for one that it redirects to.
            start: bytes that are left out at the beginning; a server that cannot leave them out sends them, and they
                are passed over.

        Raises:
            TransientError: a later try may succeed; also while the blocks are read.
            MissingError: there is no such file.
            FetchError: anything else.
        """
        if urlsplit(url).scheme == "file":
            with _open_file(url) as blocks:
                yield blocks
            return
        response = self._request(url, accept, authorization, start)
        try:
            blocks = _blocks(response)
            yield _without_first(blocks, start) if start and response.status == 200 else blocks
        finally:
            # A connection with unread bytes cannot be used again.
            response.close()
            response.release_conn()

    def send(
        self,
        method: str,
        url: str,
        *,
        content: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
        authorization: str = "",
        accept: str = "*/*",
    ) -> Answer:
        """Send a request that follows no redirect, and return the answer; of its content nothing is kept.

        To HEAD a redirect is an answer: what is asked for is there, in another place.

        Args:
            method: of HTTP.
            url: to which.
            content: what is sent; of an iterable, ``headers`` say the length.
            headers: beside those of every request.
            authorization: the header for the server of ``url``.
            accept: the media types that are wanted.

        Raises:
            TransientError: a later try may succeed.
            ChallengeError: the server wants an authorization.
            MissingError: there is nothing of that name.
            StatusError: it refuses for another reason.
            FetchError: anything else that is no success.
        """
        response = self._request_once(url, accept, authorization, method=method, content=content, headers=headers)
        try:
            # Read to its end, an answer gives its connection back, to be used again.
            said = _beginning(response, PROBLEM_LIMIT)
            if response.status not in _DONE and not (method == "HEAD" and response.status in _ELSEWHERE):
                refuse_status(response, said)
            return Answer(status=response.status, headers=response.headers)
        finally:
            response.close()
            response.release_conn()

    def _request(self, url: str, accept: str, authorization: str, start: int) -> "urllib3.BaseHTTPResponse":
        first = urlsplit(url)[:2]
        headers = {"Range": f"bytes={start}-"} if start else {}
        for _ in range(_REDIRECTS + 1):
            own = authorization if urlsplit(url)[:2] == first else ""
            response = self._request_once(url, accept, own, headers=headers)
            target = response.get_redirect_location()
            if not target:
                _check_answer(response, start)
                return response
            response.close()
            following = urljoin(without_credentials(url), target)
            if urlsplit(url).scheme == "https" and urlsplit(following).scheme != "https":
                message = f"it redirects from TLS to {shown(following)}, which is not followed"
                raise FetchError(message, reason=Reason.REDIRECT_PLAIN)
            if urlsplit(following).scheme not in {"http", "https"}:
                message = f"it redirects to {shown(following)}, which is not followed"
                raise FetchError(message, reason=Reason.REDIRECT_SCHEME)
            url = following
        raise FetchError(f"it redirects more than {_REDIRECTS} times", reason=Reason.REDIRECT_COUNT)

    def _request_once(
        self,
        url: str,
        accept: str,
        authorization: str,
        *,
        method: str = "GET",
        content: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> "urllib3.BaseHTTPResponse":
        from urllib3.exceptions import HTTPError, LocationValueError, SSLError  # noqa: PLC0415 - a cache hit needs none

        # Content-Encoding would change the bytes that are hashed.
        sent = {
            **headers,
            "Accept": accept,
            "Accept-Encoding": "identity",
            "User-Agent": "seatrial",
            **({"Authorization": authorization} if authorization else self._authorization(url)),
        }
        pool = self._pool(url)
        try:
            return pool.request(
                method,
                without_credentials(url),
                body=content or None,
                headers=sent,
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                raise self._unreached(url, error) from error
            raise FetchError(
                f"its certificate is not trusted: {_reason(error)}",
                hint="name your certificates in SSL_CERT_FILE",
                reason=Reason.CERTIFICATE,
            ) from error
        except LocationValueError as error:
            raise FetchError(_reason(error)) from error
        except (HTTPError, OSError) as error:
            raise self._unreached(url, error) from error

    def _unreached(self, url: str, error: Exception) -> FetchError:
        """Return why a server was not reached; proxies and the file of certificates are this machine's."""
        if "NO_CERTIFICATE_OR_CRL" in str(error):
            return FetchError(
                f"{self.access.ca_file} holds no certificates, and TLS needs some",
                hint="SSL_CERT_FILE names a file of certificates in PEM form; correct it, or unset it",
                reason=Reason.CERTIFICATE,
            )
        proxy = proxy_of(url, self.access)
        if not proxy:
            return TransientError(_reason(error))
        if f" {PROXY_STATUS} " in str(error):
            return proxy_refusal()
        return TransientError(
            f"the proxy {shown(proxy)} did not reach it: {_reason(error)}",
            hint="correct http_proxy and https_proxy, or name the server in no_proxy",
            reason=Reason.PROXY,
        )

    def _pool(self, url: str) -> "urllib3.PoolManager":
        import urllib3  # noqa: PLC0415 - a cache hit needs none

        proxy = proxy_of(url, self.access)
        with self._lock:
            pool = self._pools.get(proxy)
            if pool is None:
                timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
                certificates = str(self.access.ca_file) if self.access.ca_file else None
                if proxy:
                    pool = urllib3.ProxyManager(
                        _checked_proxy(proxy),
                        proxy_headers=basic_authorization(proxy, "proxy-authorization"),
                        maxsize=self._size,
                        timeout=timeout,
                        ca_certs=certificates,
                    )
                else:
                    pool = urllib3.PoolManager(maxsize=self._size, timeout=timeout, ca_certs=certificates)
                self._pools[proxy] = pool
        return pool

    def _authorization(self, url: str) -> dict[str, str]:
        own = basic_authorization(url, "authorization")
        registry = authorization_of(url, self.access.headers)
        if registry and not own:
            return {"Authorization": registry}
        if own or self.access.netrc is None or not self.access.netrc.is_file():
            return own
        import netrc  # noqa: PLC0415 - only for the few who have such a file

        from urllib3 import make_headers  # noqa: PLC0415

        try:
            entry = netrc.netrc(self.access.netrc).authenticators(urlsplit(url).hostname or "")
        except (netrc.NetrcParseError, OSError) as error:
            # What the parser says of a line may be a password.
            place = (
                f":{error.lineno}: it is no netrc"
                if isinstance(error, netrc.NetrcParseError)
                else f" cannot be read: {error.strerror}"
            )
            raise FetchError(
                f"{self.access.netrc}{place}",
                hint="an entry is `machine HOST login USER password SECRET`; correct it, or name another file in NETRC",
                reason=Reason.ACCESS,
            ) from error
        return dict(make_headers(basic_auth=f"{entry[0]}:{entry[2]}")) if entry else {}


def _open_file(url: str) -> contextlib.AbstractContextManager[Iterator[bytes]]:
    return _file_blocks(Path(unquote(urlsplit(url).path)))


@contextlib.contextmanager
def _file_blocks(path: Path) -> Iterator[Iterator[bytes]]:
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise MissingError("there is no such file") from error
    except OSError as error:
        raise FetchError(error.strerror or "it cannot be opened") from error
    with file:
        yield iter(lambda: file.read(BLOCK), b"")


def _blocks(response: "urllib3.BaseHTTPResponse") -> Iterator[bytes]:
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - a cache hit needs none

    waited, received = 0.0, 0
    while True:
        before = time.monotonic()
        try:
            # What has come by now: a whole block of a server that drips would be waited for without an end.
            block = response.read1(BLOCK, decode_content=False)
        except (HTTPError, OSError) as error:
            message = f"the connection ended early: {_reason(error)}"
            raise TransientError(message, reason=Reason.ANSWER_CUT) from error
        if not block:
            return
        waited, received = waited + time.monotonic() - before, received + len(block)
        if waited >= _SLOW_SECONDS:
            if received < _SLOW_RATE * waited:
                message = f"it came more slowly than {_SLOW_RATE} bytes a second"
                raise FetchError(message, reason=Reason.ANSWER_SLOW)
            waited, received = 0.0, 0
        yield block


def _check_answer(response: "urllib3.BaseHTTPResponse", start: int) -> None:
    if start and response.status == 206:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            response.close()
            raise TransientError(f"the server sends another part than the one from byte {start} on")
        return
    if response.status != 200:
        refuse_status(response, _beginning(response, PROBLEM_LIMIT))


def _beginning(response: "urllib3.BaseHTTPResponse", limit: int) -> bytes:
    """Return the first bytes of an answer, up to a limit."""
    found = b""
    for block in _blocks(response):
        found += block
        if len(found) >= limit:
            break
    return found[:limit]


def _checked_proxy(proxy: str) -> str:
    """Return the URL of a proxy, without its credentials."""
    try:
        parts = urlsplit(proxy)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise FetchError(
            f"the proxy that this machine names is none that can be used: {shown(proxy)}",
            hint="http_proxy and https_proxy are URLs such as http://proxy.example.org:3128; others are not spoken",
            reason=Reason.PROXY,
        )
    return without_credentials(proxy)


def _whole(response: "urllib3.BaseHTTPResponse", limit: int) -> bytes:
    said = _beginning(response, limit + 1)
    if len(said) > limit:
        raise FetchError(f"it is longer than the {limit} bytes that are read of such an answer")
    return said


def _without_first(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    for block in blocks:
        if count < len(block):
            yield block[count:]
        count = max(0, count - len(block))


def _reason(error: BaseException) -> str:
    """Return what went wrong without URLs, object names or credentials, which the library's own texts may hold."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(error).__name__
