"""``capabilities`` and ``no-new-privileges``: what the program may gain."""

from runtime.data import replace
from runtime.factors.carriers import EVERY, LINUX
from runtime.factors.factor import Factor
from runtime.factors.questions import STATUS, Answers
from runtime.plan import Plan

DOCKER_CAPABILITIES = {
    "chown": 0,
    "dac_override": 1,
    "fowner": 3,
    "fsetid": 4,
    "kill": 5,
    "setgid": 6,
    "setuid": 7,
    "setpcap": 8,
    "net_bind_service": 10,
    "net_raw": 13,
    "sys_chroot": 18,
    "mknod": 27,
    "audit_write": 29,
    "setfcap": 31,
}
"""Docker's default set: name → number. Source: moby/profiles and include/uapi/linux/capability.h."""


class CapabilitiesFactor(Factor):
    """The bounding set, in the run's own user namespace; held by uid 0 only."""

    name = "capabilities"
    default = "default"
    control = "default"
    levels = {"default": "Docker's fourteen as the bounding set, held by uid 0 only", "none": "the empty set"}
    names = (
        "chown lchown setuid setgid setgroups setresuid setresgid mount umount2 chroot mknod sethostname "
        "setpriority nice mlock mlockall capget capset CapEff"
    )
    signs = (
        "chowns *; prctl 23; prctl 24; socket inet raw; socket packet*; binds inet any low; "
        "binds inet loopback low; binds inet6 any low; binds inet6 loopback low; errno EPERM"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the bounding set."""
        match level:
            case "default":
                return replace(plan, capabilities=tuple(DOCKER_CAPABILITIES))
            case "none":
                return replace(plan, capabilities=())
            case _:
                raise self.unknown(level)

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The kernel's account of the process."""
        return (STATUS,)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say the bounding and the effective set."""
        return f"bounding={int(answers.status('CapBnd'), 16):x} effective={int(answers.status('CapEff'), 16):x}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """Both sets are the plan's: the effective one is empty unless uid is 0."""
        bounding = sum(1 << DOCKER_CAPABILITIES[each] for each in plan.capabilities)
        return found == f"bounding={bounding:x} effective={bounding if plan.user.uid == 0 else 0:x}"


class NoNewPrivilegesFactor(Factor):
    """Whether a set-user-id program may raise its rights."""

    name = "no-new-privileges"
    default = "yes"
    control = "yes"
    levels = {"yes": "set-user-id bits and file capabilities have no effect", "no": "they have, inside the run"}
    names = "sudo S_ISUID NoNewPrivs PR_SET_SECCOMP PR_SET_NO_NEW_PRIVS SECCOMP_MODE_FILTER"
    signs = (
        "prctl 38; prctl 39; runs /usr/bin/sudo; runs /usr/bin/su; runs /bin/su; runs /usr/bin/newuidmap; "
        "runs /usr/bin/passwd; errno EPERM; prctl 22"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the bit."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, no_new_privileges=level == "yes")

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The bit, by a call and not from a file: gVisor shows it in none."""
        return ("no-new-privileges",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say the bit."""
        return "yes" if answers.text("no-new-privileges") == "1" else "no"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The bit is as asked."""
        return found == level

    def carriers(self, level: str) -> frozenset[str]:
        """GVisor has the bit always set."""
        return EVERY if level == "yes" else LINUX
