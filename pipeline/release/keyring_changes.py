"""What people do to a keyring. Each change is a new version, which its roots have to sign again."""

from collections.abc import Iterable
from dataclasses import replace

from pipeline.declare.errors import KeysError
from pipeline.declare.keyring_file import Role
from pipeline.release.identity import Identity
from pipeline.release.keyring import Holder, Keyring, Revocation, Roots
from pipeline.release.keyring_file import Signed
from pipeline.release.public_key import PublicKey
from pipeline.release.signing import Signer

DAY = 86_400

_NAME_LIMIT = 63
"""Characters of a name; see ``pipeline.declare.values.Name``."""


def new_keyring(roots: Iterable[PublicKey], threshold: int, expires: int) -> Keyring:
    """Return a keyring with nobody in it.

    Raises:
        KeysError: it has fewer roots than have to sign, or one twice.
    """
    keys = tuple(roots)
    if not 1 <= threshold <= len(set(keys)) or len(set(keys)) != len(keys):
        raise KeysError(
            f"{threshold} of {len(set(keys))} different roots cannot sign",
            hint="name a root's public key with --root for each, and --threshold of them at most",
        )
    return Keyring(version=1, expires=expires, roots=Roots(threshold=threshold, keys=keys))


def with_holder(keyring: Keyring, holder: Holder) -> Keyring:
    """Return the next version, with somebody more whose signatures count.

    Raises:
        KeysError: there is one of this name or key.
    """
    same = next((each for each in keyring.holders if holder.name == each.name or holder.key == each.key), None)
    if same is not None:
        raise KeysError(
            f"the keyring has {same.title}, {same.key.id}, already",
            hint=f"`seatrial keys rotate {same.name} FILE` puts another key in its place",
        )
    return replace(keyring, version=keyring.version + 1, holders=(*keyring.holders, holder))


def rotated(keyring: Keyring, name: str, key: PublicKey | Identity, now: int, *, overlap: int, lasting: int) -> Keyring:
    """Return the next version, in which somebody has another key.

    The older key keeps what it signed, and may sign for a while: it is called ``NAME-VERSION`` from now on. The two are
    one signer.

    Args:
        keyring: has the key.
        name: of who holds it.
        key: the new one.
        now: seconds since 1970.
        overlap: how long both are valid, in seconds.
        lasting: how long the new one is, likewise.

    Raises:
        KeysError: there is no such name, another key took its place already, the new key is in the keyring already, or
            what the older one is to be called cannot be a name of it.
    """
    old = _named(keyring, name)
    if old.replaced_by:
        raise KeysError(
            f"the place of {old.title} was taken by '{old.replaced_by}'",
            hint=f"`seatrial keys rotate {old.replaced_by} FILE` puts another key in its place",
        )
    older = f"{name}-{keyring.version}"
    if len(older) > _NAME_LIMIT or older in {each.name for each in keyring.holders}:
        raise KeysError(
            f"the older key would be called '{older}', which is too long or another's name",
            hint="add the new key under a name of its own with `seatrial keys add`",
        )
    kept = replace(old, name=older, until=min(old.until, now + overlap), replaced_by=name)
    others = tuple(kept if each is old else each for each in keyring.holders)
    new = Holder(name=name, key=key, roles=old.roles, since=now, until=now + lasting)
    return with_holder(replace(keyring, holders=others), new)


def with_revocation(keyring: Keyring, what: str, now: int, reason: str) -> Keyring:
    """Return the next version, in which a key or an image counts no more, whenever its statements were signed.

    Args:
        keyring: has the key.
        what: the name or the id of a key or of an identity, or ``sha256:…`` of an image.
        now: seconds since 1970.
        reason: for people.

    Raises:
        KeysError: there is no such key, or it is revoked already.
    """
    ids = {each.key.id for each in keyring.holders}
    subject = what if what.startswith("sha256:") or what in ids else _named(keyring, what).key.id
    if keyring.revocation(subject) is not None:
        raise KeysError(f"{what} is revoked already")
    revocation = Revocation(what=subject, at=now, reason=reason)
    return replace(keyring, version=keyring.version + 1, revoked=(*keyring.revoked, revocation))


def with_trust_root(keyring: Keyring, trust_root: str) -> Keyring:
    """Return the next version, by whose trust root identities count.

    Args:
        keyring: what is changed.
        trust_root: its canonical JSON.
    """
    return replace(keyring, version=keyring.version + 1, trust_root=trust_root)


def renewed(keyring: Keyring, expires: int) -> Keyring:
    """Return the next version, as it is, valid for longer."""
    return replace(keyring, version=keyring.version + 1, expires=expires)


def signed_by(keyring: Keyring, signer: Signer) -> Signed:
    """Return a keyring that one of its roots has signed.

    Raises:
        KeysError: the signer is none of them.
    """
    require_root(keyring, signer)
    return Signed(keyring=keyring, signatures={}).sign(signer)


def may_change(found: Signed, signer: Signer) -> Keyring:
    """Return a keyring for a change by a signer, who answers for all of it.

    Raises:
        KeysError: the signer is no root of it, or has not signed it as it is: what somebody else has put into it would
            be signed unseen.
    """
    require_root(found.keyring, signer)
    if not found.is_signed_by(signer.public):
        raise KeysError(
            f"this version {found.keyring.version} is not signed by your key {signer.public.id}",
            hint="look at it with `seatrial keys`, and sign it with `seatrial keys sign` if it is as it should be",
        )
    return found.keyring


def require_root(keyring: Keyring, signer: Signer) -> None:
    """Do nothing if a signer is one of the roots of a keyring.

    Raises:
        KeysError: it is none.
    """
    if signer.public not in keyring.roots.keys:
        named = ", ".join(each.id for each in keyring.roots.keys)
        raise KeysError(
            f"the key {signer.public.id} is no root of the keyring",
            hint=f"sign with one of {named}: --key FILE, or SEATRIAL_KEY",
        )


def make_holder(name: str, key: PublicKey | Identity, roles: Iterable[Role], now: int, lasting: int) -> Holder:
    """Return somebody whose signatures count from now on."""
    return Holder(name=name, key=key, roles=frozenset(roles), since=now, until=now + lasting)


def _named(keyring: Keyring, name: str) -> Holder:
    found = next((each for each in keyring.holders if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in keyring.holders) or "nobody"
        raise KeysError(f"the keyring has no key '{name}'", hint=f"it has: {known}")
    return found
