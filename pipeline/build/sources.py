"""Where archives are reached: never part of a lock, so that a lock holds on every machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pipeline.build.machine import apt_archives, apt_proxy, python_certificates, python_index
from pipeline.build.npm_settings import NpmSettings, read_npm_settings
from pipeline.declare.errors import SpecError
from pipeline.registry.access import Access, shown
from pipeline.registry.credentials import credential_files

PUBLIC_ARCHIVES: Mapping[str, str] = {
    "debian": "http://deb.debian.org/debian",
    "debian-security": "http://deb.debian.org/debian-security",
}
"""Debian's own archives. Plain HTTP: what counts is signed or hashed, and caches between can help."""

PUBLIC_INDEX = "https://pypi.org/simple"
PUBLIC_REGISTRY = "https://registry.npmjs.org"
SNAPSHOTS = "https://snapshot.debian.org/archive"

_CERTIFICATES = (
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/cert.pem",
)
_EXAMPLE = "a line of it is such as `debian: http://deb.example.org/debian`"
_SETTINGS = frozenset((*PUBLIC_ARCHIVES, "pypi", "npm"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The places that this machine asks for packages, the first to be asked first.

    Args:
        debian: base URLs per archive, ``debian`` and ``debian-security``; may hold user and password.
        pypi_index: the base URL of a simple index (PEP 503); may hold user and password. Show it with ``shown`` only.
        npm: the registries of npm, and who asks them; may hold user and password.
        ca_file: the certificates that TLS trusts; None leaves the choice to OpenSSL.
        proxies: proxy URL per scheme, and ``no`` for the hosts that are reached directly.
        netrc: the file of credentials; it need not exist.
        registry_files: those of credentials for registries, the first to be asked first; they need not exist.
    """

    debian: Mapping[str, tuple[str, ...]] = field(repr=False)
    pypi_index: str = field(default=PUBLIC_INDEX, repr=False)
    npm: NpmSettings = field(default_factory=NpmSettings, repr=False)
    ca_file: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    netrc: Path | None = None
    registry_files: tuple[Path, ...] = ()

    @property
    def access(self) -> Access:
        """How all of them are reached."""
        return Access(
            proxies=self.proxies,
            archives=tuple(base for name in PUBLIC_ARCHIVES for base in self.debian.get(name, ())),
            ca_file=self.ca_file,
            netrc=self.netrc,
            headers=self.npm.credentials,
            registry_files=self.registry_files,
        )

    def debian_urls(self, archive: str, path: str, snapshot: datetime | None = None) -> tuple[str, ...]:
        """Return every URL where a file of a Debian archive may be, the nearest first.

        Args:
            archive: ``debian`` or ``debian-security``.
            path: below the archive's base, as ``pool/main/…`` or ``dists/…``.
            snapshot: with a time, the public snapshot service at that time is asked last.

        Raises:
            SpecError: there is no archive of that name.
        """
        if archive not in PUBLIC_ARCHIVES:
            raise SpecError(f"there is no Debian archive {archive!r}; there are {' and '.join(PUBLIC_ARCHIVES)}")
        # "~" and "+" are common in versions; mirrors differ in whether they accept them escaped, so they stay.
        escaped = quote(path, safe="/~+:@!$,=")
        urls = [f"{base}/{escaped}" for base in self.debian.get(archive, ())]
        if snapshot is not None:
            urls.append(f"{SNAPSHOTS}/{archive}/{snapshot.astimezone(UTC):%Y%m%dT%H%M%SZ}/{escaped}")
        return tuple(dict.fromkeys(urls))

    def npm_registry_of(self, name: str) -> str:
        """Return the base URL of the registry that has a package of npm: its scope's, or the one for all others."""
        scope = name.partition("/")[0] if name.startswith("@") else ""
        return self.npm.registries.get(scope) or self.npm.registries.get("") or PUBLIC_REGISTRY


def read_sources(
    environment: Mapping[str, str], home: Path, mirror: str | None = None, *, root: Path = Path("/")
) -> Sources:
    """Return where packages come from on this machine.

    The order is: the spec's mirror, the user's ``seatrial/config.yaml``, the machine's own apt, pip, uv and
    npm configuration, and last the public archives.

    Args:
        environment: the caller's environment variables.
        home: the caller's home folder.
        mirror: the spec's ``mirror:``, the base URL of a ``debian`` archive; ``debian-security`` is expected beside it.
        root: the folder below which ``etc`` is read.

    Raises:
        SpecError: the user's configuration file is not understood, or ``mirror`` is no URL.
    """
    settings = _user_settings(Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "seatrial" / "config.yaml")
    archives: dict[str, list[str]] = {name: [] for name in PUBLIC_ARCHIVES}
    if mirror:
        for name, base in mirrored_archives(mirror).items():
            archives[name].append(base)
    for name, base in (
        *((n, b) for n, b in settings.items() if n in archives),
        *apt_archives(root),
        *PUBLIC_ARCHIVES.items(),
    ):
        archives[name].append(base.rstrip("/"))
    index = settings.get("pypi") or python_index(environment, home, root) or PUBLIC_INDEX
    npm = read_npm_settings(environment, home, root)
    if "npm" in settings:
        npm = replace(npm, registries={**npm.registries, "": settings["npm"].rstrip("/")})
    return Sources(
        debian={name: tuple(dict.fromkeys(bases)) for name, bases in archives.items()},
        pypi_index=index.rstrip("/"),
        npm=npm,
        ca_file=_certificates(environment, home, root),
        proxies=_proxies(environment, apt_proxy(root)),
        netrc=Path(environment.get("NETRC") or home / ".netrc"),
        registry_files=credential_files(environment, home),
    )


def mirrored_archives(mirror: str) -> Mapping[str, str]:
    """Return the base URLs of the archives that a mirror has, by archive.

    ``debian-security`` is expected beside a ``debian`` in the URL, which a snapshot has in its middle; where there
    is no such part, only ``debian`` is there.

    Raises:
        SpecError: ``mirror`` is no URL.
    """
    if not _is_url(mirror):
        raise SpecError(f"the mirror {shown(mirror)!r} is no http:, https: or file: URL")
    base = mirror.rstrip("/")
    parts = urlsplit(base)
    segments = parts.path.split("/")
    if "debian" not in segments:
        return {"debian": base}
    at = len(segments) - 1 - segments[::-1].index("debian")
    beside = "/".join([*segments[:at], "debian-security", *segments[at + 1 :]])
    return {"debian": base, "debian-security": urlunsplit((parts.scheme, parts.netloc, beside, "", ""))}


def _user_settings(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        return {}
    import yaml  # noqa: PLC0415 - costs a tenth of a second, and most users have no such file

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise SpecError(f"{place}: cannot be read as YAML: {reason}", hint=_EXAMPLE) from error
    if not isinstance(settings, dict):
        message = f"{path}: must be a mapping of archive names to URLs, and is {type(settings).__name__}"
        raise SpecError(message, hint=_EXAMPLE)
    for name, value in settings.items():
        if name in _SETTINGS and not (isinstance(value, str) and _is_url(value)):
            raise SpecError(f"{path}: {name!r} must be an http:, https: or file: URL", hint=_EXAMPLE)
    return {name: value for name, value in settings.items() if name in _SETTINGS}


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme == "file" or (parts.scheme in {"http", "https"} and bool(parts.hostname))


def _certificates(environment: Mapping[str, str], home: Path, root: Path) -> Path | None:
    named = [
        environment.get(name, "") for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
    ]
    candidates = [Path(name) for name in (*named, python_certificates(environment, home, root)) if name]
    candidates += [root / name for name in _CERTIFICATES]
    return next((path for path in candidates if path.is_file()), None)


def _proxies(environment: Mapping[str, str], apt: str) -> Mapping[str, str]:
    proxies = {"apt": apt} if apt else {}
    for scheme in ("http", "https", "all", "no"):
        # HTTP_PROXY in capitals is ignored, as curl does: a CGI server sets it from a request's header.
        capitals = "" if scheme == "http" else environment.get(f"{scheme.upper()}_PROXY", "")
        value = environment.get(f"{scheme}_proxy") or capitals
        if value:
            proxies[scheme] = value
    return proxies
