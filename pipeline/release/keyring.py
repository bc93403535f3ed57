"""``Keyring``: whose signatures count, for what and when, and what counts no more."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.declare.keyring_file import Role
from pipeline.release.documents import require_text
from pipeline.release.identity import Identity
from pipeline.release.public_key import PublicKey
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from runtime.canonical import Json
from runtime.digest import Digest

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody whose signatures count.

    Args:
        name: what people call the key, or the identity.
        key: the public key; the identity of whoever has none.
        roles: what it may sign.
        since: when it begins to be valid, seconds since 1970.
        until: when it ends, likewise; what it signed before stays valid.
        replaced_by: the name of the key that took its place, of the same person; empty where none did.
    """

    name: str
    key: PublicKey | Identity
    roles: frozenset[Role]
    since: int
    until: int
    replaced_by: str = ""

    @property
    def person(self) -> str:
        """Whose it is: keys that took one another's place are one signer, however many of them sign."""
        return self.replaced_by or self.name

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"the {'identity' if isinstance(self.key, Identity) else 'key'} '{self.name}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Something that counts no more, whenever it was signed.

    Args:
        what: the id of a key or of an identity, or the digest of an image.
        at: when it was revoked, seconds since 1970.
        reason: why.
    """

    what: str
    at: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """Who may change a keyring.

    Args:
        threshold: how many of them have to sign.
        keys: their public keys.
    """

    threshold: int
    keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Whose signatures count. Whoever has one has checked that its roots signed it.

    Args:
        version: raised with every change.
        expires: when it has to be signed again, seconds since 1970.
        roots: who may change it.
        holders: whose signatures count, by name.
        trust_root: the canonical JSON of a trusted root of Sigstore, by which identities count; empty for none.
        revoked: what counts no more, in the order in which it was revoked.
    """

    version: int
    expires: int
    roots: Roots
    holders: tuple[Holder, ...] = ()
    trust_root: str = ""
    revoked: tuple[Revocation, ...] = ()

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """All of its keys, those too that are revoked or expired: a signature of theirs is refused for that reason."""
        return tuple(each.key for each in self.holders if isinstance(each.key, PublicKey))

    @property
    def identities(self) -> tuple[Identity, ...]:
        """All of its identities, likewise."""
        return tuple(each.key for each in self.holders if isinstance(each.key, Identity))

    def holder(self, key: PublicKey | Identity, roles: Iterable[Role], at: int) -> Holder:
        """Return who holds a key or is an identity, if it may sign as one of some roles at some time.

        Args:
            key: that signed, or who.
            roles: one of them is enough.
            at: when the statement says that it was made, or a certificate that it was issued, seconds since 1970. For a
                key's time the signer alone vouches, so what is revoked counts at no time.

        Raises:
            RefusedEvidenceError: it is unknown, revoked, of another role, or was not valid.
        """
        found = next((each for each in self.holders if each.key == key), None)
        if found is None:
            hint = "`seatrial keys add NAME KEY.pub --role ROLE` lets its signatures count"
            what = "identity" if isinstance(key, Identity) else "key"
            raise RefusedEvidenceError(Refusal.KEY_UNKNOWN, f"the keyring has no {what} {key.id}", hint=hint)
        revocation = self.revocation(key.id)
        if revocation is not None:
            message = f"{found.title} was revoked at {print_time(revocation.at)}: {revocation.reason}"
            raise RefusedEvidenceError(Refusal.KEY_REVOKED, message)
        wanted = frozenset(roles)
        if not wanted & found.roles:
            message = f"{found.title} signs as {_listed(found.roles)}, and {_listed(wanted)} is wanted"
            raise RefusedEvidenceError(Refusal.KEY_ROLE, message)
        if at < found.since:
            message = f"{found.title} is valid from {print_time(found.since)}, and signed {print_time(at)}"
            raise RefusedEvidenceError(Refusal.KEY_NOT_YET, message)
        if at >= found.until:
            message = f"{found.title} was valid until {print_time(found.until)}, and signed {print_time(at)}"
            raise RefusedEvidenceError(Refusal.KEY_EXPIRED, message)
        return found

    def person(self, key: PublicKey | Identity) -> str:
        """Return whose a key is that the keyring has, whether or not it counts; see ``Holder.person``."""
        return next(each.person for each in self.holders if each.key == key)

    def revocation(self, what: str) -> Revocation | None:
        """Return how something was revoked, or None."""
        return next((each for each in self.revoked if each.what == what), None)

    def require_image(self, digest: Digest) -> None:
        """Do nothing if an image is not revoked.

        Raises:
            RefusedEvidenceError: it is.
        """
        found = self.revocation(digest.text)
        if found is not None:
            message = f"the image {digest.short} was revoked at {print_time(found.at)}: {found.reason}"
            raise RefusedEvidenceError(Refusal.SUBJECT_REVOKED, message)


def print_time(seconds: int) -> str:
    """Return a time as ``2027-01-31T00:00:00Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> int:
    """Return the seconds since 1970 of a time as ``print_time`` writes it.

    Raises:
        ValueError: there is no such time.
    """
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


def require_time(value: Json, what: str) -> int:
    """Return the seconds since 1970 of a time in a document, in its one form.

    Raises:
        RefusedEvidenceError: it is no text.
        ValueError: there is no such time.
    """
    text = require_text(value, what)
    if not _TIME.fullmatch(text):
        raise ValueError(f"{what} is {text[:40]!a}, no time in UTC")
    return parse_time(text)


def _listed(roles: Iterable[Role]) -> str:
    return " or ".join(sorted(each.value for each in roles)) or "nothing"
