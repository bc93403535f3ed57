"""``architecture``: which machine the image's programs are made for.

An image of another architecture is another image, built from the same lock; its programs run by user-mode emulation, in
which the emulator's own quirks may show: all that such a run says is advisory.
"""

from dataclasses import replace

from runtime.errors import FactorError
from runtime.factors.carriers import EVERY, NATIVE
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.oci.platform import MACHINES, elf_architecture, own_architecture
from runtime.outcome import Fidelity
from runtime.plan import Plan

_SHELL = "/bin/sh"


class ArchitectureFactor(Factor):
    """The machine's own architecture, or another one by emulation."""

    name = "architecture"
    default = "own"
    control = "own"
    levels = {
        "own": "this machine's",
        "amd64": "64-bit x86",
        "arm64": "64-bit ARM",
        "s390x": "IBM Z, whose byte order is the other one: big-endian",
    }

    def apply(self, plan: Plan, level: str) -> Plan:
        """Take the image that was built for the architecture."""
        if level not in self.levels:
            raise self.unknown(level)
        wanted = own_architecture() if level == self.default else level
        if not plan.variants:
            return plan if wanted == own_architecture() else replace(plan, architecture=wanted)
        found = next((each for each in plan.variants if each.architecture == wanted), None)
        if found is None:
            there = ", ".join(each.architecture for each in plan.variants)
            raise FactorError(
                f"the image is not built for {wanted}, but for {there}",
                hint=f"write `architectures: [{there}, {wanted}]` into the spec, and lock it again",
            )
        foreign = "" if wanted == own_architecture() else wanted
        return replace(plan, image=found.image, suite=found.suite, architecture=foreign, variants=())

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """What the kernel says, and of a foreign run its program, wherever PATH may lead to it."""
        return ("kernel", *_places(plan))

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say what the program is made for, or the shell where that is a script; what the kernel is, if not foreign."""
        if plan.architecture:
            return next((text for each in _places(plan) if (text := elf_architecture(answers.raw(each)))), "unknown")
        machine = answers.text("kernel").rpartition(" ")[2]
        return next((name for name, each in MACHINES.items() if each == machine), machine)

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002 - the plan is no evidence
        """It is the level's."""
        return found == (own_architecture() if level == self.default else level)

    def carriers(self, level: str) -> frozenset[str]:
        """Others are told of no emulator."""
        return EVERY if level in (self.default, own_architecture()) else NATIVE

    def fidelity(self, level: str) -> Fidelity:
        """An emulator's own quirks may show."""
        return Fidelity.NATIVE if level in (self.default, own_architecture()) else Fidelity.ADVISORY


def _places(plan: Plan) -> tuple[str, ...]:
    """Return the questions for the program of a plan for another architecture, in the order of PATH, and the shell."""
    if not plan.architecture:
        return ()
    program = plan.argv[0]
    folders = [""] if "/" in program else plan.environment.get("PATH", "").split(":")
    found = (f"{folder}/{program}" if folder else program for folder in folders)
    return tuple(f"read {each}" for each in (*found, _SHELL))
