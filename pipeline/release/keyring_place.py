"""Where a keyring lies: its file is read with a limit, and replaced whole, never by an older version."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.declare.errors import KeysError
from pipeline.declare.keyring_file import Issuer, Subject
from pipeline.release.certified import EXTRA
from pipeline.release.documents import parse_object
from pipeline.release.identity import Identity
from pipeline.release.keyring_file import Signed, Trust, open_keyring, parse_keyring
from pipeline.release.public_key import PublicKey
from pipeline.release.seen import Seen
from runtime.canonical import to_canonical_json
from runtime.oci.document import DOCUMENT_LIMIT
from runtime.oci.temporary import write_whole


def find_keyring(path: Path) -> Signed | None:
    """Return the keyring in a file, of which nothing is trusted yet; None where there is none.

    Raises:
        RefusedEvidenceError: it is malformed.
        KeysError: the file cannot be read.
    """
    raw = _read(path, "keyring")
    return None if raw is None else parse_keyring(raw, str(path))


def read_keyring(path: Path) -> Signed:
    """Return the keyring in a file, of which nothing is trusted yet; see ``find_keyring``.

    Raises:
        RefusedEvidenceError: it is malformed.
        KeysError: there is no such file, or it cannot be read.
    """
    found = find_keyring(path)
    if found is None:
        raise KeysError(f"there is no keyring {path}", hint="`seatrial keys init` begins one")
    return found


def trusted_keyring(path: Path, trust: Trust, seen: Seen, now: int) -> Signed:
    """Return the keyring in a file, if it is to be trusted, and remember its version.

    Args:
        path: of the file.
        trust: whose signatures it has to have.
        seen: knows the newest version that this user has seen.
        now: seconds since 1970.

    Raises:
        RefusedEvidenceError: it is malformed or not to be trusted; see ``open_keyring``.
        KeysError: the file cannot be read.
    """
    found = read_keyring(path)
    opened = open_keyring(found.to_bytes(), seen.trust(found, trust), now, str(path))
    seen.keep(opened)
    return opened


def write_keyring(path: Path, found: Signed, seen: Seen) -> None:
    """Write a keyring that this user has signed.

    Raises:
        RefusedEvidenceError: it could not be read again.
        KeysError: this user has seen a newer one, or the file cannot be written.
    """
    raw = found.to_bytes()
    parse_keyring(raw, str(path))
    newest = seen.trust(found, Trust()).version
    if found.keyring.version < newest:
        raise KeysError(
            f"{path} would be version {found.keyring.version}, and version {newest} was seen before",
            hint="get the newest one first: revocations may be missing in this one",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, raw)
        path.chmod(0o644)
    except OSError as error:
        raise KeysError(f"the keyring {path} cannot be written: {error.strerror}") from error
    if found.is_complete:
        seen.keep(found)


def read_public_key(path: Path) -> PublicKey:
    """Return the public key in a file.

    Raises:
        RefusedEvidenceError: it is none.
        KeysError: the file cannot be read.
    """
    raw = _read(path, "public key")
    if raw is None:
        raise KeysError(f"there is no public key {path}", hint="`seatrial keys export` prints one")
    return PublicKey.parse(raw, str(path))


def parse_identity(subject: str, issuer: str) -> Identity:
    """Return an identity, if a keyring can have it.

    Raises:
        KeysError: the subject or the issuer has another form.
    """
    try:
        TypeAdapter(Subject).validate_python(subject)
        TypeAdapter(Issuer).validate_python(issuer)
    except ValidationError as error:
        message = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise KeysError(f"that is no identity: {message}") from error
    return Identity(subject=subject, issuer=issuer)


def read_trust_root(path: Path) -> str:
    """Return the canonical JSON of a trusted root, alone in a file or in a client trust configuration.

    Raises:
        RefusedEvidenceError: it is none that identities can be verified by.
        KeysError: the file cannot be read, or the library that reads it is not installed.
    """
    raw = _read(path, "trust root")
    if raw is None:
        raise KeysError(f"there is no trust root {path}", hint="cosign has one: `cosign trusted-root create`")
    document = parse_object(raw, str(path))
    text = to_canonical_json(document.get("trustedRoot", document)).decode()
    try:
        from pipeline.release.certificate import parse_trust_root  # noqa: PLC0415 - loads a library of 0.4 s
    except ImportError as error:
        raise KeysError("a trust root is read by the library `sigstore`, which is not installed", hint=EXTRA) from error
    parse_trust_root(text)
    return text


def _read(path: Path, what: str) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(DOCUMENT_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeysError(f"the {what} {path} cannot be read: {error.strerror}") from error
