"""A keyring for people and for programs: who is in it, for what, until when, and what is wrong with it now."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.release.keyring import Holder, Keyring, print_time
from pipeline.release.keyring_file import Signed, Trust, open_keyring
from pipeline.release.public_key import PublicKey
from pipeline.release.refusal import RefusedEvidenceError
from runtime.digest import Digest


def problem_of(found: Signed, trust: Trust, now: int) -> str:
    """Return why a keyring would not be trusted now; empty if it would."""
    try:
        open_keyring(found.to_bytes(), trust, now)
    except RefusedEvidenceError as error:
        return error.message
    return ""


def lines(
    own: PublicKey | None, path: Path, found: Signed | None, name: str, *, problem: str, now: int
) -> Iterator[str]:
    """Yield lines for people.

    Args:
        own: this machine's key; None where none is made yet.
        path: where it lies.
        found: the keyring; None for none.
        name: what it is called.
        problem: why it is not trusted; empty if it is.
        now: seconds since 1970.
    """
    yield f"this machine  {own.kind}  {own.id}  {path}" if own else "this machine  no key yet: the first use makes one"
    if found is None:
        yield f"{name}  none: the key of this machine is the only one that counts"
        return
    keyring = found.keyring
    signed = f"signed by {len(found.signers)} of {len(keyring.roots.keys)} roots"
    wanted = f", {keyring.roots.threshold} have to"
    yield f"{name}  version {keyring.version}, {signed}{wanted}, until {print_time(keyring.expires)}"
    yield from (f"  root  {each.kind}  {each.id}" for each in keyring.roots.keys)
    yield from (f"  {_line(each, keyring, now)}" for each in keyring.holders)
    if keyring.trust_root:
        yield f"  trust root  {Digest.of(keyring.trust_root.encode()).short}: identities count by it"
    yield from (
        f"  image {each.what}  revoked {print_time(each.at)}: {each.reason}"
        for each in keyring.revoked
        if each.what.startswith("sha256:")
    )
    if problem:
        yield f"not trusted: {problem}"


def document(own: PublicKey | None, path: Path, found: Signed | None, name: str, problem: str) -> dict[str, object]:
    """Return the same for programs; see ``lines``."""
    machine = {"id": own.id, "kind": own.kind.value, "path": str(path)} if own else None
    return {
        "schema": "https://seatrial.dev/keys/v1",
        "machine": machine,
        "keyring": None if found is None else _keyring(found, name, problem),
    }


def _keyring(found: Signed, name: str, problem: str) -> dict[str, object]:
    keyring = found.keyring
    signed = {each.id for each in found.signers}
    return {
        "path": name,
        "version": keyring.version,
        "digest": found.digest.text,
        "expires": print_time(keyring.expires),
        "threshold": keyring.roots.threshold,
        "roots": [{"id": each.id, "kind": each.kind.value, "signed": each.id in signed} for each in keyring.roots.keys],
        "keys": [_holder(each) for each in keyring.holders],
        "trustRoot": Digest.of(keyring.trust_root.encode()).text if keyring.trust_root else None,
        "revoked": [{"what": each.what, "at": print_time(each.at), "reason": each.reason} for each in keyring.revoked],
        "problem": problem,
    }


def _holder(holder: Holder) -> dict[str, object]:
    return {
        "name": holder.name,
        "id": holder.key.id,
        "kind": str(holder.key.kind),
        "roles": sorted(each.value for each in holder.roles),
        "from": print_time(holder.since),
        "until": print_time(holder.until),
        **({"replacedBy": holder.replaced_by} if holder.replaced_by else {}),
    }


def _line(holder: Holder, keyring: Keyring, now: int) -> str:
    roles = ", ".join(sorted(each.value for each in holder.roles))
    return f"{holder.name}  {holder.key.kind}  {holder.key.id}  {roles}  {_state(holder, keyring, now)}"


def _state(holder: Holder, keyring: Keyring, now: int) -> str:
    revocation = keyring.revocation(holder.key.id)
    if revocation:
        return f"revoked {print_time(revocation.at)}: {revocation.reason}"
    if now < holder.since:
        return f"from {print_time(holder.since)}"
    end = f"{'until' if now < holder.until else 'ended'} {print_time(holder.until)}"
    return f"{end}, replaced by {holder.replaced_by}" if holder.replaced_by else end
