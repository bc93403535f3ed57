"""``runtime``: who makes the container; ``kernel``: on which kernel."""

from runtime.factors.carriers import EVERY, MACHINE
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.plan import Plan


class RuntimeFactor(Factor):
    """The runtime that a run goes through; everything else stays as the other levels say."""

    name = "runtime"
    default = "native"
    control = "native"
    accounted = True
    levels = {
        "native": "Seatrial's own runtime",
        "crun": "crun, Podman's runtime, by an OCI bundle",
        "runc": "runc, Docker's and Kubernetes's runtime, by an OCI bundle",
        "runsc": "runsc (gVisor), by an OCI bundle: a kernel of its own, in user space",
        "docker": "Docker Engine",
        "podman": "Podman, with or without root",
        "youki": "youki, by an OCI bundle",
        "qemu": "Seatrial's own runtime in a virtual machine",
    }
    names = (
        "ismount copy_file_range memfd_create pidfd_open pidfd_getfd io_uring_setup process_vm_readv "
        "sync_file_range renameat2 sendfile splice"
    )
    signs = (
        "opens /proc/self/mountinfo; opens /proc/self/mounts; opens /proc/mounts; opens /proc/self/cgroup; "
        "opens /proc/version; looks /.dockerenv; looks /run/.containerenv; opens /proc/self/uid_map; errno ENOSYS"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Nothing: the plan's levels name the backend."""
        if level not in self.levels:
            raise self.unknown(level)
        return plan

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Nothing: the backend says who it is."""
        return ""

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is the one that was asked for."""
        return found == level


class KernelFactor(Factor):
    """The Linux kernel; one that is not this machine's own runs in a virtual machine."""

    name = "kernel"
    default = "as-is"
    control = "as-is"
    levels = {
        "as-is": "this machine's own; in a virtual machine that of Debian 12",
        "5.10": "the kernel of Debian 11, in a virtual machine",
        "6.1": "the kernel of Debian 12, in a virtual machine",
        "6.12": "the kernel of Debian 13, in a virtual machine",
    }
    names = (
        "uname version openat2 io_uring_setup pidfd_open memfd_create copy_file_range close_range process_madvise "
        "landlock platform"
    )
    signs = (
        "opens /proc/version; opens /proc/sys/kernel/osrelease; opens /boot*; errno ENOSYS; errno EINVAL; names release"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Nothing: the plan's levels name the backend."""
        if level not in self.levels:
            raise self.unknown(level)
        return plan

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """Ask for the kernel's release."""
        return ("kernel",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Return the release."""
        return answers.words("kernel")[0]

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is a release of that version."""
        return level == self.default or found.startswith(f"{level}.")

    def carriers(self, level: str) -> frozenset[str]:
        """All others have this machine's kernel, or one of their own."""
        return EVERY if level == self.default else MACHINE
