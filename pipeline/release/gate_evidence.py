"""``Evidence``: the statements that a gate counts on, out of whatever lies beside a release.

A bundle counts if it is well formed and signed by a key, or an identity, that may sign this, in its time. One that does
not hides no other: whoever may write beside a release must not be able to close the gate by putting rubbish there. What
did not count is told where something is missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pipeline.declare.keyring_file import Role
from pipeline.release.acceptance import PREDICATE as ACCEPTANCE
from pipeline.release.acceptance import Acceptance
from pipeline.release.attest import Statement
from pipeline.release.bundle import parse_bundle
from pipeline.release.certified import verify_certified
from pipeline.release.gate_refusal import Gate
from pipeline.release.keyring import Holder, Keyring, print_time
from pipeline.release.portability import Portability
from pipeline.release.public_key import PublicKey
from pipeline.release.rebuild import PREDICATE as REBUILD
from pipeline.release.rebuild import Rebuild
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from pipeline.release.signing import Envelope, Verified, verify
from pipeline.release.verdicts import PORTABILITY
from runtime.digest import Digest

PROVENANCE = "https://slsa.dev/provenance/v1"
_KINDS = (PORTABILITY, ACCEPTANCE, REBUILD, PROVENANCE)

TOLERANCE = 300
"""Seconds by which another machine's clock may be ahead of this one's."""

_Claimed = TypeVar("_Claimed", Portability, Acceptance, Rebuild)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Generic[_Claimed]):
    """A statement that counts.

    Args:
        bundle: the digest of its bundle.
        holder: who signed it.
        at: when that was, as the signer says, seconds since 1970.
        says: what it says.
    """

    bundle: Digest
    holder: Holder
    at: int
    says: _Claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A bundle that does not count.

    Args:
        bundle: its digest.
        code: of the check: a value of ``Gate`` or of ``Refusal``.
        message: why.
    """

    bundle: Digest
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """Whose signatures count.

    Args:
        keyring: theirs.
        digests: of the release and of its images: what a statement has to be about.
        roles: of those who sign what an image did.
        local: this machine's key, where it does not count by itself; None where it does, or is not known.
        now: seconds since 1970.
    """

    keyring: Keyring
    digests: tuple[Digest, ...]
    roles: tuple[Role, ...]
    local: PublicKey | None
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """That somebody says to have built some images.

    Args:
        person: who signed it; see ``Holder.person``.
        about: the digests of what was built.
        problem: why its signer may not say so; empty where it may.
    """

    person: str
    about: frozenset[Digest]
    problem: str = ""


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What a gate counts on.

    Args:
        verdicts: how the images behaved, newest first.
        acceptances: which stage took the release, likewise.
        rebuilds: who built the images again, likewise.
        origins: who says to have built something, those too who may not say so.
        rejected: what does not count.
    """

    verdicts: list[Claim[Portability]] = field(default_factory=list)
    acceptances: list[Claim[Acceptance]] = field(default_factory=list)
    rebuilds: list[Claim[Rebuild]] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


class _NotCountedError(Exception):
    """A bundle does not count, by a check of the gate's own."""

    def __init__(self, code: Gate, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_evidence(bundles: Iterable[bytes], trusted: Trusted) -> Evidence:
    """Sort bundles into those that count and those that do not; what has a kind that no gate asks for is left out.

    Args:
        bundles: as they were found; equal ones are one.
        trusted: whose signatures count.
    """
    found = Evidence()
    for digest, raw in sorted({Digest.of(each): each for each in bundles}.items()):
        try:
            _sort(digest, raw, found, trusted)
        except RefusedEvidenceError as error:
            message = error.message.removesuffix(f" [{error.reason}]")
            found.rejected.append(Rejected(bundle=digest, code=str(error.reason), message=message))
        except _NotCountedError as error:
            found.rejected.append(Rejected(bundle=digest, code=error.code.value, message=str(error)))
    found.verdicts.sort(key=_newest_first)
    found.acceptances.sort(key=_newest_first)
    found.rebuilds.sort(key=_newest_first)
    return found


def _newest_first(claim: Claim[Any]) -> tuple[int, Digest]:
    return -claim.at, claim.bundle


def _sort(digest: Digest, raw: bytes, found: Evidence, trusted: Trusted) -> None:
    envelope = parse_bundle(raw)
    # What it says of its kind is not verified yet: whoever lies here takes out nothing but the own statement. What does
    # not have such a word in it is not even read: a bill of an image may have a megabyte.
    if not any(each.encode() in envelope.payload for each in _KINDS):
        return
    kind = Statement.parse(envelope.payload).predicate_type
    if kind not in _KINDS:
        return
    signed = _verified(envelope, trusted)
    if kind == PROVENANCE:
        found.origins.append(_origin(signed, trusted))
    elif kind == PORTABILITY:
        verdict = Portability.of(signed.statement)
        holder = _holder(signed, trusted.roles, verdict.at, trusted)
        found.verdicts.append(Claim(bundle=digest, holder=holder, at=verdict.at, says=verdict))
    elif kind == ACCEPTANCE:
        accepted = Acceptance.of(signed.statement)
        holder = _holder(signed, (Role.PROMOTER,), accepted.at, trusted)
        found.acceptances.append(Claim(bundle=digest, holder=holder, at=accepted.at, says=accepted))
    else:
        rebuilt = Rebuild.of(signed.statement)
        holder = _holder(signed, (Role.REBUILDER,), rebuilt.finished, trusted)
        found.rebuilds.append(Claim(bundle=digest, holder=holder, at=rebuilt.finished, says=rebuilt))


def _verified(envelope: Envelope, trusted: Trusted) -> Verified:
    """Return what was signed, if it is by a key that counts, and about this release."""
    keyring = trusted.keyring
    if envelope.certified:
        signed = verify_certified(envelope, keyring.trust_root, keyring.identities)
    else:
        signed = verify(envelope, (*keyring.keys, *((trusted.local,) if trusted.local else ())))
    if signed.key not in (*keyring.keys, *keyring.identities):
        message = "signed by the key of this machine, which counts in stages of this machine alone"
        raise _NotCountedError(Gate.SIGNER_LOCAL, message)
    about = {each.digest for each in signed.statement.subjects}
    if about.isdisjoint(trusted.digests):
        named = ", ".join(each.short for each in sorted(about)[:3])
        message = f"the statement is about {named}, not about {trusted.digests[0].short}"
        raise RefusedEvidenceError(Refusal.SUBJECT_OTHER, message)
    return signed


def _origin(signed: Verified, trusted: Trusted) -> Origin:
    """Return who says to have built something, whether or not it may: whoever says so is no other than the builder."""
    about = frozenset(each.digest for each in signed.statement.subjects)
    at, person = trusted.now if signed.at is None else signed.at, trusted.keyring.person(signed.key)
    try:
        trusted.keyring.holder(signed.key, (Role.BUILDER,), at)
    except RefusedEvidenceError as error:
        # Provenance tells no time, so that of a key that has ended since may be from before, and that counts.
        if signed.at is not None or error.reason is not Refusal.KEY_EXPIRED:
            if error.reason is Refusal.KEY_REVOKED:  # whoever stole it speaks for nobody who has another key by now
                person = next(each.name for each in trusted.keyring.holders if each.key == signed.key)
            return Origin(person=person, about=about, problem=error.message.removesuffix(f" [{error.reason}]"))
    return Origin(person=person, about=about)


def _holder(signed: Verified, roles: tuple[Role, ...], at: int, trusted: Trusted) -> Holder:
    if at > trusted.now + TOLERANCE:
        message = f"signed {print_time(at)}, and it is {print_time(trusted.now)} here: one of two clocks is wrong"
        raise _NotCountedError(Gate.CLOCK_AHEAD, message)
    if signed.until is not None and at > signed.until + TOLERANCE:
        # Whoever was the identity for a moment could leave statements for later, which no age would keep out.
        message = f"says that it is of {print_time(at)}, and its certificate ended {print_time(signed.until)}"
        raise _NotCountedError(Gate.CLOCK_AHEAD, message)
    return trusted.keyring.holder(signed.key, roles, at if signed.at is None else signed.at)
