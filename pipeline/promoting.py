"""``promote``: a release enters a stage: gate, move, the suite asked again, signed, and the tag last."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pipeline.asked_again import Answer, Earlier, Ground, ask_again
from pipeline.attesting import attest_result, attest_statement
from pipeline.build.unpacked import trees_of
from pipeline.changed import Before
from pipeline.declare.errors import KeysError, PromotionError
from pipeline.declare.keyring_file import Role
from pipeline.declare.stage_file import Trust
from pipeline.entering import Entry
from pipeline.gating import Grounds, linted
from pipeline.preparation import Options, Tell
from pipeline.release.acceptance import Acceptance, AcceptedHost, AcceptedImage
from pipeline.release.attest import Statement
from pipeline.release.bundle import parse_bundle
from pipeline.release.gate import Approval, Decision
from pipeline.release.gate_refusal import GateRefusal
from pipeline.release.journal import Intent, Journal
from pipeline.release.keyring import Keyring, Roots
from pipeline.release.move import Moved, move
from pipeline.release.portability import Portability
from pipeline.release.refusal import RefusedEvidenceError
from pipeline.release.signing import AnySigner
from pipeline.release.stage_store import StageStore
from pipeline.release.suite_artifact import Signed, bring_suite, find_question, read_record
from pipeline.release.suite_question import SuiteQuestion
from pipeline.release.verdicts import PORTABILITY
from pipeline.verify.judge import worst
from pipeline.verify.verdict import HostResult, VerdictWord
from runtime.digest import Digest
from runtime.oci.copy import copy_image
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.platform import own_architecture

EMPTY_KEYRING = Keyring(version=1, expires=0, roots=Roots(threshold=1, keys=()))
"""Of nobody."""


class Ending(StrEnum):
    """What became of a promotion."""

    PROMOTED = "PROMOTED"
    ALREADY = "ALREADY"
    """The stage has the release, by the policy that it has now, and with all of its evidence."""
    REFUSED = "REFUSED"
    """The gate stayed shut."""
    CHANGED = "CHANGED"
    """It behaves in another way than was signed before."""
    FAILED = "FAILED"
    """It does not PASS on a host that nobody tried before."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """A host could not be tried here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a promotion is made.

    Args:
        signer: of what was found, and of the acceptance.
        options: of the runs.
        journal: where it is written down.
        clock: gives the seconds since 1970.
        tell: is told what happens.
        version: of this program; empty where it is not installed.
        takes_over: whether a promotion that another machine began and did not end is passed over.
    """

    signer: AnySigner
    options: Options
    journal: Journal
    clock: Callable[[], int]
    tell: Tell
    version: str
    takes_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What became of a promotion.

    Args:
        ending: in a word.
        entry: what was to enter.
        decision: of the gate.
        moved: what was moved; None where nothing was.
        answers: what the suite showed, for each image that was asked.
        unasked: the architectures of images that were not: this machine runs programs of another one.
        acceptance: what was signed; None where nothing was.
    """

    ending: Ending
    entry: Entry
    decision: Decision
    moved: Moved | None = None
    answers: tuple[Answer, ...] = ()
    unasked: tuple[str, ...] = ()
    acceptance: Acceptance | None = None


class _EndedError(Exception):
    """A promotion ends before its tag; the journal notes why."""

    def __init__(self, promoted: Promoted, why: str) -> None:
        super().__init__(why)
        self.promoted = promoted


def promote(entry: Entry, place: Grounds, wish: Wish) -> Promoted:
    """Let a release enter a stage, or say why not. The tag moves last: until then the stage has what it had.

    Args:
        entry: what enters where; of a rollback nothing is moved, and nothing is asked again that stood there before.
        place: where everything is looked up.
        wish: how.

    Raises:
        RefusedEvidenceError: the signer may not sign it.
        PromotionError: another promotion is under way, or the target gives back something else than was put.
        StoreError, FetchError: a store cannot be read or written.
        environment.Interrupted: a signal arrived.
    """
    _check_signer(entry, place, wish)
    stage = place.stages.stage(entry.policy.stage)
    if not entry.is_back and entry.is_done(place, stage, wish.clock()):
        wish.journal.settle(entry.target, stage.name, entry.app)  # one that was killed after its tag
        return Promoted(ending=Ending.ALREADY, entry=entry, decision=Decision())
    now = wish.clock()
    found = dict(linted(entry.policy, entry.released, entry.source, entry.app, now))
    decision = entry.decide(place, now, found)
    begun = Promoted(ending=Ending.REFUSED, entry=entry, decision=decision)
    if decision.accepted is None:
        return begun
    release = entry.released.digest
    try:
        least = entry.last_number(place, stage)
        with wish.journal.begin(
            entry.target, stage.name, entry.app, release, least=least, take_over=wish.takes_over
        ) as intent:
            intent.step("move")
            begun = replace(begun, moved=None if entry.is_back else move(entry.source, entry.target, release))
            intent.step("ask")
            begun = _judged(_ask_all(begun, decision.accepted, place, wish))
            intent.step("sign")
            acceptance = _accept(begun, decision.accepted, intent, wish)
            intent.make_live(entry.descriptor)
            return replace(begun, ending=Ending.PROMOTED, acceptance=acceptance)
    except _EndedError as ended:
        return ended.promoted


def _check_signer(entry: Entry, place: Grounds, wish: Wish) -> None:
    """Do nothing if the acceptance would count; otherwise it would be found only at the next stage.

    Raises:
        RefusedEvidenceError: the keyring does not let the key sign it.
        KeysError: the stage trusts another key.
    """
    key = wish.signer.public
    if entry.policy.trust is Trust.KEYRING:
        (place.keyring or EMPTY_KEYRING).holder(key, (Role.PROMOTER,), wish.clock())
    elif key != place.local:
        raise KeysError(
            f"{entry.policy.stage} trusts the key of this machine alone, and {key.id} is another one",
            hint="leave out --key and SEATRIAL_KEY, or write `trust: keyring` into the stage",
        )


def _judged(begun: Promoted) -> Promoted:
    """Return a promotion whose suite showed nothing that ends it."""
    changes = [change for answer in begun.answers for change in answer.changes]
    if changes:
        raise _EndedError(replace(begun, ending=Ending.CHANGED), f"{changes[0].host} behaves in another way")
    verdict = worst([VerdictWord.PASSED, *(answer.result.verdict for answer in begun.answers)])
    if verdict is not VerdictWord.PASSED:
        raise _EndedError(replace(begun, ending=Ending(verdict.value)), f"the suite is {verdict.value}")
    return begun


def _ask_all(begun: Promoted, approval: Approval, place: Grounds, wish: Wish) -> Promoted:
    """Ask the suite of each image again that this machine can run as it is; of a single one in any case.

    Of what stood in the stage before nothing is asked: it is known.
    """
    entry = begun.entry
    if entry.is_back:
        return begun
    said = _statements(entry.bundles, approval)
    own = [each for each in approval.images if each.architecture == own_architecture()]
    asked = own or approval.images[:1]
    try:
        return replace(
            begun,
            answers=tuple(_ask(each, said, entry, place, wish) for each in asked),
            unasked=tuple(each.architecture for each in approval.images if each not in asked),
        )
    except RefusedEvidenceError as error:
        what = error.message.removesuffix(f" [{error.reason}]")
        refusal = GateRefusal(code=str(error.reason), what=what, who=error.hint)
        raise _EndedError(replace(begun, decision=Decision(refusals=(refusal,))), error.message) from error


def _ask(image: AcceptedImage, said: Sequence[Portability], entry: Entry, place: Grounds, wish: Wish) -> Answer:
    own = [each for each in said if each.image == image.digest]
    known = next((each.question for each in own if each.question), None)
    signed = Signed(image=image.digest, question=known, suite=image.suite, normalization=image.normalization)
    question = find_question(signed, entry.target)
    ground = _ground(question, entry.target, wish.options.store)
    hosts = [place.hosts.host(each.name) for each in entry.policy.hosts]
    return ask_again(
        question,
        [each for each in hosts if each.name != question.inquiry.reference.name],
        _earlier(image, own, question, entry.target),
        ground,
        options=wish.options,
        tell=wish.tell,
        now=wish.clock(),
    )


def _statements(bundles: Iterable[bytes], approval: Approval) -> tuple[Portability, ...]:
    """Return what the gate counted on of how images behaved, newest first. It has verified the bundles."""
    counted = [parse_bundle(each) for each in bundles if Digest.of(each) in approval.inputs]
    found = [Statement.parse(each.payload) for each in counted]
    said = [Portability.of(each) for each in found if each.predicate_type == PORTABILITY]
    return tuple(sorted(said, key=lambda each: -each.at))


def _earlier(image: AcceptedImage, said: Sequence[Portability], question: SuiteQuestion, store: StageStore) -> Earlier:
    """Return what was signed of each host, with the facts of the machine where it ran last."""
    hosts = {each.digest: _before(each.digest, each.behavior, said) for each in image.hosts}
    reference = question.inquiry.reference.digest
    if reference not in hosts:  # a spec may have a reference of its own, which no policy names
        behavior = next(found for each in said if (found := each.behavior) is not None)
        hosts[reference] = _before(reference, behavior, said)
    return Earlier(reference=hosts[reference], hosts=hosts, record=lambda digest: read_record(digest, store))


def _before(host: Digest, behavior: Digest, said: Sequence[Portability]) -> Before:
    words = ((word.ambient, each.at) for each in said for word in each.hosts if word.digest == host)
    ambient, at = next(words, ({}, said[0].at))
    return Before(behavior=behavior, ambient=ambient, at=at)


def _ground(question: SuiteQuestion, store: StageStore, data: Path) -> Ground:
    """Return where the stage's own copy is run: its layout, or this machine's, which takes it out of the registry."""
    layout = Layout(store.folder or data / "oci")
    if store.folder is None:
        copy_image(question.inquiry.image, store, layout)
    bring_suite(question, store, layout)
    trees = trees_of(data, layout)
    return Ground(layers=lambda manifest: trees.paths(Image.open(layout, manifest).layers), layout=layout)


def _accept(begun: Promoted, approval: Approval, intent: Intent, wish: Wish) -> Acceptance:
    """Sign what was found, and that the stage takes the release; both lie beside it in the stage then."""
    entry, at = begun.entry, wish.clock()
    inputs = set(approval.inputs)
    for answer in begun.answers:
        inputs.update(attest_result(answer.result, entry.target, wish.signer, version=wish.version, at=at)[-1:])
    age = entry.policy.max_age
    acceptance = Acceptance(
        stage=entry.policy.stage,
        app=entry.app,
        store=entry.target.place,
        release=entry.released.digest,
        images=_images(approval, begun.answers),
        number=intent.number,
        previous=intent.previous,
        policy=entry.policy.digest,
        inputs=tuple(sorted(inputs)),
        at=at,
        expires=None if age is None else at + age // 1000,
        version=wish.version,
    )
    attest_statement(acceptance.statement(), acceptance.release, entry.target, wish.signer, at)
    return acceptance


def _images(approval: Approval, answers: Sequence[Answer]) -> tuple[AcceptedImage, ...]:
    """Return the images with the hosts that were asked now; with those of the evidence where none were."""
    hosts = {each.result.image: tuple(_host(host) for host in each.result.hosts) for each in answers}
    return tuple(replace(each, hosts=hosts.get(each.digest, each.hosts)) for each in approval.images)


def _host(result: HostResult) -> AcceptedHost:
    if result.behavior is None:
        raise PromotionError(f"nothing ran on {result.name}, and it is PASSED")
    return AcceptedHost(name=result.name, digest=result.digest, behavior=result.behavior)
