"""The simple index: which files a project has, where they are, and what hash they should have."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from packaging.version import InvalidVersion, Version

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.fetch import Fetcher
from pipeline.declare.errors import FetchError, MissingError, ResolveError
from pipeline.declare.reasons import Reason
from pipeline.registry.access import shown
from runtime.digest import Digest

MAX_PAGE = 64 << 20
"""Bytes of one project's page; the largest on PyPI are about 10 MB."""
MAX_FILE = 2 << 30
"""Bytes of a file whose size the index does not tell."""

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One file of a project.

    Args:
        name: the file's name.
        url: where it is, absolute.
        sha256: in hexadecimal digits; empty where the index does not tell.
        size: in bytes; -1 where the index does not tell.
        yanked: whether its author took it back.
    """

    name: str
    url: str
    sha256: str = ""
    size: int = -1
    yanked: bool = False


def locate(artifact: Artifact, fetcher: Fetcher) -> tuple[str, ...]:
    """Return the URLs of an artifact of the archive ``pypi``, as the index of this machine lists it.

    Raises:
        MissingError: the index has no such file.
        FetchError: the index cannot be read, or lists another hash than the locked one.
    """
    found = [each for each in files(_project_of(artifact.name), fetcher) if each.name == artifact.name]
    if not found:
        raise MissingError(f"the index {shown(fetcher.sources.pypi_index)} has no file {artifact.name}")
    right = [each for each in found if not (each.sha256 and artifact.sha256 and each.sha256 != artifact.sha256)]
    if not right:
        message = f"the index lists {artifact.name} as sha256:{found[0].sha256}, locked is {artifact.hash}"
        raise FetchError(message, reason=Reason.INDEX_HASH)
    return tuple(each.url for each in right)


def lock_sdist(requirement: str, fetcher: Fetcher) -> LockedPackage:
    """Return the source distribution of ``NAME==VERSION``, pinned.

    Raises:
        ResolveError: the index has none of that version.
        FetchError: the index cannot be read.
    """
    name, _, wanted = requirement.partition("==")
    project = canonicalize_name(name)
    try:
        version = Version(wanted)
    except InvalidVersion:
        raise ResolveError(f"{requirement!r}: {wanted!r} is no version") from None
    try:
        listed = files(project, fetcher)
    except MissingError:
        raise ResolveError(f"the index has no project {name!r}", hint="check its name") from None
    found = [each for each in listed if _sdist_version(each.name, project) == version]
    if not found:
        raise ResolveError(f"{name} {wanted} has no source distribution on the index", hint=_versions(listed, project))
    # Of several kinds of archive the .tar.gz is what PEP 625 allows; the name decides among the rest.
    best = min(found, key=lambda each: (each.yanked, not each.name.endswith(".tar.gz"), each.name))
    return LockedPackage(name=project, version=str(version), architecture="", artifact=to_artifact(best, fetcher))


def to_artifact(listed: Listed, fetcher: Fetcher) -> Artifact:
    """Return the pin of a listed file; what the index does not tell is read from the file itself.

    Raises:
        FetchError: it had to be read, and could not.
    """
    sha256, size = listed.sha256, listed.size
    if size < 0 or not sha256:
        content = fetcher.read(listed.url, MAX_FILE)
        actual = Digest.of(content).hex
        if sha256 and actual != sha256:
            message = f"{listed.name} has sha256:{actual}, and the index says sha256:{sha256}"
            raise FetchError(
                message,
                hint="somebody changed it on the way, or the index is amid an update: try again later, or another one",
                reason=Reason.INDEX_HASH,
            )
        sha256, size = actual, len(content)
    return Artifact(source=f"pypi:{listed.name}", size=size, hash=f"sha256:{sha256}", sha256=sha256)


def files(project: str, fetcher: Fetcher) -> tuple[Listed, ...]:
    """Return every file of a project, in the order of the index.

    Raises:
        MissingError: there is no such project.
        FetchError: the index cannot be read or understood.

    Source: "Simple repository API" of the Python packaging specifications (PEP 503, 691, 700).
    """
    url = f"{fetcher.sources.pypi_index}/{canonicalize_name(project)}/"
    content = fetcher.read(url, MAX_PAGE, accept=ACCEPT)
    try:
        return parse_page(content, url)
    except (ValueError, RecursionError) as error:
        raise FetchError(f"the index page {shown(url)} cannot be understood: {error}") from None


def parse_page(content: bytes, url: str) -> tuple[Listed, ...]:
    """Return the files that a page of the index lists, JSON or HTML by what it holds.

    Raises:
        ValueError: it is neither.
    """
    if content.lstrip()[:1] == b"{":
        return tuple(_from_json(json.loads(content), url))
    parser = _Page(url)
    parser.feed(content.decode("utf-8"))
    return tuple(parser.found)


def _from_json(page: object, url: str) -> Iterator[Listed]:
    listed = page.get("files") if isinstance(page, Mapping) else None
    if not isinstance(listed, list):
        raise ValueError("it has no list of files")  # noqa: TRY004 - all that is wrong with a page is a ValueError
    for each in listed:
        if not isinstance(each, Mapping) or not isinstance(each.get("filename"), str):
            raise ValueError("a file of it has no name")  # noqa: TRY004 - likewise
        size, hashes = each.get("size"), each.get("hashes")
        sha256 = str(hashes.get("sha256", "")) if isinstance(hashes, Mapping) else ""
        yield Listed(
            name=each["filename"],
            url=_absolute(url, str(each.get("url", ""))),
            sha256=sha256 if _SHA256.fullmatch(sha256) else "",
            size=size if isinstance(size, int) and size >= 0 else -1,
            yanked=bool(each.get("yanked")),
        )


class _Page(HTMLParser):
    """Collects the anchors of an HTML page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.found: list[Listed] = []
        self._base = url

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an anchor, or the base of those that follow."""
        attributes = dict(attrs)
        href = attributes.get("href") or ""
        if tag == "base" and href:
            self._base = urljoin(self._base, href)
        if tag != "a" or not href:
            return
        target, fragment = urldefrag(_absolute(self._base, href))
        algorithm, _, digest = fragment.partition("=")
        self.found.append(
            Listed(
                name=unquote(urlsplit(target).path.rpartition("/")[2]),
                url=target,
                sha256=digest if algorithm == "sha256" and _SHA256.fullmatch(digest) else "",
                yanked="data-yanked" in attributes,
            )
        )


def _absolute(base: str, href: str) -> str:
    """Return an absolute URL; the credentials of the index go on to its own host, and to no other."""
    url = urljoin(base, href)
    here, there = urlsplit(base), urlsplit(url)
    if there.scheme not in {"http", "https", "file"} or (there.scheme == "file" and here.scheme != "file"):
        raise ValueError(f"it leads to {url[:80]!r}")
    if here.username and (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port):
        url = there._replace(netloc=here.netloc).geturl()
    return url


def _project_of(file: str) -> str:
    if file.endswith(".whl"):
        return canonicalize_name(file.partition("-")[0])
    try:
        return parse_sdist_filename(file)[0]
    except InvalidSdistFilename:
        return canonicalize_name(file.rpartition("-")[0])


def _sdist_version(file: str, project: str) -> Version | None:
    try:
        name, version = parse_sdist_filename(file)
    except InvalidSdistFilename:
        return None
    return version if name == project else None


def _versions(listed: tuple[Listed, ...], project: str) -> str:
    found = sorted({version for each in listed if (version := _sdist_version(each.name, project))})
    return f"it has: {', '.join(str(each) for each in found[-5:])}" if found else "it has none of any version"
