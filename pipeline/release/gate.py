"""``judge``: whether a release may enter a stage, by what is signed beside it and nothing else.

It is a pure function, offline, and asks for positive evidence: that something is missing never speaks for a release,
since whoever may write beside an image may delete what speaks against it. All reasons are told at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pipeline.declare.keyring_file import Role
from pipeline.declare.stage_file import Trust
from pipeline.release.acceptance import Acceptance, AcceptedHost, AcceptedImage
from pipeline.release.checks import lint, rebuilds
from pipeline.release.checks.asked import Asked, Pinned
from pipeline.release.checks.hosts import judge_hosts
from pipeline.release.checks.lint import Findings
from pipeline.release.checks.rebuilds import Builders
from pipeline.release.checks.release import offered_images, release_refusals
from pipeline.release.checks.stage_before import Came, Entry, Standing, judge_entry
from pipeline.release.checks.trust import question_refusals
from pipeline.release.gate_evidence import Claim, Evidence, Rejected, Trusted, read_evidence
from pipeline.release.gate_refusal import Gate, GateRefusal, Suppliers
from pipeline.release.keyring import Holder, Keyring, Roots
from pipeline.release.policy import Policy
from pipeline.release.portability import Portability
from pipeline.release.public_key import PublicKey
from pipeline.release.rebuild import Rebuild
from pipeline.release.released import Released
from runtime.digest import Digest
from runtime.oci.descriptor import Descriptor

_NO_END = 253_402_300_799
"""The last second of the year 9999: of a key that nobody renews."""

_MOST_REJECTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this release enter this stage now?

    Args:
        policy: of the stage.
        app: the app's name.
        released: the release, as its store has it.
        now: seconds since 1970.
        keyring: whose signatures count, already found to be signed by its roots; None for none. Where this machine's
            key is the only one that counts, what the keyring revokes counts for nothing all the same.
        local: this machine's key; None where it has none.
        standing: the stage that it comes from; None where it comes from no stage.
        is_back: whether it stood in the stage itself before and comes back: a rollback.
        lint: image → what lint found in it; what is not there, nobody has looked at.
    """

    policy: Policy
    app: str
    released: Released
    now: int
    keyring: Keyring | None = None
    local: PublicKey | None = None
    standing: Standing | None = None
    is_back: bool = False
    lint: Mapping[Digest, Findings] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What an acceptance may say.

    Args:
        images: those of the release that were asked about.
        inputs: the digests of the bundles that it rests on, sorted.
        came: the acceptance of the stage that it comes from; None where it comes from no stage.
    """

    images: tuple[AcceptedImage, ...]
    inputs: tuple[Digest, ...]
    came: Acceptance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a gate decides.

    Args:
        accepted: None where the gate stays shut.
        refusals: why it does, all of it; empty where it opens.
        rejected: the bundles beside the release that do not count.
    """

    accepted: Approval | None = None
    refusals: tuple[GateRefusal, ...] = ()
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """What became of one image."""

    accepted: AcceptedImage | None
    inputs: tuple[Digest, ...]
    refusals: tuple[GateRefusal, ...]


def judge(question: Question, bundles: Iterable[bytes]) -> Decision:
    """Decide whether a release may enter a stage.

    Args:
        question: what is asked.
        bundles: whatever lies beside the release and its images.
    """
    policy, keyring = question.policy, counting(question.policy, question.keyring, question.local)
    suppliers = _suppliers(question, keyring)
    evidence = read_evidence(bundles, _trusted(question, keyring))
    came = _came(question, evidence, suppliers)
    images = tuple(_images(question, came, evidence, suppliers))
    refusals = (
        *question_refusals(policy, question.keyring, question.local, question.now),
        *release_refusals(policy, question.released, keyring),
        *came.refusals,
        *(refusal for each in images for refusal in each.refusals),
    )
    rejected, accepted = tuple(evidence.rejected), tuple(each.accepted for each in images if each.accepted)
    if refusals or not accepted or len(accepted) != len(images):
        return Decision(refusals=tuple(dict.fromkeys((*refusals, *_of_rejected(rejected)))), rejected=rejected)
    inputs = {bundle for each in images for bundle in each.inputs}
    entered = () if came.acceptance is None else (came.acceptance.bundle,)
    approval = Approval(
        images=accepted,
        inputs=tuple(sorted(inputs.union(entered))),
        came=came.acceptance.says if came.acceptance else None,
    )
    return Decision(accepted=approval, rejected=rejected)


def counting(policy: Policy, keyring: Keyring | None, local: PublicKey | None) -> Keyring:
    """Return whose signatures count in a stage: those of the keyring, or of this machine's key alone, in every role.

    Args:
        policy: of the stage.
        keyring: the project's, already found to be signed by its roots; None for none. What it revokes counts nowhere.
        local: this machine's key; None where it has none.
    """
    given = keyring or Keyring(version=1, expires=0, roots=Roots(threshold=1, keys=()))
    if policy.trust is Trust.KEYRING:
        return given
    own = () if local is None else (local,)
    holders = tuple(Holder(name="this machine", key=key, roles=frozenset(Role), since=0, until=_NO_END) for key in own)
    return Keyring(version=1, expires=_NO_END, roots=given.roots, holders=holders, revoked=given.revoked)


def _images(question: Question, came: Came, evidence: Evidence, suppliers: Suppliers) -> Iterator[_Image]:
    """Yield what becomes of each image that is asked about."""
    for image in offered_images(question.policy, question.released):
        before = came.acceptance.says.image(image.digest) if came.acceptance else None
        claims = [each for each in evidence.verdicts if each.says.image == image.digest]
        asked = Asked(
            policy=question.policy,
            image=image,
            pinned=Pinned.by(before, claims),
            now=question.now,
            suppliers=suppliers,
        )
        builders = Builders.of(evidence.origins, image.digest, question.released.digest)
        yield _judged(asked, claims, evidence.rebuilds, builders, question.lint.get(image.digest))


def _suppliers(question: Question, keyring: Keyring) -> Suppliers:
    policy = question.policy
    return Suppliers(app=question.app, stage=policy.stage, roles=policy.roles, keyring=keyring, now=question.now)


def _trusted(question: Question, keyring: Keyring) -> Trusted:
    return Trusted(
        keyring=keyring,
        digests=question.released.digests,
        roles=question.policy.roles,
        local=question.local if question.policy.trust is Trust.KEYRING else None,
        now=question.now,
    )


def _came(question: Question, evidence: Evidence, suppliers: Suppliers) -> Came:
    """Return the acceptance of the stage that the release comes from; nothing where it comes from no stage."""
    policy, standing = question.policy, question.standing
    wanted = policy.stage if question.is_back else policy.after
    if wanted is None:
        return Came(acceptance=None, refusals=())
    if standing is None or standing.stage != wanted:
        what = f"only what stands in {wanted} may enter {policy.stage}"
        return Came(acceptance=None, refusals=(suppliers.promoted(Gate.STAGE_BEFORE, what, wanted),))
    entry = Entry(
        policy=policy,
        app=question.app,
        released=question.released,
        standing=standing,
        is_back=question.is_back,
        now=question.now,
        suppliers=suppliers,
    )
    return judge_entry(evidence.acceptances, entry)


def _judged(
    asked: Asked,
    claims: Sequence[Claim[Portability]],
    rebuilt: Sequence[Claim[Rebuild]],
    builders: Builders,
    found: Findings | None,
) -> _Image:
    hosts = tuple(judge_hosts(claims, asked))
    refusals = (
        *(refusal for each in hosts for refusal in each.refusals),
        *rebuilds.refusals_of(rebuilt, asked, builders),
        *lint.refusals_of(found, asked),
    )
    inputs = {bundle for each in hosts for bundle in each.inputs}
    inputs |= set(rebuilds.inputs(rebuilt, asked, builders))
    return _Image(
        accepted=None if refusals else _accepted(asked, tuple(each.host for each in hosts if each.host)),
        inputs=tuple(inputs),
        refusals=tuple(dict.fromkeys(refusals)),
    )


def _accepted(asked: Asked, hosts: tuple[AcceptedHost, ...]) -> AcceptedImage | None:
    image, pinned = asked.image, asked.pinned
    if pinned.suite is None or pinned.normalization is None:
        return None  # nothing ran, and that is refused for each host
    return AcceptedImage(
        digest=image.digest,
        architecture=image.architecture,
        config=Descriptor.parse(image.manifest.get("config"), f"config of {image.digest}").digest,
        layers=tuple(each.descriptor.digest for each in image.layers),
        diff_ids=image.diff_ids,
        suite=pinned.suite,
        normalization=pinned.normalization,
        hosts=hosts,
    )


def _of_rejected(rejected: Sequence[Rejected]) -> Iterator[GateRefusal]:
    """Yield why bundles do not count, where something is missing: one of them may have been meant to supply it."""
    for each in rejected[:_MOST_REJECTED]:
        what = f"a bundle beside the release ({each.bundle.short}) does not count: {each.message}"
        yield GateRefusal(code=each.code, what=what, who="whoever put it there can sign it anew, as one who may")
