"""``Entry``: a release on its way into a stage: where it comes from, where it goes, and what is demanded of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.declare.errors import PromotionError
from pipeline.declare.stage_file import StageFile
from pipeline.gating import Grounds, bundles_of, evidence_of, newest, standing_of, verified_release
from pipeline.release.checks.lint import Findings
from pipeline.release.checks.stage_before import Standing
from pipeline.release.gate import Decision, Question, judge
from pipeline.release.policy import Policy
from pipeline.release.released import Released
from pipeline.release.stage_store import StageStore
from pipeline.release.stage_tags import LIVE
from runtime.digest import Digest
from runtime.oci.attached import Attachable, AttachedLayout
from runtime.oci.descriptor import INDEX, MANIFEST, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, parse_document
from runtime.oci.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A release on its way into a stage.

    Args:
        app: the app's name.
        policy: what the stage demands.
        released: the release, as its source has it.
        descriptor: of its manifest or index.
        source: has it, with its evidence.
        target: of the stage.
        live: what the stage has now; None for nothing.
        standing: the stage that it comes from; None where it comes from this machine's own store.
        is_back: whether it stood in the stage before: a rollback.
        bundles: whatever lies beside it.
    """

    app: str
    policy: Policy
    released: Released
    descriptor: Descriptor
    source: Attachable
    target: StageStore
    live: Digest | None
    standing: Standing | None
    is_back: bool
    bundles: tuple[bytes, ...] = field(repr=False)

    def is_done(self, place: Grounds, stage: StageFile, now: int) -> bool:
        """Tell whether the stage has the release already, by the policy that it has now, with all evidence there is."""
        if self.live != self.released.digest:
            return False
        there = set(bundles_of(self.released.digests, self.target))
        claim = newest(evidence_of(self.released.digests, stage, self.target, place), stage, self.target)
        if claim is None or not there.issuperset(self.bundles):
            return False
        is_valid = claim.says.expires is None or now < claim.says.expires
        return is_valid and (claim.says.release, claim.says.policy) == (self.live, self.policy.digest)

    def last_number(self, place: Grounds, stage: StageFile) -> int:
        """Return the number by which the stage took what it has; 0 where nobody who may says so.

        It keeps numbers rising where both the record in the store and the journal of this machine are gone.
        """
        if self.live is None:
            return 0
        claim = newest(evidence_of((self.live,), stage, self.target, place), stage, self.target)
        return claim.says.number if claim else 0

    def decide(self, place: Grounds, now: int, lint: Mapping[Digest, Findings]) -> Decision:
        """Ask the gate."""
        question = Question(
            policy=self.policy,
            app=self.app,
            released=self.released,
            now=now,
            keyring=place.keyring,
            local=place.local,
            standing=self.standing,
            is_back=self.is_back,
            lint=lint,
        )
        return judge(question, self.bundles)


def enter(app: str, stage: str, place: Grounds) -> Entry:
    """Return the release that may enter a stage next: what the stage before has live, or what was verified last here.

    Raises:
        SpecError, SpecFaults, HostError: a stage or a host of its policy is wrong.
        PromotionError: there is nothing to promote.
        StoreError, FetchError: a store cannot be read.
    """
    *before, wanted = place.stages.way(stage)
    target = place.open(wanted, app, make=True)
    if not before:
        layout = Layout(place.store / "oci")
        verified = verified_release(app, layout)
        if verified is None:
            raise PromotionError(f"nothing was verified here as {app}", hint=f"run `seatrial verify {app}`")
        return _entry(app, wanted, place, verified, source=AttachedLayout(layout), target=target)
    last = before[-1]
    standing, store = standing_of(app, last, place)
    if standing.live is None:
        raise PromotionError(
            f"{last.name} has no release of {app} that could enter {stage}",
            hint=f"`seatrial promote {app} --to {last.name}` comes before",
        )
    return _entry(app, wanted, place, standing.live, source=store, target=target, standing=standing)


def come_back(app: str, stage: str, release: Digest | None, place: Grounds) -> Entry:
    """Return an earlier release of a stage on its way back: a named one, or the one that was live before.

    Raises:
        SpecError, SpecFaults, HostError: the stage or a host of its policy is wrong.
        PromotionError: there is no such release.
        StoreError, FetchError: the store cannot be read.
    """
    wanted = place.stages.stage(stage)
    target = place.open(wanted, app)
    live = _live(target)
    if live is None:
        raise PromotionError(f"{stage} has no release of {app}, so none can come back")
    chosen = release or _before(live, wanted, target, place)
    if not target.has(chosen):
        raise PromotionError(f"{stage} has no release {chosen} of {app}", hint="`seatrial status` names them")
    standing = Standing(stage=stage, store=target.place, policy=None, live=live)
    return _entry(app, wanted, place, chosen, source=target, target=target, standing=standing, is_back=True)


def _entry(
    app: str,
    stage: StageFile,
    place: Grounds,
    release: Digest,
    *,
    source: Attachable,
    target: StageStore,
    standing: Standing | None = None,
    is_back: bool = False,
) -> Entry:
    released = Released.open(source, release, stage.platforms)
    raw = source.read(release, DOCUMENT_LIMIT)
    kind = parse_document(raw, f"manifest {release}").get("mediaType", INDEX if released.is_index else MANIFEST)
    return Entry(
        app=app,
        policy=place.policy(stage),
        released=released,
        descriptor=Descriptor(media_type=str(kind), digest=release, size=len(raw)),
        source=source,
        target=target,
        live=_live(target),
        standing=standing,
        is_back=is_back,
        bundles=tuple(bundles_of(released.digests, source)),
    )


def _live(store: StageStore) -> Digest | None:
    found = store.tagged(LIVE)
    return found.digest if found else None


def _before(live: Digest, stage: StageFile, store: StageStore, place: Grounds) -> Digest:
    """Return what was live before a release; where that entered twice in a row, before it did first."""
    said = [each.says for each in evidence_of((live,), stage, store, place).acceptances]
    ours = [each for each in said if (each.stage, each.store) == (stage.name, store.place)]
    for each in sorted(ours, key=lambda each: -each.number):
        if each.previous is not None and each.previous != live:
            return each.previous
    raise PromotionError(
        f"nothing says what {stage.name} had before {live.short}",
        hint="name a release: `--to sha256:…`",
    )
