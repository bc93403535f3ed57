"""The newest keyring that this user has seen of each set of roots: an older one is refused then, whoever offers it."""

import fcntl
from dataclasses import replace
from pathlib import Path

from pipeline.declare.errors import KeysError
from pipeline.release.documents import parse_object
from pipeline.release.keyring_file import Signed, Trust
from pipeline.release.public_key import PublicKey
from pipeline.release.refusal import RefusedEvidenceError
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.errors import DigestError
from runtime.oci.temporary import write_whole


class Seen:
    """A folder with a file for each set of roots.

    Args:
        folder: of the user's keys.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "keyrings"

    def trust(self, found: Signed, trust: Trust) -> Trust:
        """Return what is trusted, with the version that was seen last of a keyring with these roots.

        Raises:
            KeysError: what is kept of it cannot be read.
        """
        try:
            raw = self._path(found).read_bytes()
        except FileNotFoundError:
            return trust
        except OSError as error:
            raise KeysError(f"{self._path(found)} cannot be read: {error.strerror}") from error
        try:
            kept = parse_object(raw, str(self._path(found)))
            digest, version = Digest(str(kept.get("digest"))), kept.get("version")
        except (RefusedEvidenceError, DigestError):
            digest, version = None, None
        if digest is None or not isinstance(version, int):
            raise KeysError(
                f"{self._path(found)} is damaged", hint="remove it, if nobody can have given you an old keyring"
            )
        return replace(trust, version=version, digest=digest)

    def keep(self, found: Signed) -> None:
        """Remember a keyring that was trusted, unless a newer one is.

        Raises:
            KeysError: it cannot be written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self._folder / ".lock").open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if self.trust(found, Trust()).version < found.keyring.version:
                    content: Json = {"version": found.keyring.version, "digest": found.digest.text}
                    write_whole(self._path(found), to_canonical_json(content))
        except OSError as error:
            raise KeysError(f"{self._folder} cannot be written: {error.strerror}") from error

    def _path(self, found: Signed) -> Path:
        return self._folder / f"{_name(found.keyring.roots.keys)}.json"


def _name(roots: tuple[PublicKey, ...]) -> str:
    return Digest.of_json(sorted(each.id for each in roots)).hex
