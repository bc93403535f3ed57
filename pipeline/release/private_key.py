"""``PrivateKey``: a key that this process holds; how one is made, read from PKCS#8 and kept in a file.

Source: RFC 5958 (PKCS#8), RFC 7468, sections 10 and 11 (its PEM).
"""

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.declare.errors import KeysError
from pipeline.release.public_key import ECDSA, Kind, PublicKey
from runtime.oci.temporary import new_file, sync_folder

_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """Satisfies ``pipeline.release.signing.Signer`` with a key in memory.

    Args:
        key: of the library.
    """

    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.id})"  # nothing of a secret may get into a report

    @classmethod
    def new(cls, kind: Kind = Kind.P256) -> Self:
        """Make a key."""
        match kind:
            case Kind.P256:
                return cls(key=ec.generate_private_key(ec.SECP256R1()))
            case Kind.ED25519:
                return cls(key=ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, pem: bytes, what: str, passphrase: bytes | None = None) -> Self:
        """Read a key in PEM.

        Raises:
            LockedKeyError: it is encrypted, and there is no passphrase.
            KeysError: it is none, the passphrase is wrong, or it is of another kind.
        """
        hint = "PKCS#8 in PEM is read, as `seatrial keys new FILE` and `openssl genpkey` write it"
        is_encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem
        if is_encrypted and not passphrase:
            raise LockedKeyError(
                f"{what} is encrypted, and no passphrase is given",
                hint="set SEATRIAL_KEY_PASSPHRASE, or run it in a terminal, which asks",
            )
        try:
            key = load_pem_private_key(pem, passphrase if is_encrypted else None)
        except ValueError as error:
            problem = "no key of this passphrase" if is_encrypted else "no private key that can be read"
            raise KeysError(f"{what} holds {problem}", hint=hint) from error
        except (TypeError, UnsupportedAlgorithm) as error:
            raise KeysError(f"{what} holds no private key that can be read", hint=hint) from error
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return cls(key=key)
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            return cls(key=key)
        raise KeysError(f"{what} holds a key of another kind; ECDSA P-256 and Ed25519 are used")

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return PublicKey.of(self.key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return a signature over ``message``: DER for ECDSA, 64 bytes for Ed25519."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ECDSA)

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """Return the key as PKCS#8 in PEM, encrypted if there is a passphrase."""
        encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


class LockedKeyError(KeysError):
    """A key is encrypted, and there is no passphrase."""


def read_key_file(path: Path) -> bytes:
    """Return the bytes of a file that holds a private key.

    Raises:
        KeysError: it cannot be read, is no regular file or too long, or other users may read it.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LIMIT:
                raise KeysError(f"{path} is no file of at most {_LIMIT} bytes")
            if status.st_mode & 0o077:
                raise KeysError(
                    f"{path} may be used by other users (mode {status.st_mode & 0o777:04o})",
                    hint=f"if nobody has read it: `chmod 600 {path}`; otherwise make a new key, and revoke this one",
                )
            return file.read(_LIMIT)
    except OSError as error:
        raise KeysError(f"the key {path} cannot be read: {error.strerror}") from error


def keep_key(path: Path, key: PrivateKey, passphrase: bytes | None = None) -> bool:
    """Write a key into a new file, closed to other users, whole or not at all; never over another file.

    Returns:
        Whether it was written; False where there is a file of that name.

    Raises:
        KeysError: the folder cannot be written.
    """
    try:
        _make_folder(path.parent)
        with new_file(path.parent) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(key.to_pem(passphrase))
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)  # unlike a rename, never over what is there
                sync_folder(path.parent)
                return True
    except OSError as error:
        raise KeysError(f"the key {path} cannot be written: {error.strerror}") from error
    return False


def machine_key(folder: Path) -> PrivateKey:
    """Return this machine's own key, which is made at first use; processes that race for that have one afterwards.

    Args:
        folder: of the user's keys.

    Raises:
        KeysError: it cannot be made or read.
    """
    path = folder / "machine.pem"
    if not path.exists():
        keep_key(path, PrivateKey.new())
    return PrivateKey.parse(read_key_file(path), str(path))


def _make_folder(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
