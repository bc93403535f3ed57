"""How apps stand in their stages: what is live, by whose word, how old the evidence is, and what did not end."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.declare.errors import DeployError, FetchError
from pipeline.declare.stage_file import StageFile
from pipeline.gating import Grounds, evidence_of, newest
from pipeline.release.acceptance import Acceptance
from pipeline.release.deployment import Deployment
from pipeline.release.gate_evidence import Claim
from pipeline.release.journal import Journal, Promotion
from pipeline.release.released import Released
from pipeline.release.stage_store import StageStore
from pipeline.release.stage_tags import LIVE
from runtime.digest import Digest
from runtime.errors import StoreError

_LAYOUT = "oci:"
_RELEASE = "release-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How an app stands in a stage.

    Args:
        app: its name.
        stage: the name of the stage.
        store: where the stage has its images.
        live: the release that is live; None for none.
        accepted: the newest word that the stage took it, of somebody who may say so; None where nobody does.
        verified: when the newest evidence was signed that counts, seconds since 1970; None where there is none.
        others: further releases that the stage has.
        unfinished: a promotion of this machine that did not end; None where all did.
        deployed: what was deployed from here last; None where nothing was.
        problem: why the stage cannot be read; empty if it can.
    """

    app: str
    stage: str
    store: str
    live: Digest | None = None
    accepted: Claim[Acceptance] | None = None
    verified: int | None = None
    others: tuple[Digest, ...] = ()
    unfinished: Promotion | None = None
    deployed: Deployment | None = None
    problem: str = ""


def standings(place: Grounds, journal: Journal, app: str = "") -> tuple[Stand, ...]:
    """Return how an app stands in each stage, in the order of the way; of all apps where none is named.

    Nothing is written anywhere. A stage that cannot be read is told, and hides no other.

    Raises:
        SpecError, SpecFaults: a stage's file is wrong.
    """
    stages = _in_order(place)
    apps = (app,) if app else _apps(place, journal, stages)
    unfinished = {(each.stage, each.app): each for each in journal.unfinished()}
    found = (_stand(place, stage, name, unfinished.get((stage.name, name))) for name in apps for stage in stages)
    return tuple(each for each in found if app or each.live or each.unfinished or each.problem)


def _in_order(place: Grounds) -> tuple[StageFile, ...]:
    """Return all stages, each after the one before it."""
    ways = [place.stages.way(name) for name in place.stages.names]
    return tuple(way[-1] for way in sorted(ways, key=lambda way: (len(way), way[-1].name)))


def _apps(place: Grounds, journal: Journal, stages: tuple[StageFile, ...]) -> tuple[str, ...]:
    """Return the apps that this machine knows of: of layouts, of its journal, and of the project's specs."""
    folders = [
        place.store / "stages" / each.name if each.store is None else Path(each.store.removeprefix(_LAYOUT))
        for each in stages
        if not each.is_remote
    ]
    found = {path.parent.name for folder in folders for path in folder.glob("*/oci-layout")}
    found |= {each.app for each in journal.unfinished()}
    if any(each.is_remote for each in stages):
        found |= {path.stem for path in Path("envs").glob("*.yaml") if not path.name.startswith("_")}
    return tuple(sorted(found))


def _stand(place: Grounds, stage: StageFile, app: str, unfinished: Promotion | None) -> Stand:
    store = place.open(stage, app)
    stand = Stand(app=app, stage=stage.name, store=store.place, unfinished=unfinished)
    try:
        found = store.tagged(LIVE)
        others = tuple(sorted(_releases(store, found.digest if found else None)))
    except StoreError as error:
        is_nothing = store.folder is not None and not (store.folder / "oci-layout").exists()
        return stand if is_nothing else replace(stand, problem=error.message)
    except FetchError as error:
        return replace(stand, problem=error.message)
    if found is None:
        return replace(stand, others=others)
    evidence = evidence_of(Released.open(store, found.digest).digests, stage, store, place)
    return replace(
        stand,
        live=found.digest,
        others=others,
        accepted=newest(evidence, stage, store),
        verified=max((each.at for each in evidence.verdicts), default=None),
        deployed=_deployed(place.store, app, stage.name),
    )


def _releases(store: StageStore, live: Digest | None) -> Iterator[Digest]:
    for tag in store.tags():
        found = store.tagged(tag) if tag.startswith(_RELEASE) else None
        if found is not None and found.digest != live:
            yield found.digest


def _deployed(store: Path, app: str, stage: str) -> Deployment | None:
    try:
        return Deployment.read(store, app, stage)
    except DeployError:
        return None  # `drift` and `deploy` tell of it
