"""``Access``: what this machine says of how other machines are reached, and as whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How servers are reached; every part may be missing.

    Args:
        proxies: proxy URL per scheme, ``apt`` for the archives' own, and ``no`` for hosts that are reached directly.
        archives: the base URLs that apt's proxy is for.
        ca_file: the certificates that TLS trusts; None leaves the choice to OpenSSL.
        netrc: the file of credentials; it need not exist.
        headers: host and path of a server → header of who asks it.
        registry_files: those of credentials for registries, the first to be asked first; they need not exist.
    """

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    archives: tuple[str, ...] = field(default=(), repr=False)
    ca_file: Path | None = None
    netrc: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    registry_files: tuple[Path, ...] = ()


def proxy_of(url: str, access: Access) -> str:
    """Return the proxy through which ``url`` is reached, empty for none; apt's own is for the archives only."""
    parts = urlsplit(url)
    if _is_direct(parts.hostname or "", access.proxies.get("no", "")):
        return ""
    named = access.proxies.get(parts.scheme) or access.proxies.get("all")
    if not named and parts.scheme == "http" and any(url.startswith(f"{base}/") for base in access.archives):
        named = access.proxies.get("apt")
    if not named:
        return ""
    return named if "://" in named else f"http://{named}"


def authorization_of(url: str, headers: Mapping[str, str]) -> str:
    """Return the header for a URL, of the longest place that it lies below; empty for none."""
    place = url.partition("://")[2]
    found = [each for each in headers if place.startswith(f"{each.rstrip('/')}/")]
    return headers[max(found, key=len)] if found else ""


def basic_authorization(url: str, header: str) -> dict[str, str]:
    """Return the header for the user and password in a URL, none where it has none.

    Args:
        url: of the server, or of the proxy.
        header: ``authorization`` or ``proxy-authorization``.
    """
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    from urllib3 import make_headers  # noqa: PLC0415 - a cache hit needs none

    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    if header == "authorization":
        return dict(make_headers(basic_auth=pair))
    return dict(make_headers(proxy_basic_auth=pair))


def without_credentials(url: str) -> str:
    """Return a URL as it is asked for: without user, password and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))


def shown(url: str) -> str:
    """Return ``url`` as messages may show it and files may keep it: without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(an unreadable URL)"
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def _is_direct(host: str, listed: str) -> bool:
    names = [name.strip().lstrip(".") for name in listed.split(",") if name.strip()]
    return any(name in {"*", host} or host.endswith(f".{name}") for name in names)
