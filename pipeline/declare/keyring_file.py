"""The form of ``specs/keyring.json``: whose signatures count, for what and when, signed by its roots."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from pipeline.declare.values import FORMAT, AnyText, Like, Name, Part, Whole

Time = Annotated[
    str,
    Like(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z", "a time, such as 2027-01-31T00:00:00Z"),
]
"""A time in UTC, to the second."""

Encoded = Annotated[str, Like(r"[A-Za-z0-9+/]{16,400}={0,2}", "standard base64")]
"""Some bytes in base64."""

Revoked = Annotated[
    str,
    Like(
        r"(sha256:[0-9a-f]{64}|SHA256:[A-Za-z0-9+/]{43}|oidc:https?://[!-\"$-~]{1,300}#[!-~]{1,1000})",
        "the id of a key as SHA256:…, that of an identity as oidc:…, or the digest of an image as sha256:…",
    ),
]
"""What is revoked."""


Issuer = Annotated[
    str,
    Like(r"https?://[!-\"$-~]{1,300}", "the address of an issuer, such as https://token.actions.githubusercontent.com"),
]
"""Who vouches for identities."""

Subject = Annotated[str, Like(r"[!-~]{1,1000}", "what a certificate has as its subject, without blanks")]
"""Whom an issuer vouches for."""


class Role(StrEnum):
    """What a key may sign."""

    BUILDER = "builder"
    """Where an image came from."""
    REBUILDER = "rebuilder"
    """That another machine built the same image."""
    VERIFIER = "verifier"
    """How an image behaved."""
    PROMOTER = "promoter"
    """That a stage took an image."""


class KeyEntry(Part):
    """Somebody whose signatures count."""

    name: Name
    """What people call the key."""
    public: Encoded
    """The public key: base64 of the DER of its SubjectPublicKeyInfo."""
    roles: Annotated[tuple[Role, ...], Field(min_length=1, max_length=len(Role))]
    """What it may sign."""
    from_: Time
    """When it begins to be valid."""
    until: Time
    """When it ends; what it signed before stays valid."""
    replaced_by: Name | None = None
    """The name of the key that took its place: the two are one signer."""


class IdentityEntry(Part):
    """Somebody without a key, whose signatures count where a certificate of the trust root says who it was."""

    name: Name
    """What people call the identity; no key has the same name."""
    identity: Subject
    """As the certificate's subject alternative name has it, the whole of it."""
    issuer: Issuer
    """Who vouched for that, as the certificate has it."""
    roles: Annotated[tuple[Role, ...], Field(min_length=1, max_length=len(Role))]
    """What it may sign."""
    from_: Time
    """When it begins to be valid."""
    until: Time
    """When it ends; what it signed with a certificate from before stays valid."""
    replaced_by: Name | None = None
    """The name of what took its place: the two are one signer."""


class Revocation(Part):
    """Something that counts no more, whenever it was signed."""

    what: Revoked
    """The id of a key or of an identity, or the digest of an image."""
    at: Time
    """When it was revoked."""
    reason: AnyText
    """Why."""


class Roots(Part):
    """Who may change the keyring."""

    threshold: Annotated[Whole, Field(ge=1, le=16)]
    """How many of them have to sign."""
    keys: Annotated[tuple[Encoded, ...], Field(min_length=1, max_length=16)]
    """Their public keys, as of ``keys``."""


class KeyringPart(Part):
    """What the roots sign: its canonical JSON."""

    seatrial: Annotated[Whole, Field(ge=1, le=FORMAT)]
    """The format of this file: 1."""
    version: Annotated[Whole, Field(ge=1)]
    """Raised with every change: an older one is refused by whoever has seen a newer."""
    expires: Time
    """When it has to be signed again, so that no old list of revocations is taken for the current one."""
    roots: Roots
    """Who may change it."""
    keys: Annotated[tuple[KeyEntry, ...], Field(max_length=1000)] = ()
    """Whose signatures count."""
    identities: Annotated[tuple[IdentityEntry, ...], Field(max_length=1000)] = ()
    """Whose signatures count that have no key."""
    trust_root: dict[str, Any] | None = None
    """A trusted root of Sigstore: whose certificates, logs and times are trusted. Without it no identity counts."""
    revoked: Annotated[tuple[Revocation, ...], Field(max_length=10_000)] = ()
    """What counts no more."""


class RootSignature(Part):
    """One root's signature."""

    keyid: Annotated[str, Like(r"SHA256:[A-Za-z0-9+/]{43}", "the id of a key")]
    """Which root says that it signed."""
    sig: Encoded
    """Over the canonical JSON of ``keyring``, by DSSE, with the type application/vnd.seatrial.keyring.v1+json."""


class KeyringFile(Part):
    """A keyring, and its roots' signatures."""

    keyring: KeyringPart
    """What was signed."""
    signatures: Annotated[tuple[RootSignature, ...], Field(max_length=64)]
    """At least as many as the threshold of its roots, and as that of whoever trusts other ones."""
