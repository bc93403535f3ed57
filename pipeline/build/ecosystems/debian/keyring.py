"""The OpenPGP keys that may sign the index of an archive, pinned for each suite by fingerprint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.declare.errors import ArchiveError, NamedError, SpecError
from pipeline.declare.reasons import Reason
from pipeline.declare.validate import near

if TYPE_CHECKING:
    from pysequoia import Cert

KEYS = Path(__file__).parent / "keys"
"""The public keys, one a file, as the package ``debian-archive-keyring`` holds them."""

PINNED: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "bullseye": {
        "debian": {
            "bullseye-automatic": "1f89983e0081fde018f3cc9673a4f27b8dd47936",
            "bullseye-stable": "a4285295fc7b1a81600062a9605c66f00d6c9793",
        },
        "debian-security": {"bullseye-security-automatic": "ac530d520f2f3269f5e98313a48449044aad5c5d"},
    },
    "bookworm": {
        "debian": {
            "bookworm-automatic": "b8b80b5b623eab6ad8775c45b7c5d7d6350947f8",
            "bookworm-stable": "4d64fec119c2029067d6e791f8d2585b8783d481",
        },
        "debian-security": {"bookworm-security-automatic": "05ab90340c0c5e797f44a8c8254cf3b5aec0a8f0"},
    },
    "trixie": {
        "debian": {
            "trixie-automatic": "04b54c3cdca79751b16bc6b5225629df75b188bd",
            "trixie-stable": "41587f7db8c774bccf131416762f67a0b2c39de4",
        },
        "debian-security": {"trixie-security-automatic": "5e04a1e3223a19a20706e20f9904613d4cce68c6"},
    },
}
"""Per suite and archive: the files of keys, with the fingerprints that they must have."""


_SECRET_KEY = 5  # the type of a packet that holds one


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Keys of which at least one must have signed.

    Args:
        name: what messages call it.
        certificates: OpenPGP certificates, armored or not.
        fingerprints: those that count, lower-case; a certificate with another one is ignored.
    """

    name: str
    certificates: tuple[bytes, ...] = field(repr=False)
    fingerprints: frozenset[str]

    def signed_bytes(self, message: bytes, what: str) -> bytes:
        """Return the bytes that a key of this ring signed, without anything around them.

        Args:
            message: a cleartext-signed message.
            what: what messages call it, such as its URL.

        Raises:
            ArchiveError: no signature by one of these keys is good.
        """
        import pysequoia  # noqa: PLC0415 - a native library that only locking needs

        certificates = {one.fingerprint: one for one in _parsed(self.certificates, self.name)}
        ring = {name: one for name, one in certificates.items() if name in self.fingerprints}

        def known(_: Sequence[str]) -> list[Any]:
            return list(ring.values())

        try:
            verified = pysequoia.verify(bytes=message, store=known)
        except Exception as error:  # the library raises plain RuntimeError and ValueError for every cause
            raise self._refusal(what, f": {_first_line(error)}") from error
        # The certificate is named by its own fingerprint, not by that of a subkey which signed.
        if verified.bytes is None or not any(signature.certificate in ring for signature in verified.valid_sigs):
            raise self._refusal(what, "")
        return verified.bytes

    def _refusal(self, what: str, reason: str) -> ArchiveError:
        return ArchiveError(
            f"{what}: no good signature by {self.name}{reason}",
            hint="somebody changed it on the way, or the mirror is of another archive; "
            "name the archive's own keys in `keys:` if that is meant",
            reason=Reason.RELEASE_SIGNATURE,
        )


def pinned_keyring(suite: str, archive: str) -> Keyring:
    """Return the keys that Debian signs an archive of ``suite`` with.

    Raises:
        SpecError: no keys are pinned for that suite.
    """
    if suite not in PINNED:
        known = near(suite, PINNED) or "write `debian: {suite: …, mirror: …, keys: FILE}` for an archive of your own"
        raise NamedError(
            f"no keys are known for the Debian suite {suite!r}; known are {', '.join(sorted(PINNED))}",
            hint=known,
            named=suite,
            key="debian",
        )
    pins = PINNED[suite][archive]
    return Keyring(
        name=f"a key of {archive} {suite}",
        certificates=tuple((KEYS / f"{name}.asc").read_bytes() for name in pins),
        fingerprints=frozenset(pins.values()),
    )


def given_keyring(certificates: Sequence[bytes]) -> Keyring:
    """Return a ring of the keys that a spec names, each of which counts.

    Raises:
        SpecError: one cannot be read, or there is none.
    """
    name = "the spec's keys"
    found = _parsed(certificates, name)
    if any(_is_secret(each) for each in certificates):
        raise SpecError(
            f"{name}: a secret key is in them, and whoever can read it can sign as the archive",
            hint="`keys:` names a file of public keys, as `gpg --export --armor KEY` writes it; remove this one",
        )
    fingerprints = frozenset(certificate.fingerprint for certificate in found)
    if not fingerprints:
        raise SpecError(
            f"{name}: there is no OpenPGP certificate in them",
            hint="`keys:` names a file as `gpg --export --armor KEY` writes it",
        )
    return Keyring(name=name, certificates=tuple(certificates), fingerprints=fingerprints)


def _is_secret(certificate: bytes) -> bool:
    """Tell whether a file of keys begins with a secret one, armored or not. Source: RFC 9580, sections 4.2 and 5.5."""
    first = certificate[:1] or b"\0"
    kind = first[0] & 0x3F if first[0] & 0x40 else first[0] >> 2 & 0xF
    return b"-----BEGIN PGP PRIVATE KEY BLOCK-----" in certificate or (first[0] & 0x80 != 0 and kind == _SECRET_KEY)


def _parsed(certificates: Sequence[bytes], name: str) -> list["Cert"]:
    import pysequoia  # noqa: PLC0415 - a native library that only locking needs

    try:
        return [one for armored in certificates for one in pysequoia.Cert.split_bytes(armored)]
    except Exception as error:  # the library raises plain RuntimeError and ValueError for every cause
        raise SpecError(f"{name} cannot be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
