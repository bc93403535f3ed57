"""Names and passwords for registries, from the files in which docker, podman, buildah and skopeo keep them.

Source: Docker's "config.json", ``auths``; containers-auth.json(5), "FORMAT".
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.declare.errors import FetchError

_HUB = ("docker.io", "https://index.docker.io/v1/")


def credential_files(environment: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Return where credentials may be, the first to be asked first; none of them need exist."""
    named = environment.get("REGISTRY_AUTH_FILE")
    running = environment.get("XDG_RUNTIME_DIR")
    settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    return (
        *((Path(named),) if named else ()),
        *((Path(running) / "containers" / "auth.json",) if running else ()),
        settings / "containers" / "auth.json",
        Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json",
    )


def registry_authorization(files: tuple[Path, ...], host: str, repository: str) -> str:
    """Return the header that says who asks for a repository, empty where no file has credentials for it.

    An entry for a part of the registry, as ``host/team``, counts before one for the whole.

    Raises:
        FetchError: a file cannot be read; what it holds is not shown.
    """
    for file in files:
        entries = _entries(file)
        for key in _keys(host, repository):
            said = entries.get(key)
            if isinstance(said, dict) and said.get("auth"):
                return f"Basic {_sound(said['auth'], file, key)}"
    return ""


def _keys(host: str, repository: str) -> Iterator[str]:
    parts = [host, *repository.split("/")]
    yield from ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    yield from (f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/")
    if host == _HUB[0]:
        yield _HUB[1]


def _entries(file: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        # The error's own text could hold a part of a password.
        raise FetchError(f"{file} cannot be read: {type(error).__name__}") from None
    entries = said.get("auths", {}) if isinstance(said, dict) else None
    if not isinstance(entries, dict):
        raise FetchError(f"{file} cannot be read: it has no mapping 'auths'")
    return entries


def _sound(auth: object, file: Path, key: str) -> str:
    """Return base64 of NAME:PASSWORD as it is; anything else would be a header of another meaning."""
    try:
        if isinstance(auth, str) and b":" in base64.b64decode(auth, validate=True):
            return auth
    except (binascii.Error, ValueError):
        pass
    raise FetchError(f"{file}: 'auth' of {key} is not NAME:PASSWORD in base64")
