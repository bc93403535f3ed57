"""Where the token of an identity comes from: the environment, a file, or the CI that this runs in."""

from collections.abc import Mapping
from pathlib import Path

from sigstore.oidc import IdentityError, IdentityToken, detect_credential

from pipeline.declare.errors import KeysError

TOKEN, FILE = "SIGSTORE_ID_TOKEN", "SIGSTORE_ID_TOKEN_FILE"
"""The variables of the environment; the first is the one that GitLab's jobs and other clients of Sigstore have."""

_LIMIT = 64 * 1024


def identity_token(environment: Mapping[str, str]) -> IdentityToken:
    """Return a token that was not used yet, of ``SIGSTORE_ID_TOKEN``, a file, or the CI's own.

    Args:
        environment: of the process; CI programs are asked by the variables of this process itself.

    Raises:
        KeysError: nobody vouches for this process, or the token is malformed or has expired.
    """
    text = environment.get(TOKEN, "") or _of_file(environment.get(FILE, ""))
    try:
        found = text or detect_credential()
        if found:
            return IdentityToken(found.strip())
    except IdentityError as error:
        hint = "GitHub wants `permissions: {id-token: write}` in the workflow; it gives none to a fork's pull request"
        raise KeysError(f"no identity can be had: {error}", hint=hint) from error
    raise KeysError(
        "nobody vouches for an identity here",
        hint=f"run it in a CI that does, or set {TOKEN} to a token whose audience is sigstore, or {FILE} to its file",
    )


def _of_file(path: str) -> str:
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            return file.read(_LIMIT).decode("ascii", errors="replace")
    except OSError as error:
        raise KeysError(f"the token {path} cannot be read: {error.strerror}") from error
