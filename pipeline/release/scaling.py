"""``Trial``: whether new containers behave as those that run already, while requests are answered."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.release.deploy import SMOKE_TIME, DeployRefusal, RefusedDeploymentError, last_lines
from pipeline.release.load import Load, under_load
from pipeline.release.targets.target import Replica, Target, Wanted

LEAST = 20
"""How many requests are answered at least, so that none that failed means something."""

_PATIENCE = 10.0  # seconds
_LOOKING = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Tries new containers of a deployment.

    Args:
        target: runs them.
        wanted: the deployment.
        running: the names of the containers that run already.
        tell: is told each step, in half a sentence.
    """

    target: Target
    wanted: Wanted
    running: frozenset[str]
    tell: Callable[[str], object]

    def verify(self, replicas: Sequence[Replica]) -> None:
        """Send requests to the deployment, and meanwhile let the smoke command say of each what it says of the others.

        Args:
            replicas: all containers, the new ones among them, which have no traffic yet.

        Raises:
            RefusedDeploymentError: the command fails, or writes otherwise beside a new one, or a request failed, or too
                few were answered to say anything.
            TargetError: the target failed.
        """
        self.tell("trying the new containers under load")
        health = self.wanted.deploy.health
        with under_load(self.wanted.deploy.port, health.http if health else None) as load:
            self._compare(replicas)
            self._wait(load)
        if load.failures:
            failed = f"{len(load.failures)} of {load.answered + len(load.failures)} requests failed meanwhile"
            raise RefusedDeploymentError(DeployRefusal.SMOKE, f"{failed}: {load.failures[0]}")
        if self._sends and load.answered < LEAST:
            few = f"{load.answered} requests were answered within {_PATIENCE:g} s, and {LEAST} have to be"
            raise RefusedDeploymentError(DeployRefusal.SMOKE, few)
        self.tell(f"{load.answered} requests were answered meanwhile")

    def _compare(self, replicas: Sequence[Replica]) -> None:
        argv = self.wanted.deploy.smoke
        if argv is None:
            return
        known = [each for each in replicas if each.id in self.running]
        tried = [*known[:1], *(each for each in replicas if each.id not in self.running)]
        answers = [self.target.run_once(self.wanted, argv, milliseconds=SMOKE_TIME, beside=each) for each in tried]
        for each, answer in zip(tried, answers, strict=True):
            if answer.exit:
                said = last_lines(answer.output)
                message = f"the smoke command ended with {answer.exit} beside {each.id}{said}"
                raise RefusedDeploymentError(DeployRefusal.SMOKE, message)
            if answer.output != answers[0].output:
                message = f"the smoke command writes otherwise beside {each.id} than beside {tried[0].id}"
                raise RefusedDeploymentError(DeployRefusal.SMOKE, f"{message}{last_lines(answer.output)}")

    @property
    def _sends(self) -> bool:
        """Whether there is anything to send requests to."""
        health = self.wanted.deploy.health
        return self.wanted.deploy.port is not None and health is not None and health.http is not None

    def _wait(self, load: Load) -> None:
        """Wait until enough requests were answered; at once where none is sent."""
        due = time.monotonic() + _PATIENCE
        while self._sends and load.answered < LEAST and not load.failures and time.monotonic() < due:
            time.sleep(_LOOKING)
