"""``Backend``: a way to run a plan; ``Running``: one run under way."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from runtime.data import dataclass
from runtime.factors import FACTORS
from runtime.factors.carriers import why_not
from runtime.factors.machinery import KernelFactor
from runtime.outcome import Fidelity, Outcome
from runtime.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported:
    """Why a backend cannot run a plan here, and the command that would enable it (empty if there is none)."""

    reason: str
    hint: str = ""


def lacks_kernel(plan: Plan, name: str) -> Unsupported | None:
    """Tell that a backend on this machine's own kernel cannot run a plan for another one; None if it need not."""
    wanted = plan.levels.get(KernelFactor.name, KernelFactor.default)
    if wanted == KernelFactor.default:
        return None
    return Unsupported(
        reason=f"the plan asks for Linux {wanted}, and {name} has this machine's kernel", hint="ask for `runtime: qemu`"
    )


def refuse_services(plan: Plan, backend: str) -> Unsupported | None:
    """Tell that a backend starts no services, or return None where the plan has none."""
    if not plan.services:
        return None
    names = ", ".join(each.name for each in plan.services)
    return Unsupported(reason=f"services ({names}) run on native only, and this is {backend}", hint="ask native")


def refuse_grace(plan: Plan, backend: str) -> Unsupported | None:
    """Tell that a backend cannot ask what a program leaves behind to end, or return None where nobody wants it to."""
    if not plan.grace:
        return None
    reason = f"how processes that the suite leaves behind shut down is told on native only, and this is {backend}"
    return Unsupported(reason=reason, hint="leave `shutdown` out of `suite.behavior`, or leave out this host")


def refuse_levels(plan: Plan, backend: str) -> Unsupported | None:
    """Tell which level of a plan a backend cannot carry out, or return None."""
    for each in FACTORS:
        level = plan.levels.get(each.name, each.default)
        reason = why_not(each, level, backend)
        if reason:
            return Unsupported(reason=reason, hint="leave out `runtime`, or this level")
        if lacking := each.lacks(level, plan):
            return Unsupported(reason=f"{each.name}={level}: {lacking}", hint=f"leave out `{each.name}` for this suite")
    return None


class Running(AbstractContextManager["Running"], Protocol):
    """One run under way. Leaving the context ends every process of the run."""

    def wait(self) -> Outcome:
        """Wait until the run ended by itself or by a limit, and return what the kernel reported.

        Raises:
            BackendError: the run was lost: what happened in it cannot be known.
        """

    def signal(self, number: int) -> None:
        """Send a signal to the program; nothing happens if it has ended."""

    def close(self) -> None:
        """End every process of the run and remove what it left on the machine; idempotent."""


class Backend(AbstractContextManager["Backend"], Protocol):
    """A way to run a plan. Leaving the context ends all its runs."""

    @property
    def name(self) -> str:
        """The level of the factor ``runtime`` that it is."""

    def available(self) -> Unsupported | None:
        """Tell why nothing can run here, or None if something can."""

    def check(self, plan: Plan) -> Mapping[str, Fidelity] | Unsupported:
        """Return the fidelity of each level of the plan (limited defaults included), or why it cannot run."""

    def start(self, plan: Plan) -> Running:
        """Start a run of the plan.

        Raises:
            BackendError: it could not be started; nothing is left behind.
        """
