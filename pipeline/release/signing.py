"""``Envelope``: a statement and one signature of it, by DSSE.

Source: secure-systems-lab/dsse, protocol.md and envelope.md, version 1.0.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pipeline.release.attest import Statement
from pipeline.release.identity import Identity
from pipeline.release.public_key import Kind, PublicKey
from pipeline.release.refusal import Refusal, RefusedEvidenceError

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Signer(Protocol):
    """Holds a private key, or reaches one."""

    @property
    def public(self) -> PublicKey:
        """Its public half."""

    def sign(self, message: bytes) -> bytes:
        """Return a signature over ``message``: DER for ECDSA, 64 bytes for Ed25519.

        Raises:
            KeysError: whoever holds the key refuses.
        """


class Certifying(ABC):
    """Holds no key: a certificate says at every time anew who signs, and a log that it was then.

    A base class and no protocol: to ask whether a signer satisfies one would ask Python 3.11 for all of its properties,
    and so for a certificate.
    """

    @property
    @abstractmethod
    def public(self) -> Identity:
        """Who signs.

        Raises:
            KeysError: nobody vouches for that.
        """

    @property
    @abstractmethod
    def trust_root(self) -> str:
        """The JSON of the trusted root by which that is verified."""

    @abstractmethod
    def certify(self, statement: Statement) -> bytes:
        """Return a bundle with a statement and what proves who signed it.

        Raises:
            RefusedEvidenceError: nobody would accept the statement.
            KeysError: whoever issues certificates, or the log, refuses.
        """


AnySigner = Signer | Certifying
"""Whoever can sign a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What was signed, by which key it says, and the signature. Nothing in it is trusted.

    Args:
        payload: the bytes that were signed, never parsed and written again.
        hint: which key is said to have signed: for messages, never for a decision. Empty where a certificate says it.
        signature: over the payload and its type.
        certified: the whole bundle where a certificate says who signed; empty where a key is known by itself.
    """

    payload: bytes
    hint: str
    signature: bytes
    certified: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A statement, and the trusted key that signed it, or the identity.

    Args:
        statement: what was signed.
        key: whose signature it is.
        at: when its certificate was issued, seconds since 1970, for which the authority vouches; None for a key's own.
        until: when that ended, likewise.
    """

    statement: Statement
    key: PublicKey | Identity
    at: int | None = None
    until: int | None = None


def pae(payload_type: str, body: bytes) -> bytes:
    """Return the bytes that are signed in place of a body: its type is signed with it.

    Source: DSSE protocol.md, "Signature Definition", PAE.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def sign(statement: Statement, signer: Signer) -> Envelope:
    """Sign a statement.

    Raises:
        RefusedEvidenceError: nobody would accept the statement.
        KeysError: whoever holds the key refuses.
    """
    payload = statement.to_bytes()
    return Envelope(payload=payload, hint=signer.public.id, signature=signer.sign(pae(PAYLOAD_TYPE, payload)))


def verify(envelope: Envelope, trusted: Iterable[PublicKey]) -> Verified:
    """Return what was signed, if one of the trusted keys signed it.

    Every trusted key is tried, whatever the hint says. A hint that names another key than the one that signed is
    refused all the same: verifiers that follow it would come to another result.

    Raises:
        RefusedEvidenceError: no trusted key signed it, the signature has another form, or the statement is malformed.
    """
    keys = tuple(trusted)
    key = _signer_of(envelope, keys)
    if key.id != envelope.hint:
        message = f"the key {key.id} signed, and the hint names {envelope.hint}"
        raise RefusedEvidenceError(Refusal.HINT_OTHER_KEY, message)
    return Verified(statement=Statement.parse(envelope.payload), key=key)


def _signer_of(envelope: Envelope, keys: tuple[PublicKey, ...]) -> PublicKey:
    signed = pae(PAYLOAD_TYPE, envelope.payload)
    fitting = [each for each in keys if each.has_form(envelope.signature)]
    for each in fitting:
        if each.has_signed(signed, envelope.signature):
            return each
    named = next((each for each in keys if each.id == envelope.hint), None)
    if named is None:
        message = f"none of the {len(keys)} trusted keys signed this, and the hint names none: {envelope.hint}"
        raise RefusedEvidenceError(Refusal.SIGNATURE_UNKNOWN, message, hint="`seatrial keys` lists the keys")
    if named not in fitting:
        wanted = "DER of ECDSA" if named.kind is Kind.P256 else "64 bytes of Ed25519"
        raise RefusedEvidenceError(Refusal.SIGNATURE_FORM, f"the signature of the key {named.id} is not {wanted}")
    raise RefusedEvidenceError(Refusal.SIGNATURE_WRONG, f"the signature is not of the key {named.id}, which it names")
