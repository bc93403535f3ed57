"""Names and passwords for registries, from where docker, podman, buildah and skopeo keep them.

Source: Docker's "config.json", ``auths``, ``credHelpers``, ``credsStore``; containers-auth.json(5), "FORMAT".
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.declare.errors import FetchError
from pipeline.registry.credential_program import Credential, ask_program

_HUB = ("docker.io", "https://index.docker.io/v1/", "index.docker.io")


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


def find_credential(files: tuple[Path, ...], host: str, repository: str) -> Credential | None:
    """Return who asks for a repository, None where nothing has credentials for it.

    In each file the program for the registry counts first, then the one for all registries, then what the file holds
    itself; there an entry for a part of the registry, as ``host/team``, counts before one for the whole.

    Raises:
        FetchError: a file cannot be read, what it holds is not shown; a program that it names fails.
    """
    for file in files:
        document = _document(file)
        found = _from_programs(document, file, host) or _from_entries(document, file, host, repository)
        if found is not None:
            return found
    return None


def basic_header(credential: Credential) -> str:
    """Return the header of a name and its password."""
    return f"Basic {base64.b64encode(f'{credential.name}:{credential.secret}'.encode()).decode()}"


def _from_programs(document: Mapping[str, Any], file: Path, host: str) -> Credential | None:
    programs = _mapping(document, "credHelpers", file)
    names = _HUB if host == _HUB[0] else (host,)
    own = next((programs[each] for each in names if programs.get(each)), None)
    for program in (own, document.get("credsStore")):
        if not program:
            continue
        if not isinstance(program, str):
            raise FetchError(f"{file} cannot be read: a name of a credential program is no text")
        found = ask_program(program, _HUB[1] if host == _HUB[0] else host)
        if found is not None:
            return found
    return None


def _from_entries(document: Mapping[str, Any], file: Path, host: str, repository: str) -> Credential | None:
    entries = _mapping(document, "auths", file)
    for key in _keys(host, repository):
        said = entries.get(key)
        if not isinstance(said, dict):
            continue
        identity = said.get("identitytoken")
        if isinstance(identity, str) and identity:
            return Credential(name="", secret=identity, is_identity=True)
        if said.get("auth"):
            return _sound(said["auth"], file, key)
    return None


def _keys(host: str, repository: str) -> Iterator[str]:
    parts = [host, *repository.split("/")]
    yield from ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    yield from (f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/")
    if host == _HUB[0]:
        yield _HUB[1]


def _document(file: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        # The error's own text could hold a part of a password.
        raise FetchError(f"{file} cannot be read: {type(error).__name__}") from None
    if not isinstance(said, dict):
        raise FetchError(f"{file} cannot be read: it has no mapping 'auths'")
    return said


def _mapping(document: Mapping[str, Any], key: str, file: Path) -> Mapping[str, Any]:
    found = document.get(key, {})
    if not isinstance(found, dict):
        raise FetchError(f"{file} cannot be read: it has no mapping {key!r}")
    return found


def _sound(auth: object, file: Path, key: str) -> Credential:
    """Return the credential that stands as base64 of NAME:PASSWORD."""
    try:
        if isinstance(auth, str):
            name, colon, secret = base64.b64decode(auth, validate=True).decode().partition(":")
            if colon:
                return Credential(name=name, secret=secret.rstrip("\0"))
    except (binascii.Error, ValueError):
        pass
    raise FetchError(f"{file}: 'auth' of {key} is not NAME:PASSWORD in base64")
