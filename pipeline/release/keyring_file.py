"""A keyring as its file has it: read only where its roots signed it, and written for them to sign.

What is signed is the canonical JSON of the part ``keyring``, so the file may be indented, compared and merged as text.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import ValidationError

from pipeline.declare import keyring_file as form
from pipeline.declare.values import FORMAT
from pipeline.release.documents import decode_base64, encode_base64, parse_object
from pipeline.release.identity import Identity
from pipeline.release.keyring import Holder, Keyring, Revocation, Roots, parse_time, print_time
from pipeline.release.public_key import PublicKey
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from pipeline.release.signing import Signer, pae
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest

PAYLOAD_TYPE = "application/vnd.seatrial.keyring.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What somebody knows of a keyring before reading it.

    Args:
        roots: the ids of the keys that are trusted to change it; empty trusts whatever roots it has itself.
        threshold: how many of those have to have signed it.
        version: the highest that was seen; 0 for none.
        digest: of the keyring that had that version; None for none.
    """

    roots: frozenset[str] = field(default_factory=frozenset)
    threshold: int = 1
    version: int = 0
    digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A keyring, and who of its roots has signed it.

    Args:
        keyring: what was signed.
        signatures: the id of a root's key → its signature.
    """

    keyring: Keyring
    signatures: Mapping[str, bytes]

    @property
    def digest(self) -> Digest:
        """Of what was signed."""
        return Digest.of(_payload(self.keyring))

    @property
    def is_complete(self) -> bool:
        """Whether as many of its roots have signed as it wants."""
        return len(self.signers) >= self.keyring.roots.threshold

    @property
    def signers(self) -> tuple[PublicKey, ...]:
        """Those of its roots that have signed it."""
        return tuple(each for each in self.keyring.roots.keys if self.is_signed_by(each))

    def is_signed_by(self, key: PublicKey) -> bool:
        """Tell whether a key has signed it, whatever it is called in the file."""
        message = pae(PAYLOAD_TYPE, _payload(self.keyring))
        return any(key.has_form(each) and key.has_signed(message, each) for each in self.signatures.values())

    def sign(self, signer: Signer) -> "Signed":
        """Return it with one more signature; one root's takes the place of its older one."""
        signature = signer.sign(pae(PAYLOAD_TYPE, _payload(self.keyring)))
        return Signed(keyring=self.keyring, signatures={**self.signatures, signer.public.id: signature})

    def to_bytes(self) -> bytes:
        """Return the text of its file."""
        signatures = [{"keyid": name, "sig": encode_base64(each)} for name, each in sorted(self.signatures.items())]
        document = {"keyring": _to_json(self.keyring), "signatures": signatures}
        return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def parse_keyring(raw: bytes, what: str) -> Signed:
    """Read the file of a keyring, of which nothing is trusted yet.

    Raises:
        RefusedEvidenceError: it is malformed, or has a key or a name twice.
    """
    document = parse_object(raw, what)
    try:
        found = form.KeyringFile.model_validate(document)
        keyring = _of_part(found.keyring)
    except ValueError as error:
        raise RefusedEvidenceError(Refusal.KEYRING_FORM, f"{what}: {_problem(error)}") from error
    _require_different(keyring, what)
    _require_replaced(keyring, what)
    signatures = {each.keyid: decode_base64(each.sig, f"{what}, a signature") for each in found.signatures}
    return Signed(keyring=keyring, signatures=signatures)


def open_keyring(raw: bytes, trust: Trust, now: int, what: str = "the keyring") -> Signed:
    """Return a keyring, if it is to be trusted.

    Args:
        raw: the bytes of its file.
        trust: what is known of it.
        now: seconds since 1970.
        what: how messages call it.

    Raises:
        RefusedEvidenceError: it is malformed, too few of its own roots or of the trusted ones signed it, it has
            expired, or an older or another one of its version was seen before.
    """
    found = parse_keyring(raw, what)
    roots, signers = found.keyring.roots, found.signers
    if not found.is_complete:
        message = f"{what} is signed by {len(signers)} of its roots, and {roots.threshold} have to sign"
        raise RefusedEvidenceError(Refusal.KEYRING_ROOTS, message, hint="`seatrial keys sign` signs it as one of them")
    trusted = _trusted(found, trust.roots)
    if trust.roots and trusted < trust.threshold:
        message = f"{what} is signed by {trusted} of the roots that are trusted, and {trust.threshold} have to sign"
        raise RefusedEvidenceError(Refusal.KEYRING_UNTRUSTED, message)
    version = found.keyring.version
    if version < trust.version:
        message = f"{what} is version {version}, and version {trust.version} was seen before"
        raise RefusedEvidenceError(Refusal.KEYRING_OLDER, message)
    if version == trust.version and found.digest != trust.digest:
        raise RefusedEvidenceError(Refusal.KEYRING_CHANGED, f"{what} is another version {version} than was seen before")
    if now >= found.keyring.expires:
        message = f"{what} was valid until {print_time(found.keyring.expires)}: revocations since then are not in it"
        raise RefusedEvidenceError(Refusal.KEYRING_EXPIRED, message, hint="`seatrial keys sign` signs it again")
    return found


def _trusted(found: Signed, roots: frozenset[str]) -> int:
    """Return how many of some roots have signed it; one that is no root of it any more does not count."""
    return sum(each.id in roots for each in found.signers)


def _payload(keyring: Keyring) -> bytes:
    return to_canonical_json(_to_json(keyring))


def _to_json(keyring: Keyring) -> Mapping[str, Json]:
    keys: Sequence[Json] = [_entry(each) for each in keyring.holders if isinstance(each.key, PublicKey)]
    identities: Sequence[Json] = [_entry(each) for each in keyring.holders if isinstance(each.key, Identity)]
    revoked: Sequence[Json] = [
        {"what": each.what, "at": print_time(each.at), "reason": each.reason} for each in keyring.revoked
    ]
    roots: Sequence[Json] = [encode_base64(each.der) for each in keyring.roots.keys]
    return {
        "seatrial": FORMAT,
        "version": keyring.version,
        "expires": print_time(keyring.expires),
        "roots": {"threshold": keyring.roots.threshold, "keys": roots},
        "keys": keys,
        **({"identities": identities} if identities else {}),  # without them it is what it was before there were any
        **({"trust-root": json.loads(keyring.trust_root)} if keyring.trust_root else {}),
        "revoked": revoked,
    }


def _entry(holder: Holder) -> Mapping[str, Json]:
    key = holder.key
    who: Mapping[str, Json] = (
        {"identity": key.subject, "issuer": key.issuer}
        if isinstance(key, Identity)
        else {"public": encode_base64(key.der)}
    )
    return {
        "name": holder.name,
        **who,
        "roles": sorted(role.value for role in holder.roles),
        "from": print_time(holder.since),
        "until": print_time(holder.until),
        **({"replaced-by": holder.replaced_by} if holder.replaced_by else {}),
    }


def _of_part(part: form.KeyringPart) -> Keyring:
    return Keyring(
        version=part.version,
        expires=parse_time(part.expires),
        roots=Roots(threshold=part.roots.threshold, keys=tuple(_key(each, "a root") for each in part.roots.keys)),
        holders=(*map(_holder, part.keys), *map(_holder, part.identities)),
        trust_root="" if part.trust_root is None else to_canonical_json(part.trust_root).decode(),
        revoked=tuple(Revocation(what=each.what, at=parse_time(each.at), reason=each.reason) for each in part.revoked),
    )


def _holder(entry: form.KeyEntry | form.IdentityEntry) -> Holder:
    key: PublicKey | Identity
    if isinstance(entry, form.IdentityEntry):
        key = Identity(subject=entry.identity, issuer=entry.issuer)
    else:
        key = _key(entry.public, f"the key '{entry.name}'")
    since, until = parse_time(entry.from_), parse_time(entry.until)
    return Holder(
        name=entry.name,
        key=key,
        roles=frozenset(entry.roles),
        since=since,
        until=until,
        replaced_by=entry.replaced_by or "",
    )


def _key(text: str, what: str) -> PublicKey:
    der = decode_base64(text, what)
    try:
        found = PublicKey.of(load_der_public_key(der))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RefusedEvidenceError(Refusal.KEY_FORM, f"{what} is no public key that can be read") from error
    if found.der != der:
        raise RefusedEvidenceError(Refusal.KEY_FORM, f"{what} is written in another way than its one")
    return found


def _problem(error: ValueError) -> str:
    """Return the first thing that is wrong, and where."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _require_different(keyring: Keyring, what: str) -> None:
    """Refuse what stands twice: one key or identity of two names would count as two signers, one root as two."""
    names = [each.name for each in keyring.holders]
    for each in (names, list(keyring.keys), list(keyring.identities), list(keyring.roots.keys)):
        if len(set(each)) != len(each):
            raise RefusedEvidenceError(Refusal.KEYRING_DUPLICATE, f"{what} has one name, key, identity or root twice")


def _require_replaced(keyring: Keyring, what: str) -> None:
    """Refuse a place that nobody has taken, or somebody whose own was taken: one signer would count as two."""
    last = {each.name for each in keyring.holders if not each.replaced_by}
    for each in keyring.holders:
        if each.replaced_by and each.replaced_by not in last:
            message = f"{what} says that '{each.replaced_by}' took the place of '{each.name}', and has no such key now"
            raise RefusedEvidenceError(Refusal.KEYRING_REPLACED, message)
