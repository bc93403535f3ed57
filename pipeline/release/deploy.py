"""Deploy: the steps that are the same for every target, and how they are undone.

Nothing changes until the new containers are ready, are what was meant, and have passed the smoke command: then they get
the traffic, and the old ones end. Whatever fails before, the old ones go on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pipeline.declare.errors import DeployError, LeftOverError, TargetError
from pipeline.release.comparison import identities, mismatches
from pipeline.release.deployment import Deployment, seen_of
from pipeline.release.targets.target import Replica, Target, Wanted
from runtime.digest import Digest

BEFORE_TIME = 600_000
"""Milliseconds that the command before a deployment may take."""

SMOKE_TIME = 120_000
"""Milliseconds that the smoke command may take beside one container."""

_SHOWN_LINES = 5


class DeployRefusal(StrEnum):
    """Why a deployment is refused or rolled back, or stands and is not kept. The value is stable and may be matched."""

    OLDER = "deployment-older"
    UNAVAILABLE = "target-unavailable"
    TARGET = "target-changed"
    BEFORE = "before-failed"
    NOT_READY = "not-ready"
    NOT_ENDED = "not-ended"
    READ_BACK = "read-back"
    SMOKE = "smoke-failed"
    NOT_DEPLOYED = "not-deployed"
    NOT_LIVE = "not-live"
    NOT_ACCEPTED = "not-accepted"
    NOT_RECORDED = "not-recorded"
    NOT_ATTESTED = "not-attested"


class RefusedDeploymentError(DeployError):
    """A deployment is refused, or was rolled back.

    Args:
        reason: by which check.
        message: what failed.
        hint: the next step, where there is one.
    """

    def __init__(self, reason: DeployRefusal, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} [{reason}]", hint=hint)
        self.reason = reason


class StandingDeploymentError(DeployError):
    """A deployment stands, and what says so could not be kept.

    Args:
        reason: what could not.
        made: what runs.
        problem: why.
        again: the command that does it again.
    """

    def __init__(self, reason: DeployRefusal, made: Deployment, problem: str, *, again: str) -> None:
        what = "the record of it" if reason is DeployRefusal.NOT_RECORDED else "the statement that says so"
        message = (
            f"{made.app} {made.image.short} runs in {made.stage}, and {what} could not be kept: {problem} [{reason}]"
        )
        super().__init__(message, hint=f"nothing was undone; once that is mended, `{again}` deploys and signs it again")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployer:
    """Deploys to one target, and keeps a record.

    Args:
        target: runs the containers.
        store: the folder that has the records.
        tell: is told each step, in half a sentence.
    """

    target: Target
    store: Path
    tell: Callable[[str], object]

    def deploy(self, wanted: Wanted, *, acceptance: Digest | None, at: int) -> Deployment:
        """Run an image in place of what runs.

        Args:
            wanted: what is to run.
            acceptance: the digest of the bundle that it rests on.
            at: the time, seconds since 1970.

        Returns:
            What runs then, as read back; the record has it too.

        Raises:
            RefusedDeploymentError: it is refused, or a check failed; what ran before goes on.
            TargetError: the target failed; likewise.
            StandingDeploymentError: the new containers run, and the record of it could not be written.
        """
        self._refuse_misfit(wanted)
        if missing := self.target.unavailable():
            message = f"{wanted.deploy.target.value} cannot run anything here: {missing}"
            raise RefusedDeploymentError(DeployRefusal.UNAVAILABLE, message)
        self.tell(f"preparing {wanted.image.digest.short}")
        self.target.prepare(wanted)
        self._run_before(wanted)
        self.tell(f"starting {_containers(wanted.deploy.replicas)} beside what runs")
        replicas = self._changed(wanted, lambda: self.target.replace(wanted, lambda new: self._check(wanted, new)))
        return self._kept(wanted, replicas, acceptance, at)

    def scale(
        self, wanted: Wanted, verify: Callable[[Sequence[Replica]], None], *, acceptance: Digest | None, at: int
    ) -> Deployment:
        """Run another number of containers of what runs already.

        Args:
            wanted: as it runs, but for the number of replicas.
            verify: is called with all containers when the new ones are ready and are what was meant, before they get
                traffic; raises if they behave otherwise than those that run.
            acceptance: as of ``deploy``.
            at: likewise.

        Raises:
            RefusedDeploymentError, TargetError, StandingDeploymentError: as ``deploy``.
        """

        def check(replicas: Sequence[Replica]) -> None:
            self._require_same(wanted, replicas)
            verify(replicas)

        self.tell(f"going to {_containers(wanted.deploy.replicas)}")
        replicas = self._changed(wanted, lambda: self.target.scale(wanted, check))
        return self._kept(wanted, replicas, acceptance, at)

    def smoke(self, wanted: Wanted, replica: Replica) -> None:
        """Run the smoke command beside a container; nothing where the stage has none.

        Raises:
            RefusedDeploymentError: it fails.
        """
        if wanted.deploy.smoke is None:
            return
        once = self.target.run_once(wanted, wanted.deploy.smoke, milliseconds=SMOKE_TIME, beside=replica)
        if once.exit:
            said = last_lines(once.output)
            message = f"the smoke command ended with {once.exit} beside {replica.id}{said}"
            raise RefusedDeploymentError(DeployRefusal.SMOKE, message)

    def _refuse_misfit(self, wanted: Wanted) -> None:
        """Refuse what is older than what was deployed, and what would run beside it for ever, on another target."""
        before = Deployment.read(self.store, wanted.app, wanted.stage)
        if before and before.replicas and before.target is not wanted.deploy.target:
            raise RefusedDeploymentError(
                DeployRefusal.TARGET,
                f"{wanted.app} runs on {before.target.value}, and {wanted.stage} says {wanted.deploy.target.value} now",
                hint=f"`seatrial scale {wanted.app} --stage {wanted.stage} 0` ends what runs there",
            )
        if before and wanted.number < before.number:
            raise RefusedDeploymentError(
                DeployRefusal.OLDER,
                f"promotion {wanted.number} is older than {before.number}, which runs in {wanted.stage}",
                hint=f"`seatrial rollback {wanted.app} --stage {wanted.stage}` promotes an earlier release anew",
            )

    def _run_before(self, wanted: Wanted) -> None:
        if wanted.deploy.before is None:
            return
        self.tell(f"running {wanted.deploy.before[0]} before it")
        once = self.target.run_once(wanted, wanted.deploy.before, milliseconds=BEFORE_TIME)
        if once.exit:
            message = f"the command before the deployment ended with {once.exit}{last_lines(once.output)}"
            raise RefusedDeploymentError(DeployRefusal.BEFORE, message)

    def _check(self, wanted: Wanted, new: Sequence[Replica]) -> None:
        """Compare the new containers with what was meant, and try them; they have no traffic yet."""
        self._require_same(wanted, new)
        if wanted.deploy.smoke is not None:
            self.tell("running the smoke command beside them")
        for each in new:
            self.smoke(wanted, each)
        self.tell("giving them the traffic")

    def _require_same(self, wanted: Wanted, replicas: Sequence[Replica]) -> None:
        found = [line for each in replicas for line in mismatches(wanted, each)]
        if len(replicas) != wanted.deploy.replicas and len(replicas) < wanted.deploy.replicas:
            found.append(f"{_containers(len(replicas))} came up, and {wanted.deploy.replicas} were meant")
        if found:
            raise RefusedDeploymentError(DeployRefusal.READ_BACK, f"what came up is not what was meant: {found[0]}")

    def _changed(self, wanted: Wanted, change: Callable[[], Sequence[Replica]]) -> tuple[Replica, ...]:
        try:
            change()
        except RefusedDeploymentError:
            raise
        except TargetError as error:
            reason = DeployRefusal.NOT_ENDED if isinstance(error, LeftOverError) else DeployRefusal.NOT_READY
            raise RefusedDeploymentError(reason, error.message, hint=error.hint) from error
        found = self.target.observe(wanted.app, wanted.stage)
        self._require_same(wanted, found)
        return found

    def _kept(self, wanted: Wanted, replicas: Sequence[Replica], acceptance: Digest | None, at: int) -> Deployment:
        made = Deployment(
            app=wanted.app,
            stage=wanted.stage,
            number=wanted.number,
            target=wanted.deploy.target,
            release=wanted.release,
            image=wanted.image.digest,
            identities=identities(wanted),
            configuration=wanted.configuration,
            acceptance=acceptance,
            replicas={each.id: seen_of(each) for each in replicas},
            at=at,
        )
        try:
            made.save(self.store)
        except OSError as error:
            again = f"seatrial deploy {made.app} --stage {made.stage}"
            raise StandingDeploymentError(DeployRefusal.NOT_RECORDED, made, str(error), again=again) from error
        return made


def with_replicas(wanted: Wanted, count: int) -> Wanted:
    """Return a deployment with another number of containers, which its configuration does not depend on."""
    return replace(wanted, deploy=wanted.deploy.model_copy(update={"replicas": count}))


def last_lines(output: str) -> str:
    """Return the end of what a command wrote, as the end of a message."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return ": " + " | ".join(lines[-_SHOWN_LINES:]) if lines else "; it wrote nothing"


def _containers(count: int) -> str:
    return f"{count} container{'' if count == 1 else 's'}"
