"""Streams from ``http:``, ``https:`` and ``file:`` URLs, with the machine's proxies, certificates and credentials."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from pipeline.build.npm_settings import authorization_of
from pipeline.build.registry_credentials import registry_authorization
from pipeline.build.sources import PUBLIC_ARCHIVES, Sources, shown
from pipeline.declare.errors import FetchError, MissingError
from pipeline.declare.reasons import Reason

if TYPE_CHECKING:
    import urllib3

BLOCK = 1 << 20
"""Bytes that are asked for at once; fewer may come."""

_REDIRECTS = 5
_DONE = (200, 201, 202, 204)
_CONNECT_SECONDS = 20.0
_READ_SECONDS = 60.0
_PROXY_STATUS = 407
"""What a proxy answers that wants to know who asks. Source: RFC 9110, section 15.5.8."""
_SLOW_SECONDS = 20.0
_SLOW_RATE = 1024
"""Bytes a second below which a server is given up, judged whenever it was waited for ``_SLOW_SECONDS``."""


class TransientError(FetchError):
    """The same request may succeed a little later: name resolution, connection, a busy server, a short read."""


class ChallengeError(FetchError):
    """The server wants to be asked with an authorization; ``challenge`` is how it says so, as hostile as all else."""

    def __init__(self, message: str, *, hint: str = "", reason: Reason | None = None, challenge: str = "") -> None:
        super().__init__(message, hint=hint, reason=reason)
        self.challenge = challenge


class Connections:
    """A few kept connections to each server; nothing is imported or opened before the first request.

    Args:
        sources: proxies, certificates and the file of credentials.
        size: connections that are kept per server.
    """

    def __init__(self, sources: Sources, *, size: int) -> None:
        self._sources = sources
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

    @contextlib.contextmanager
    def open(self, url: str, *, accept: str = "*/*", authorization: str = "") -> Iterator[Iterator[bytes]]:
        """Yield the blocks of what ``url`` holds; redirects are followed, never from TLS to plain HTTP.

        Args:
            url: of what is wanted.
            accept: the media types that are.
            authorization: the header for the server of ``url``, never for one that it redirects to.

        Raises:
            TransientError: a later try may succeed; also while the blocks are read.
            MissingError: there is no such file.
            FetchError: anything else.
        """
        if urlsplit(url).scheme == "file":
            with _open_file(url) as blocks:
                yield blocks
            return
        response = self._request(url, accept, authorization)
        try:
            yield _blocks(response)
        finally:
            # A connection with unread bytes cannot be used again.
            response.close()
            response.release_conn()

    def send(
        self,
        method: str,
        url: str,
        *,
        content: bytes | Iterator[bytes] = b"",
        headers: Mapping[str, str],
        authorization: str = "",
    ) -> Mapping[str, str]:
        """Send a request that follows no redirect, and return the headers of the answer, whose content is not read.

        Args:
            method: of HTTP.
            url: to which.
            content: what is sent; of an iterator, ``headers`` say the length.
            headers: beside those of every request.
            authorization: the header for the server of ``url``.

        Raises:
            TransientError: a later try may succeed.
            ChallengeError: the server wants an authorization.
            MissingError: there is nothing of that name.
            FetchError: anything else that is no success.
        """
        response = self._request_once(url, "*/*", authorization, method=method, content=content, headers=headers)
        try:
            if response.status not in _DONE:
                _refuse_status(response)
            return response.headers
        finally:
            response.close()
            response.release_conn()

    def _request(self, url: str, accept: str, authorization: str) -> "urllib3.BaseHTTPResponse":
        first = urlsplit(url)[:2]
        for _ in range(_REDIRECTS + 1):
            own = authorization if urlsplit(url)[:2] == first else ""
            response = self._request_once(url, accept, own)
            target = response.get_redirect_location()
            if not target:
                _refuse_status(response)
                return response
            response.close()
            following = urljoin(_without_credentials(url), target)
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
        content: bytes | Iterator[bytes] = b"",
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
                _without_credentials(url),
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
                f"{self._sources.ca_file} holds no certificates, and TLS needs some",
                hint="SSL_CERT_FILE names a file of certificates in PEM form; correct it, or unset it",
                reason=Reason.CERTIFICATE,
            )
        proxy = proxy_of(url, self._sources)
        if not proxy:
            return TransientError(_reason(error))
        if f" {_PROXY_STATUS} " in str(error):
            return _proxy_refusal()
        return TransientError(
            f"the proxy {shown(proxy)} did not reach it: {_reason(error)}",
            hint="correct http_proxy and https_proxy, or name the server in no_proxy",
            reason=Reason.PROXY,
        )

    def registry_authorization(self, host: str, repository: str) -> str:
        """Return the header that says who asks a registry, empty where its files of credentials do not say so."""
        return registry_authorization(self._sources.registry_files, host, repository)

    def _pool(self, url: str) -> "urllib3.PoolManager":
        import urllib3  # noqa: PLC0415 - a cache hit needs none

        proxy = proxy_of(url, self._sources)
        with self._lock:
            pool = self._pools.get(proxy)
            if pool is None:
                timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
                certificates = str(self._sources.ca_file) if self._sources.ca_file else None
                if proxy:
                    pool = urllib3.ProxyManager(
                        _checked_proxy(proxy),
                        proxy_headers=_basic(proxy, "proxy-authorization"),
                        maxsize=self._size,
                        timeout=timeout,
                        ca_certs=certificates,
                    )
                else:
                    pool = urllib3.PoolManager(maxsize=self._size, timeout=timeout, ca_certs=certificates)
                self._pools[proxy] = pool
        return pool

    def _authorization(self, url: str) -> dict[str, str]:
        own = _basic(url, "authorization")
        registry = authorization_of(url, self._sources.npm.credentials)
        if registry and not own:
            return {"Authorization": registry}
        if own or self._sources.netrc is None or not self._sources.netrc.is_file():
            return own
        import netrc  # noqa: PLC0415 - only for the few who have such a file

        from urllib3 import make_headers  # noqa: PLC0415

        try:
            entry = netrc.netrc(self._sources.netrc).authenticators(urlsplit(url).hostname or "")
        except (netrc.NetrcParseError, OSError) as error:
            # What the parser says of a line may be a password.
            place = (
                f":{error.lineno}: it is no netrc"
                if isinstance(error, netrc.NetrcParseError)
                else f" cannot be read: {error.strerror}"
            )
            raise FetchError(
                f"{self._sources.netrc}{place}",
                hint="an entry is `machine HOST login USER password SECRET`; correct it, or name another file in NETRC",
                reason=Reason.ACCESS,
            ) from error
        return dict(make_headers(basic_auth=f"{entry[0]}:{entry[2]}")) if entry else {}


def proxy_of(url: str, sources: Sources) -> str:
    """Return the proxy through which ``url`` is reached, empty for none; apt's own is for the archives only."""
    parts = urlsplit(url)
    if _is_direct(parts.hostname or "", sources.proxies.get("no", "")):
        return ""
    named = sources.proxies.get(parts.scheme) or sources.proxies.get("all")
    if not named and parts.scheme == "http" and _is_archive(url, sources):
        named = sources.proxies.get("apt")
    if not named:
        return ""
    return named if "://" in named else f"http://{named}"


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


def _refuse_status(response: "urllib3.BaseHTTPResponse") -> None:
    status = response.status
    if status == 200:
        return
    response.close()
    if status in {404, 410}:
        raise MissingError(f"there is no such file (HTTP {status})")
    if status in {408, 425, 429} or status >= 500:
        raise TransientError(f"the server is not able to answer now (HTTP {status})")
    refused = f"access is refused (HTTP {status}); credentials come from netrc or the configured URL"
    if status == 401:
        challenge = response.headers.get("WWW-Authenticate", "")
        raise ChallengeError(refused, challenge=challenge, reason=Reason.ACCESS)
    if status == 403:
        raise FetchError(refused, reason=Reason.ACCESS)
    if status == _PROXY_STATUS:
        raise _proxy_refusal()
    raise FetchError(f"the server answered with HTTP {status}")


def _proxy_refusal() -> FetchError:
    return FetchError(
        f"the proxy wants to know who asks (HTTP {_PROXY_STATUS})",
        hint="write user and password into http_proxy, as http://USER:PASSWORD@HOST:PORT; they are never shown",
        reason=Reason.PROXY,
    )


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
    return _without_credentials(proxy)


def _is_direct(host: str, listed: str) -> bool:
    names = [name.strip().lstrip(".") for name in listed.split(",") if name.strip()]
    return any(name in {"*", host} or host.endswith(f".{name}") for name in names)


def _is_archive(url: str, sources: Sources) -> bool:
    return any(url.startswith(f"{base}/") for name in PUBLIC_ARCHIVES for base in sources.debian.get(name, ()))


def _basic(url: str, header: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    from urllib3 import make_headers  # noqa: PLC0415 - a cache hit needs none

    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    if header == "authorization":
        return dict(make_headers(basic_auth=pair))
    return dict(make_headers(proxy_basic_auth=pair))


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))


def _reason(error: BaseException) -> str:
    """Return what went wrong without URLs, object names or credentials, which the library's own texts may hold."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(error).__name__
