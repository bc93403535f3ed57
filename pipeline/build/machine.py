"""What the machine already knows about package archives: its apt, pip and uv configuration.

Nothing here fails on a file that is missing, unreadable or not understood: these files belong to other tools, and a
default follows. Only files are read; neither apt nor pip needs to be installed.
"""

import configparser
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

_DEBIAN_SUITES = frozenset(
    (
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "sid",
        "oldoldstable",
        "oldstable",
        "stable",
        "testing",
        "unstable",
    )
)
_POCKET = re.compile(r"(?P<base>[a-z]+)(?P<pocket>-updates|-security|/updates)?")
_ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")
_APT_PROXY = re.compile(r'Acquire(?:::|\s*\{\s*)http(?:::|\s*\{\s*)Proxy\s+"(?P<url>[^"]*)"', re.IGNORECASE)
_SCHEMES = frozenset(("http", "https", "file"))


def apt_archives(root: Path) -> tuple[tuple[str, str], ...]:
    """Return the archives that the machine's apt uses, as pairs of ``debian`` or ``debian-security`` and base URL.

    Only entries count that name a Debian suite, the component ``main`` and a path or host of Debian: another vendor's
    repository may use a Debian code name as its suite.

    Args:
        root: the folder below which ``etc/apt`` is read; ``/`` on a real machine.

    Source: sources.list(5).
    """
    found: dict[tuple[str, str], None] = {}
    for uri, suite, components in _apt_entries(root / "etc" / "apt"):
        match = _POCKET.fullmatch(suite)
        if match is None or match["base"] not in _DEBIAN_SUITES or "main" not in components or not _is_debian(uri):
            continue
        archive = "debian-security" if match["pocket"] in {"-security", "/updates"} else "debian"
        found[archive, uri.rstrip("/")] = None
    return tuple(found)


def apt_proxy(root: Path) -> str:
    """Return the proxy that apt uses for ``http:``, or empty.

    Source: apt-transport-http(1), ``Acquire::http::Proxy``.
    """
    folder = root / "etc" / "apt"
    url = ""
    for path in (folder / "apt.conf", *sorted((folder / "apt.conf.d").glob("*"))):
        for match in _APT_PROXY.finditer(_without_comments(_text(path))):
            url = match["url"]
    return "" if url.upper() == "DIRECT" else url


def python_index(environment: Mapping[str, str], home: Path, root: Path) -> str:
    """Return the index of Python packages that uv or pip use on this machine, or empty.

    Source: uv's reference, "Settings" and "Environment variables"; pip's documentation, "Configuration".
    """
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if environment.get(name):
            # UV_DEFAULT_INDEX may be written NAME=URL.
            return re.sub(r"^[A-Za-z0-9_-]+=(?=https?:)", "", environment[name])
    return _uv_index(environment, home, root) or _pip_setting("index-url", environment, home, root)


def python_certificates(environment: Mapping[str, str], home: Path, root: Path) -> str:
    """Return the file of certificates that pip is configured with, or empty."""
    return _pip_setting("cert", environment, home, root)


def _apt_entries(folder: Path) -> Iterator[tuple[str, str, frozenset[str]]]:
    for path in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))):
        if path.suffix == ".list":
            yield from _one_line_entries(_text(path))
        elif path.suffix == ".sources":
            yield from _stanza_entries(_text(path))


def _one_line_entries(text: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match is not None:
            yield match["uri"], match["suite"], frozenset(match["components"].split())


def _stanza_entries(text: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n[ \t]*\n", kept):
        fields = {
            match[1].lower(): match[2].split()
            for match in re.finditer(r"^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", ()) or fields.get("enabled", ["yes"])[:1] == ["no"]:
            continue
        for uri in fields.get("uris", ()):
            for suite in fields.get("suites", ()):
                yield uri, suite, frozenset(fields.get("components", ()))


def _is_debian(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    host = parts.hostname or ""
    named = any(segment in {"debian", "debian-security"} for segment in parts.path.split("/"))
    return parts.scheme in _SCHEMES and (named or host == "debian.org" or host.endswith(".debian.org"))


def _uv_index(environment: Mapping[str, str], home: Path, root: Path) -> str:
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    for path in (Path(environment.get("UV_CONFIG_FILE") or user / "uv" / "uv.toml"), root / "etc" / "uv" / "uv.toml"):
        try:
            settings = tomllib.loads(_text(path))
        except tomllib.TOMLDecodeError:
            continue
        indexes = settings.get("index", ())
        for index in indexes if isinstance(indexes, list) else ():
            if isinstance(index, dict) and index.get("default") is True and isinstance(index.get("url"), str):
                return str(index["url"])
        plain = settings.get("index-url") or settings.get("pip", {}).get("index-url")
        if isinstance(plain, str):
            return plain
    return ""


def _pip_setting(name: str, environment: Mapping[str, str], home: Path, root: Path) -> str:
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    given = environment.get("PIP_CONFIG_FILE", "")
    paths = [
        user / "pip" / "pip.conf",
        home / ".pip" / "pip.conf",
        root / "etc" / "pip.conf",
        root / "etc" / "xdg" / "pip" / "pip.conf",
    ]
    for path in ([Path(given)] if given else []) + ([] if given == "/dev/null" else paths):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(_text(path))
        except configparser.Error:
            continue
        value = parser.get("global", name, fallback="")
        if value:
            return value.strip()
    return ""


def _without_comments(text: str) -> str:
    return re.sub(r"/\*(?s:.*?)\*/|^[ \t]*(?://|#).*$", "", text, flags=re.MULTILINE)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
