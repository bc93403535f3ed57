"""A release enters from the stage before, which has taken it by its own policy, and in which it stands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.release.acceptance import Acceptance
from pipeline.release.gate_evidence import Claim
from pipeline.release.gate_refusal import Gate, GateRefusal, Suppliers
from pipeline.release.keyring import print_time
from pipeline.release.policy import Policy
from pipeline.release.released import Released
from runtime.digest import Digest
from runtime.oci.descriptor import Descriptor
from runtime.oci.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The stage that a release comes from: the one before, or of a rollback the stage itself.

    Args:
        stage: its name.
        store: where it has the app's images, as acceptances say it.
        policy: the digest of what it demands now; None where that is not asked: what once entered may come back.
        live: the release that stands there, as its store shows it; None where none does.
        number: the highest that was seen there; 0 for none.
    """

    stage: str
    store: str
    policy: Digest | None
    live: Digest | None
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is asked of an acceptance.

    Args:
        policy: of the stage that the release is to enter.
        app: the app's name.
        released: the release.
        standing: where it comes from.
        is_back: whether it stood in the stage itself before, and comes back.
        now: seconds since 1970.
        suppliers: who could supply what is missing.
    """

    policy: Policy
    app: str
    released: Released
    standing: Standing
    is_back: bool
    now: int
    suppliers: Suppliers


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What became of it.

    Args:
        acceptance: that counts; None where none does.
        refusals: why the gate stays shut.
    """

    acceptance: Claim[Acceptance] | None
    refusals: tuple[GateRefusal, ...]


def judge_entry(claims: Sequence[Claim[Acceptance]], entry: Entry) -> Came:
    """Return the acceptance by which a release may enter, the one with the highest number that is in order.

    Args:
        claims: the acceptances that are signed by those who may.
        entry: what is asked of them.
    """
    refusals: list[GateRefusal] = []
    if not entry.is_back and entry.standing.live != entry.released.digest:
        live = entry.standing.live.short if entry.standing.live else "nothing"
        what = f"{entry.standing.stage} has {live} live, not {entry.released.digest.short}"
        refusals.append(entry.suppliers.promoted(Gate.NOT_LIVE, what, entry.standing.stage))
    problems: list[GateRefusal] = []
    ours = [each for each in claims if each.says.stage == entry.standing.stage] or claims
    for claim in sorted(ours, key=lambda each: (-each.says.number, -each.at, each.bundle)):
        found = tuple(_refusals_of(claim, entry))
        if not found:
            return Came(acceptance=claim, refusals=(*refusals, *_soak(claim, entry)))
        problems += found
    if not problems:
        what = f"nobody who may says that {entry.standing.stage} took {entry.released.digest.short}"
        problems.append(entry.suppliers.promoted(Gate.ACCEPTANCE_MISSING, what, entry.standing.stage))
    return Came(acceptance=None, refusals=(*refusals, *problems))


def _refusals_of(claim: Claim[Acceptance], entry: Entry) -> Iterator[GateRefusal]:
    for code, check in CHECKS.items():
        problem = check(claim.says, entry)
        if problem:
            what = f"the acceptance of {claim.holder.name} ({claim.bundle.short}) does not count: {problem}"
            yield entry.suppliers.promoted(code, what, entry.standing.stage)


def _soak(claim: Claim[Acceptance], entry: Entry) -> Iterator[GateRefusal]:
    """Yield how long a release has to stand there yet: since it entered last, not since it did first."""
    wanted = 0 if entry.is_back else entry.policy.soak or 0
    left = claim.at * 1000 + wanted - entry.now * 1000
    if wanted and left > 0:
        what = f"it stands in {entry.standing.stage} since {print_time(claim.at)}, {-(-left // 1000)} s too short"
        yield GateRefusal(code=Gate.SOAK.value, what=what, who="time alone supplies that")


def _stage(says: Acceptance, entry: Entry) -> str:
    if says.stage != entry.standing.stage:
        return f"{says.stage} took the release, and {entry.standing.stage} had to"
    return ""


def _app(says: Acceptance, entry: Entry) -> str:
    if says.app != entry.app:
        return f"it was taken as {says.app!a}, and this is {entry.app!a}"
    return ""


def _store(says: Acceptance, entry: Entry) -> str:
    if says.store != entry.standing.store:
        return f"it was taken into {says.store}, and {entry.standing.stage} is in {entry.standing.store}"
    return ""


def _release(says: Acceptance, entry: Entry) -> str:
    if says.release != entry.released.digest:
        return f"what was taken is {says.release.short}, not {entry.released.digest.short}"
    return ""


def _images(says: Acceptance, entry: Entry) -> str:
    for architecture, images in entry.released.offered(entry.policy.platforms).items():
        for image in images:
            found = says.image(image.digest)
            if found is None or (found.config, found.layers, found.diff_ids) != _parts(image):
                return f"it does not tell of the image for linux/{architecture} as it is"
    return ""


def _policy(says: Acceptance, entry: Entry) -> str:
    wanted = entry.standing.policy
    if wanted is not None and says.policy != wanted:
        return f"it was taken by the policy {says.policy.short}, and {entry.standing.stage} has {wanted.short} now"
    return ""


def _number(says: Acceptance, entry: Entry) -> str:
    if not entry.is_back and says.number < entry.standing.number:
        return f"it has the number {says.number}, and {entry.standing.stage} was at {entry.standing.number} before"
    return ""


def _expiry(says: Acceptance, entry: Entry) -> str:
    if says.expires is not None and entry.now >= says.expires:
        return f"it counted until {print_time(says.expires)}"
    return ""


def _parts(image: Image) -> tuple[Digest, tuple[Digest, ...], tuple[Digest, ...]]:
    config = Descriptor.parse(image.manifest.get("config"), f"config of {image.digest}").digest
    return config, tuple(each.descriptor.digest for each in image.layers), image.diff_ids


CHECKS: Mapping[Gate, Callable[[Acceptance, Entry], str]] = MappingProxyType(
    {
        Gate.ACCEPTANCE_STAGE: _stage,
        Gate.ACCEPTANCE_APP: _app,
        Gate.ACCEPTANCE_STORE: _store,
        Gate.ACCEPTANCE_RELEASE: _release,
        Gate.ACCEPTANCE_IMAGE: _images,
        Gate.ACCEPTANCE_POLICY: _policy,
        Gate.ACCEPTANCE_NUMBER: _number,
        Gate.ACCEPTANCE_EXPIRED: _expiry,
    }
)
"""Code → the check, which returns what is wrong, or nothing."""
