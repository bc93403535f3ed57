"""Names of images in registries: ``registry.example.org/app:tag``, ``…/app@sha256:…``.

Source: OCI distribution specification, spec.md, "Pulling manifests"; the reference grammar of the distribution project.
"""

import re

from runtime.data import dataclass
from runtime.digest import Digest
from runtime.errors import ImageError

_HOST = re.compile(r"(localhost|[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+|\[::1\]|[a-zA-Z0-9-]+(?=:))(:[0-9]{1,5})?")
_REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HUB = "docker.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What an image of a registry is called.

    Args:
        text: as it was written.
        host: of the registry, with its port if it has one.
        repository: in it.
        tag: the tag; empty where there is a digest.
        digest: of the manifest, or of an index; None where there is a tag.
    """

    text: str
    host: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @property
    def base(self) -> str:
        """The URL that manifests and blobs are below; plain HTTP is spoken to this machine only."""
        scheme = "http" if re.sub(r":[0-9]+$", "", self.host) in _LOOPBACK else "https"
        host = "registry-1.docker.io" if self.host == _HUB else self.host
        return f"{scheme}://{host}/v2/{self.repository}"


def is_remote(text: str) -> bool:
    """Tell whether a name is one of a registry: it begins with a host, which has a dot or a port, or is localhost."""
    host, slash, _ = text.partition("/")
    return bool(slash) and _HOST.fullmatch(host) is not None


def parse_remote(text: str) -> Remote:
    """Read the name of an image in a registry.

    Raises:
        ImageError: it has another form.
        DigestError: the digest in it has another form.
    """
    host, _, rest = text.partition("/")
    named, at, digest = rest.partition("@")
    repository, colon, tag = named.partition(":")
    if host == _HUB and "/" not in repository:
        repository = f"library/{repository}"
    is_sound = _HOST.fullmatch(host) and len(repository) < 256 and _REPOSITORY.fullmatch(repository)
    if not is_sound or (colon and not _TAG.fullmatch(tag)) or (at and not digest):
        raise ImageError(f"{text!a} names no image of a registry", hint="write HOST/NAME:TAG or HOST/NAME@sha256:…")
    found = Digest(digest) if at else None
    return Remote(text=text, host=host, repository=repository, tag="" if found else tag or "latest", digest=found)
