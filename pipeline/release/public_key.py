"""``PublicKey``: who may have signed: ECDSA P-256 by default, Ed25519 too, and no other kind.

Source: RFC 5480 and RFC 8410 (SubjectPublicKeyInfo); RFC 3279, section 2.2.3 (the DER of an ECDSA signature).
"""

from base64 import b64decode
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from pipeline.release.documents import encode_base64
from pipeline.release.refusal import Refusal, RefusedEvidenceError

ECDSA = ec.ECDSA(SHA256())

_PEM_LIMIT = 4096
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256. Source: SEC 2, section 2.4.2."""


class Kind(StrEnum):
    """The kinds of keys."""

    P256 = "ecdsa-p256"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A public key.

    Args:
        kind: of the key.
        der: its SubjectPublicKeyInfo, as this module writes it: one key has one.
    """

    kind: Kind
    der: bytes

    @classmethod
    def of(cls, key: object) -> Self:
        """Return a key of the library as one of ours.

        Raises:
            RefusedEvidenceError: it is of another kind.
        """
        match key:
            case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
                kind = Kind.P256
            case ed25519.Ed25519PublicKey():
                kind = Kind.ED25519
            case _:
                named = getattr(getattr(key, "curve", None), "name", type(key).__name__)
                raise RefusedEvidenceError(Refusal.KEY_KIND, f"a key is {named}; P-256 and Ed25519 are accepted")
        return cls(kind=kind, der=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @classmethod
    def parse(cls, pem: bytes, what: str) -> Self:
        """Read a key in PEM, as ``BEGIN PUBLIC KEY``.

        Raises:
            RefusedEvidenceError: it is none, or one of another kind, or something stands beside it.
        """
        text = pem.strip()
        is_one = text.startswith(b"-----BEGIN PUBLIC KEY-----") and text.count(b"-----BEGIN") == 1
        if len(pem) > _PEM_LIMIT or not is_one or not text.endswith(b"-----END PUBLIC KEY-----"):
            raise RefusedEvidenceError(Refusal.KEY_FORM, f"{what} is not one public key in PEM")
        try:
            return cls.of(load_pem_public_key(text))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise RefusedEvidenceError(Refusal.KEY_FORM, f"{what} is no public key that can be read") from error

    @property
    def id(self) -> str:
        """The fingerprint that OpenSSH shows, ``SHA256:…``: what bundles have as their hint and as ``keyid``.

        Verifiers in Go (go-securesystemslib, and so cosign) compute it, and pass over a signature whose ``keyid`` is
        another one: measured with sigstore-go 1.2.2.

        Source: RFC 4253, section 6.6 and RFC 5656, section 3.1 (the bytes that are hashed); ssh-keygen(1), ``-l``.
        """
        line = load_der_public_key(self.der).public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        return "SHA256:" + encode_base64(sha256(b64decode(line.split(b" ")[1])).digest()).rstrip("=")

    @property
    def pem(self) -> bytes:
        """The key in PEM, for any other tool."""
        return load_der_public_key(self.der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def has_form(self, signature: bytes) -> bool:
        """Tell whether some bytes can be a signature of this kind of key: one form, and no second one is tried.

        Raw ``r‖s`` and DER that is longer than it has to be are none of ECDSA.
        """
        if self.kind is Kind.ED25519:
            return len(signature) == 64
        try:
            one, two = decode_dss_signature(signature)  # DER alone: the library takes no other BER
        except ValueError:
            return False
        return 0 < one < _ORDER and 0 < two < _ORDER

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Tell whether a signature is of this key over a message."""
        key = load_der_public_key(self.der)
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, message)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, message, ECDSA)
            else:
                return False
        except InvalidSignature:
            return False
        return True
