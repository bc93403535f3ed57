"""``architecture`` and ``cpu-features``: what machine the image's programs are made for, and what its processor can.

An image of another architecture is another image, built from the same lock; its programs run by user-mode emulation, in
which the emulator's own quirks may show: all that such a run says is advisory.
"""

from runtime.data import replace
from runtime.errors import FactorError
from runtime.factors.carriers import EVERY, MACHINE, NATIVE
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.oci.platform import MACHINES, elf_architecture, own_architecture
from runtime.outcome import Fidelity
from runtime.plan import Plan

_SHELL = "/bin/sh"


_CPUINFO = "read /proc/cpuinfo"
_NEWER = {"x86-64-v2": frozenset({"sse4_2", "ssse3", "popcnt"}), "x86-64-v3": frozenset({"avx2", "bmi2", "fma"})}
"""Feature level → what it has beyond the one before, as /proc/cpuinfo says it, each of which its programs may use.

Source: System V ABI, x86-64 psABI, "Micro-Architecture Levels".
"""


class CpuFeaturesFactor(Factor):
    """What the processor can do: a program made for a newer one dies of SIGILL."""

    name = "cpu-features"
    default = "as-is"
    control = "as-is"
    levels = {
        "as-is": "as this machine's processor",
        "x86-64-v1": "no SSE4 and no AVX: the first of 64 bits (in a virtual machine)",
        "x86-64-v2": "SSE4.2 and no AVX, as a Nehalem of 2008 and small servers (in a virtual machine)",
        "x86-64-v3": "AVX2 and no AVX-512, as a Haswell of 2013 (in a virtual machine)",
    }
    names = "cpu_flags get_cpu_info cpuinfo CDLL"
    signs = "opens /proc/cpuinfo; ends signal 4"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Nothing: the plan's levels name the machine."""
        if level not in self.levels:
            raise self.unknown(level)
        return plan

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """What the kernel found."""
        return (_CPUINFO,)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say the newest feature level that the processor has, and whether it has parts of the next one."""
        lines = answers.text(_CPUINFO).splitlines()
        flags = next((frozenset(each.split()) for each in lines if each.startswith("flags")), frozenset())
        found, rest = "x86-64-v1", ""
        for name, newer in _NEWER.items():
            if not newer <= flags:
                rest = f" and {','.join(sorted(newer & flags))}" if newer & flags else ""
                break
            found = name
        return f"{found}{rest}{' and avx512f' if 'avx512f' in flags else ''}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is that one, and nothing of the next."""
        return level in (self.default, found)

    def carriers(self, level: str) -> frozenset[str]:
        """This kernel lets no process hide what its processor can do."""
        return EVERY if level == self.default else MACHINE


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
    names = (
        "byteorder pack unpack calcsize maxsize machine architecture get_platform frombytes tobytes CDLL sizeof "
        "platform struct ctypes"
    )
    signs = "opens /proc/cpuinfo; ends signal 4"

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
    return tuple(f"head {each}" for each in (*found, _SHELL))
