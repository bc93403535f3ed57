"""``seccomp``: which system calls are answered, and how the others fail."""

import errno

from runtime.data import replace
from runtime.factors.carriers import EVERY, LINUX
from runtime.factors.factor import Factor
from runtime.factors.questions import STATUS, Answers
from runtime.outcome import Fidelity
from runtime.plan import Denial, Plan


class SeccompFactor(Factor):
    """The default profile; one that knows no ``clone3`` and answers EPERM, as Docker 20.10 did; or none at all."""

    name = "seccomp"
    default = "default"
    control = "null"
    levels = {
        "default": "the default profile: like Docker's, stricter; clone3 fails with ENOSYS",
        "clone3-eperm": "clone3 fails with EPERM, as under Docker 20.10.9 and older: new glibc cannot start threads",
        "null": "the default profile and one more rule, for a call that no kernel has had since 6.0 (null control)",
        "unconfined": "no profile",
    }
    names = (
        "clone3 ptrace keyctl add_key bpf perf_event_open io_uring_setup userfaultfd process_vm_readv setns "
        "syscall start_new_thread posix_spawn fork_exec subprocess threading vfork"
    )
    signs = "unshares *; starts thread; prctl 21; prctl 22; errno EPERM; errno ENOSYS; starts process"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the profile and its denials."""
        match level:
            case "default":
                return replace(plan, seccomp="default")
            case "clone3-eperm":
                return replace(plan, denials=(*plan.denials, Denial(syscall="clone3", errno=errno.EPERM)))
            case "null":
                return replace(plan, denials=(*plan.denials, Denial(syscall="lookup_dcookie", errno=errno.EPERM)))
            case "unconfined":
                return replace(plan, seccomp="unconfined")
            case _:
                raise self.unknown(level)

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """How a clone3 fails that cannot succeed, and the kernel's account of the process."""
        return "clone3", STATUS

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say the mode and the errno."""
        number = int(answers.text("clone3") or 0)
        return f"mode={answers.status('Seccomp')} clone3={errno.errorcode.get(number, str(number))}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """A filter is loaded (mode 2) and clone3 fails as asked; without a filter the kernel itself says EINVAL."""
        want = {"clone3-eperm": "mode=2 clone3=EPERM", "unconfined": "clone3=EINVAL"}
        return want.get(level, "mode=2 clone3=ENOSYS") in found

    def carriers(self, level: str) -> frozenset[str]:
        """GVisor answers calls itself; the default holds as emulated."""
        return EVERY if level == self.default else LINUX

    def fidelity(self, level: str) -> Fidelity:
        """The profile of a Docker of long ago is imitated by one rule."""
        return Fidelity.EMULATED if level == "clone3-eperm" else Fidelity.NATIVE
