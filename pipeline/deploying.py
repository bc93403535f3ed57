"""Deploy what is live in a stage: the gate again, by digest; then run it, read it back, and sign what was seen."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pipeline.declare.errors import SpecError
from pipeline.declare.stage_file import DeployPart, SecretPart, StageFile, TargetKind
from pipeline.entering import come_back
from pipeline.gating import Grounds, linted
from pipeline.release.acceptance import Acceptance
from pipeline.release.bundle import parse_bundle, signed_bundle
from pipeline.release.deploy import (
    Deployer,
    DeployRefusal,
    RefusedDeploymentError,
    StandingDeploymentError,
    with_replicas,
)
from pipeline.release.deployment import Deployment
from pipeline.release.drift import Drift, drifts
from pipeline.release.evidence import attach_evidence
from pipeline.release.refusal import RefusedEvidenceError
from pipeline.release.released import Released
from pipeline.release.scaling import Trial
from pipeline.release.secret_source import read_secrets
from pipeline.release.signing import AnySigner
from pipeline.release.stage_store import StageStore
from pipeline.release.stage_tags import LIVE
from pipeline.release.targets.choice import target_of
from pipeline.release.targets.target import Target, Wanted
from runtime.digest import Digest
from runtime.errors import SeatrialError
from runtime.oci.copy import copy_image
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.platform import own_architecture

Clock = Callable[[], int]
"""Gives the seconds since 1970."""

_LINES = """write there, for example:
deploy:
  target: native
  replicas: 1
  port: 8080
  health: {http: /healthz, port: 8000}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An app in a stage, and what runs it there.

    Args:
        grounds: where stages, hosts, images and keys are looked up.
        app: the app's name.
        stage: the file of the stage.
        part: how the stage runs it.
        images: where the stage has its images.
        target: what runs them.
        environment: of the process: secrets come from it.
    """

    grounds: Grounds
    app: str
    stage: StageFile
    part: DeployPart
    images: StageStore
    target: Target
    environment: Mapping[str, str]

    @property
    def live(self) -> Digest | None:
        """The release that is live; None where none is."""
        found = self.images.tagged(LIVE)
        return None if found is None else found.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What was deployed.

    Args:
        deployment: as it was seen.
        evidence: the artifact that says so, beside the release.
        volumes: names of the data that no deployment touches.
    """

    deployment: Deployment
    evidence: Digest
    volumes: tuple[str, ...]


def open_site(app: str, stage: str, grounds: Grounds, environment: Mapping[str, str]) -> Site:
    """Return what a command needs of an app in a stage.

    Args:
        app: the app's name.
        stage: the name of the stage.
        grounds: where all is looked up.
        environment: of the process.

    Raises:
        SpecError, SpecFaults: there is no such stage, or it says nothing of how it runs anything.
    """
    found = grounds.stages.stage(stage)
    if found.deploy is None:
        file = grounds.stages.folder / f"{stage}.yaml"
        raise SpecError(f"{file} does not say how {stage} runs anything", hint=_LINES)
    return Site(
        grounds=grounds,
        app=app,
        stage=found,
        part=found.deploy,
        images=grounds.open(found, app, make=False),
        target=target_of(found.deploy.target, grounds.store),
        environment=environment,
    )


def deploy(site: Site, signer: AnySigner, tell: Callable[[str], object], *, version: str, clock: Clock) -> Deployed:
    """Run what is live in a stage, in place of what runs.

    The tag is read once: what the gate accepted is what is deployed, whatever the tag says afterwards.

    Args:
        site: the app in the stage.
        signer: of the statement.
        tell: is told each step.
        version: of this program; empty where it is not installed.
        clock: gives the time.

    Raises:
        RefusedDeploymentError: nothing is live, the gate stays shut, or a check failed: what ran before goes on.
        TargetError: the target failed; likewise.
        StandingDeploymentError: the new containers run, and the statement or the record of that could not be kept.
    """
    release = _live(site)
    accepted = accept(site, release, clock())
    wanted = _wanted(site, release, accepted.number, site.part)
    deployer = Deployer(target=site.target, store=site.grounds.store, tell=tell)
    made = deployer.deploy(wanted, acceptance=accepted.bundle, at=clock())
    return _signed(site, made, signer, version, f"seatrial deploy {site.app} --stage {site.stage.name}")


def scale(
    site: Site, count: int, signer: AnySigner, tell: Callable[[str], object], *, version: str, clock: Clock
) -> Deployed:
    """Run another number of containers of what was deployed.

    While requests are sent to those that run, the smoke command runs beside one of these and beside each new one: it
    has to end alike and to write the same everywhere.

    Raises:
        RefusedDeploymentError: nothing was deployed, or a new container behaves otherwise; no new one is left then.
        TargetError: the target failed; likewise.
        StandingDeploymentError: as ``deploy``.
    """
    before = _recorded(site)
    running = {each.id for each in site.target.observe(site.app, site.stage.name)}
    wanted = _wanted(site, before.release, before.number, site.part)
    if wanted.configuration != before.configuration:
        message = f"{site.stage.name} says by now that {site.app} runs otherwise than it was deployed"
        hint = f"`seatrial deploy {site.app} --stage {site.stage.name}`"
        raise RefusedDeploymentError(DeployRefusal.NOT_DEPLOYED, message, hint=hint)
    wanted = with_replicas(wanted, count)
    if count > len(running):
        accept(site, before.release, clock())  # what was revoked since gets no new containers
    deployer = Deployer(target=site.target, store=site.grounds.store, tell=tell)
    trial = Trial(target=site.target, wanted=wanted, running=frozenset(running), tell=tell)
    made = deployer.scale(wanted, trial.verify, acceptance=before.acceptance, at=clock())
    return _signed(site, made, signer, version, f"seatrial scale {site.app} --stage {site.stage.name} {count}")


def end_all(site: Site) -> None:
    """End all containers of an app in a stage; its volumes stay, and so does the number below which nothing comes back.

    Raises:
        RefusedDeploymentError: nothing was deployed.
        TargetError: the target failed.
    """
    before = _recorded(site)
    target_of(before.target, site.grounds.store).remove(site.app, site.stage.name)
    replace(before, replicas={}).save(site.grounds.store)


def find_drift(site: Site) -> tuple[Deployment, tuple[Drift, ...]]:
    """Return what was deployed, and how what runs differs from it.

    Raises:
        RefusedDeploymentError: nothing was deployed.
        TargetError: the target does not tell.
    """
    record = _recorded(site)
    target = target_of(record.target, site.grounds.store)  # which may be another than the stage says by now
    return record, drifts(record, target.observe(site.app, site.stage.name), site.live)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """By which word of the stage a release is deployed.

    Args:
        number: of the promotion.
        bundle: the digest of the bundle that says it.
    """

    number: int
    bundle: Digest


def accept(site: Site, release: Digest, now: int) -> Accepted:
    """Ask the gate of a stage again, for what stands in it: by the policy of now, and by the stage's own acceptance.

    Raises:
        RefusedDeploymentError: it stays shut; all of its reasons are told.
    """
    entry = come_back(site.app, site.stage.name, release, site.grounds)
    found = dict(linted(entry.policy, entry.released, entry.source, entry.app, now))
    decision = entry.decide(site.grounds, now, found)
    if decision.accepted is None or decision.accepted.came is None:
        lines = "".join(f"\n  {each.code}  {each.line}" for each in decision.refusals)
        message = f"the gate of {site.stage.name} stays shut for {site.app} {release.short}:{lines}"
        raise RefusedDeploymentError(DeployRefusal.NOT_ACCEPTED, message)
    says = decision.accepted.came
    return Accepted(number=says.number, bundle=_bundle_of(says, entry.bundles, decision.accepted.inputs))


def _bundle_of(says: Acceptance, bundles: Sequence[bytes], inputs: Collection[Digest]) -> Digest:
    """Return the digest of the bundle that has an acceptance, of those on which the gate's answer rests."""
    payload = says.statement().to_bytes()
    for raw in bundles:
        with suppress(RefusedEvidenceError):
            if Digest.of(raw) in inputs and parse_bundle(raw).payload == payload:
                return Digest.of(raw)
    return Digest.of(payload)  # written in another way than ours: named by what it says


def _live(site: Site) -> Digest:
    found = site.live
    if found is None:
        name = site.stage.name
        message = f"nothing of {site.app} is live in {name}"
        hint = f"`seatrial promote {site.app} --to {name}` lets a verified image in"
        raise RefusedDeploymentError(DeployRefusal.NOT_LIVE, message, hint=hint)
    return found


def _recorded(site: Site) -> Deployment:
    found = Deployment.read(site.grounds.store, site.app, site.stage.name)
    if found is None:
        name = site.stage.name
        message = f"nothing of {site.app} was deployed from {name} here"
        hint = f"`seatrial deploy {site.app} --stage {name}`"
        raise RefusedDeploymentError(DeployRefusal.NOT_DEPLOYED, message, hint=hint)
    return found


def _wanted(site: Site, release: Digest, number: int, part: DeployPart) -> Wanted:
    """Return the deployment of a release: its image for this machine, its blobs where the target can have them."""
    image, folder = _image(site, release), site.images.folder
    if folder is None:
        folder = site.grounds.store / "oci"
        if part.target is TargetKind.NATIVE:  # the other targets pull by themselves, by digest
            copy_image(image.digest, site.images, Layout(folder))
    return Wanted(
        app=site.app,
        stage=site.stage.name,
        number=number,
        release=release,
        image=image,
        layout=folder,
        repository=site.images.place.removeprefix("oci://") if site.stage.is_remote else "",
        # Where the values were is the business of whoever deploys: no target is told, and it is no other configuration.
        deploy=part.model_copy(update={"secrets": part.secret_names}),
        secrets=_secrets(part, site),
    )


def _image(site: Site, release: Digest) -> Image:
    """Return the image of a release for this machine: which one it is, is never guessed."""
    own = own_architecture()
    offered = Released.open(site.images, release).offered((own,))
    found = offered.get(own, ())
    if len(found) != 1:
        there = ", ".join(offered) if not found else f"{len(found)} for it"
        raise RefusedDeploymentError(
            DeployRefusal.UNAVAILABLE, f"{site.app} {release.short} has no one image for {own}: {there}"
        )
    return found[0]


def _secrets(part: DeployPart, site: Site) -> Mapping[str, str]:
    named = [each for each in part.secrets if isinstance(each, str)]
    missing = [name for name in named if name not in site.environment]
    if missing:
        raise SpecError(
            f"{site.stage.name} gives {site.app} secrets, and the environment has no {', '.join(missing)}",
            hint=f"export {missing[0]} for this command; it is not stored",
        )
    placed = [each for each in part.secrets if isinstance(each, SecretPart)]
    found = read_secrets(placed, site.grounds.stages.folder, site.environment)
    return {**{name: site.environment[name] for name in named}, **found}


def _signed(site: Site, made: Deployment, signer: AnySigner, version: str, again: str) -> Deployed:
    """Sign what was seen, and put it beside the release; ``again`` is the command that does it again."""
    statement = made.statement(version)
    try:
        bundle = signed_bundle(statement, signer)
        kept = attach_evidence(bundle, statement.predicate_type, made.release, site.images, at=made.at)
    except SeatrialError as error:
        raise StandingDeploymentError(DeployRefusal.NOT_ATTESTED, made, error.message, again=again) from error
    return Deployed(deployment=made, evidence=kept.digest, volumes=tuple(each.name for each in site.part.volumes))
