"""``ask_gate``: find a release and what lies beside it, and ask the gate of a stage about it. Nothing runs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.declare.errors import SpecError
from pipeline.declare.hosts import Catalogue
from pipeline.declare.stage_catalogue import StageCatalogue
from pipeline.declare.stage_file import LintDemand, StageFile
from pipeline.release.acceptance import Acceptance
from pipeline.release.checks.lint import Findings
from pipeline.release.checks.stage_before import Standing
from pipeline.release.evidence import find_evidence
from pipeline.release.gate import Decision, Question, counting, judge
from pipeline.release.gate_evidence import Claim, Evidence, Trusted, read_evidence
from pipeline.release.keyring import Keyring
from pipeline.release.policy import Policy
from pipeline.release.public_key import PublicKey
from pipeline.release.released import Released, verified_name
from pipeline.release.reservation import find_reservation
from pipeline.release.stage_store import StageStore, open_stage_store
from pipeline.release.stage_tags import LIVE
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.attached import Attachable, AttachedLayout
from runtime.oci.document import DOCUMENT_LIMIT
from runtime.oci.layout import Layout
from runtime.oci.reference import Reference, find_listed, listed_images, parse_reference
from runtime.oci.remote import Remote, is_remote, parse_remote

if TYPE_CHECKING:  # stages of this machine load no registry
    from pipeline.registry.http import Connections

_NO_END = 253_402_300_799
"""The last second of the year 9999: what was signed at whatever time is told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Where a gate looks up what it asks.

    Args:
        stages: the stages.
        hosts: the hosts that policies name.
        store: the folder of this machine's own store.
        connections: reach registries.
        keyring: whose signatures count; None for none.
        local: this machine's key; None where it has none.
    """

    stages: StageCatalogue
    hosts: Catalogue
    store: Path
    connections: "Connections"
    keyring: Keyring | None
    local: PublicKey | None

    def open(self, stage: StageFile, app: str, *, make: bool = False) -> StageStore:
        """Return where a stage has the images of an app; see ``open_stage_store``."""
        return open_stage_store(stage, app, self.store, connections=self.connections, make=make)

    def policy(self, stage: StageFile) -> Policy:
        """Return what a stage demands; see ``Policy.of``."""
        return Policy.of(stage, self.hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a gate was asked, and what it decided.

    Args:
        question: what it was asked.
        place: where the release was found.
        decision: what it decided.
    """

    question: Question
    place: str
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A release: its digest, what has it, and how that is called."""

    digest: Digest
    source: Attachable
    place: str


def ask_gate(name: str, stage: str, grounds: Grounds, *, app: str = "", now: int) -> Asked:
    """Ask the gate of a stage about a release.

    Args:
        name: of an app, whose live release in the stage before is meant, or at the first stage what was built here
            last; or a reference: ``oci:DIR…``, ``sha256:…`` of this machine's store, or one of a registry.
        stage: the name of the stage.
        grounds: where everything is looked up.
        app: its name; empty where ``name`` says it.
        now: seconds since 1970.

    Raises:
        SpecError, SpecFaults, HostError: a stage or a host of its policy is wrong, or nobody says which app it is.
        StoreError, FetchError: there is no such release, or it cannot be read.
        ImageError, DigestError, RefusedError: what is there is none.
    """
    *before, wanted = grounds.stages.way(stage)
    policy, known = grounds.policy(wanted), app or _app_of(name)
    if before and not known:
        raise SpecError(f"nobody says of which app {name} is", hint="add `--app NAME`, the name of its spec")
    standing, store = standing_of(known, before[-1], grounds) if before else (None, None)
    found = _find(name, grounds, standing, store)
    released = Released.open(found.source, found.digest, wanted.platforms)
    question = Question(
        policy=policy,
        app=known or name,
        released=released,
        now=now,
        keyring=grounds.keyring,
        local=grounds.local,
        standing=standing,
        lint=dict(linted(policy, released, found.source, found.place, now)),
    )
    decision = judge(question, bundles_of(released.digests, found.source))
    return Asked(question=question, place=found.place, decision=decision)


def _app_of(name: str) -> str:
    """Return which app a name means: itself, a repository's last part, a layout's name; empty where it says none."""
    if is_remote(name):
        return parse_remote(name).repository.rpartition("/")[2]
    return parse_reference(name).name


def standing_of(app: str, stage: StageFile, grounds: Grounds) -> tuple[Standing, StageStore]:
    """Return what stands in a stage, and the store that has it.

    Raises:
        SpecError, SpecFaults, HostError: the stage's store or a host of its policy is wrong.
        StoreError, FetchError, RefusedError: the store cannot be read, or its record of promotions is malformed.
    """
    store = grounds.open(stage, app)
    tagged = store.tagged(LIVE)
    live = tagged.digest if tagged else None
    standing = Standing(
        stage=stage.name,
        store=store.place,
        policy=grounds.policy(stage).digest,
        live=live,
        number=_highest(live, stage, store, grounds),
    )
    return standing, store


def evidence_of(digests: tuple[Digest, ...], stage: StageFile, store: Attachable, grounds: Grounds) -> Evidence:
    """Return what is signed about images in a stage by those who may, whenever that was."""
    policy = grounds.policy(stage)
    trusted = Trusted(
        keyring=counting(policy, grounds.keyring, grounds.local),
        digests=digests,
        roles=policy.roles,
        local=None,
        now=_NO_END,
    )
    return read_evidence(bundles_of(digests, store), trusted)


def newest(found: Evidence, stage: StageFile, store: StageStore) -> Claim[Acceptance] | None:
    """Return the newest word that a stage took a release; None where there is none."""
    ours = [each for each in found.acceptances if (each.says.stage, each.says.store) == (stage.name, store.place)]
    return max(ours, key=lambda each: (each.says.number, each.at), default=None)


def _highest(live: Digest | None, stage: StageFile, store: StageStore, grounds: Grounds) -> int:
    """Return the number of the newest promotion, where the stage has taken it and something else is live.

    So it is where somebody has moved the tag back. The record of the newest promotion is signed by nobody, so the
    acceptance of what it names has the word.
    """
    found = find_reservation(store)
    release = found[0].release if found else None
    if release is None or release == live or not store.has(release):
        return 0
    claim = newest(evidence_of((release,), stage, store, grounds), stage, store)
    return claim.says.number if claim else 0


def _find(name: str, grounds: Grounds, standing: Standing | None, store: StageStore | None) -> _Found:
    if is_remote(name):
        return _in_registry(parse_remote(name), grounds)
    reference = parse_reference(name)
    if reference.layout is not None:
        layout = Layout.existing(reference.layout)
        return _Found(
            digest=find_listed(reference, layout).digest, source=AttachedLayout(layout), place=str(layout.root)
        )
    if standing is None or store is None or reference.digest is not None:
        return _own(reference, grounds)
    if standing.live is None:
        hint = f"`seatrial promote {name} --to {standing.stage}` comes before"
        raise StoreError(f"the stage {standing.stage} has no release of {name}", hint=hint)
    return _Found(digest=standing.live, source=store, place=standing.store)


def _own(reference: Reference, grounds: Grounds) -> _Found:
    root = grounds.store / "oci"
    if not (root / "oci-layout").is_file():
        raise StoreError(f"there is no image {reference.text}: nothing was built here", hint="`seatrial verify` builds")
    layout = Layout.existing(root)
    digest = verified_release(reference.name, layout) or find_listed(reference, layout).digest
    return _Found(digest=digest, source=AttachedLayout(layout), place="this machine's store")


def _in_registry(remote: Remote, grounds: Grounds) -> _Found:
    from pipeline.release.registry_stage import RegistryStage  # noqa: PLC0415 - few releases are named so

    store = RegistryStage(remote, grounds.connections)
    tagged = None if remote.digest else store.tagged(remote.tag)
    digest = remote.digest or (tagged.digest if tagged else None)
    if digest is None:
        raise StoreError(f"{remote.host} has no image {remote.repository}:{remote.tag}")
    return _Found(digest=digest, source=store, place=store.place)


def verified_release(app: str, layout: Layout) -> Digest | None:
    """Return what was verified last as an app: an index that has that image, or the image; None where nothing was."""
    image = layout.resolve(verified_name(app)) if app else None
    index = layout.resolve(f"{app}/index") if image else None
    if image is None or index is None:
        return image.digest if image else None
    listed = listed_images(layout.read(index.digest, DOCUMENT_LIMIT), index.digest)
    return index.digest if image.digest in {each.digest for each in listed} else image.digest


def linted(
    policy: Policy, released: Released, source: Attachable, name: str, now: int
) -> Iterator[tuple[Digest, Findings]]:
    """Yield what lint finds in each image, where the stage asks for that: every layer is read then."""
    if policy.lint is LintDemand.NONE:
        return
    from pipeline.lint.lint import lint  # noqa: PLC0415 - few stages ask for it
    from pipeline.lint.rule import Severity  # noqa: PLC0415 - likewise

    for each in released.images:
        seen = lint(source, name, each.image.digest, now=now)
        counts = Findings(errors=seen.count(Severity.ERROR), warnings=seen.count(Severity.WARNING))
        yield each.image.digest, counts


def bundles_of(digests: Iterable[Digest], source: Attachable) -> Iterator[bytes]:
    """Yield the bundles that lie beside some images."""
    for digest in digests:
        yield from (each.bundle for each in find_evidence(digest, source) if each.bundle)
