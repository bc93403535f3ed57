"""``user-namespaces``, ``inotify``, ``pid-range``, ``personality``, ``entropy``: what the kernel grants a process."""

import errno
from collections.abc import Mapping
from types import MappingProxyType

from runtime.data import replace
from runtime.factors.carriers import BUNDLES, EVERY, LINUX, NATIVE, OWN
from runtime.factors.factor import Factor
from runtime.factors.questions import STATUS, Answers
from runtime.outcome import Fidelity
from runtime.plan import Denial, Plan

_NEW_USER = 0x10000000  # CLONE_NEWUSER, linux/sched.h
_SIGCHLD = 17  # bits/signum-generic.h
_ADDR_NO_RANDOMIZE = 0x0040000  # linux/personality.h
_UNAME26 = 0x0020000
_NO_FLAG = 0xFF00  # no flag of getrandom(2): linux/random.h
_NAMESPACES = "user.max_user_namespaces"
_MANY = str(1 << 30)
_LARGE = 3_000_000
_SMALL = 400
_PID_MAX = "read /proc/sys/kernel/pid_max"


class UserNamespacesFactor(Factor):
    """Whether the program may make user namespaces, as browsers and nested sandboxes do."""

    name = "user-namespaces"
    default = "as-is"
    control = "null"
    levels = {
        "as-is": "as the level of `seccomp` has it: the default profile answers EPERM",
        "none": "there is no room for one (user.max_user_namespaces is 0): ENOSPC",
        "null": "the switch is set to very many, and changes nothing (null control)",
    }
    names = "unshare CLONE_NEWUSER bwrap setns"
    signs = (
        "unshares *; runs /usr/bin/unshare; runs /usr/bin/bwrap; opens /proc/self/uid_map; "
        "writes /proc/self/uid_map; opens /proc/sys/user*; errno ENOSPC; errno EPERM"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the switch; where the profile answers first, it must answer as the kernel would."""
        match level:
            case "as-is":
                return plan
            case "null":
                return _with_sysctls(plan, {_NAMESPACES: _MANY})
            case "none":
                denied = (
                    Denial(syscall="unshare", errno=errno.ENOSPC, arguments=MappingProxyType({0: _NEW_USER})),
                    Denial(syscall="clone", errno=errno.ENOSPC, arguments=MappingProxyType({0: _NEW_USER | _SIGCHLD})),
                )
                return replace(_with_sysctls(plan, {_NAMESPACES: "0"}), denials=(*plan.denials, *denied))
            case _:
                raise self.unknown(level)

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """What becomes of one, tried in a process of its own; not unasked, as that takes 10 ms."""
        return ("user-namespace",) if _NAMESPACES in plan.tuning.sysctls else ()

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say it."""
        return _named(answers.text("user-namespace")) if self.questions(plan) else "as-is"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """There is no room, or it is not for want of room that none can be made."""
        if level == self.default:
            return found == level
        return (found == "ENOSPC") == (level == "none")

    def carriers(self, level: str) -> frozenset[str]:
        """An engine takes no switches of user namespaces, and libseccomp no second word on a call with conditions."""
        return {self.default: EVERY, "null": BUNDLES}.get(level, OWN)

    def fidelity(self, level: str) -> Fidelity:
        """Under the default profile the answer is a filter's."""
        return Fidelity.EMULATED if level == "none" else Fidelity.NATIVE


class InotifyFactor(Factor):
    """Whether files can be watched: a machine's users share few instances, and each watch counts."""

    name = "inotify"
    default = "as-is"
    control = "null"
    levels = {
        "as-is": "as many as this machine gives",
        "no-instances": "none is left: EMFILE, as on a node with many watching containers",
        "no-watches": "an instance, and no watch: ENOSPC, which programs tell as a full disk",
        "null": "the switches are set to very many, and change nothing (null control)",
    }
    names = "inotify_init inotify_init1 inotify_add_watch fanotify_init INotify Observer"
    signs = "watches *; opens /proc/sys/fs/inotify*; errno ENOSPC; errno EMFILE"

    _SWITCHES = MappingProxyType(
        {
            "as-is": {},
            "no-instances": {"user.max_inotify_instances": "0"},
            "no-watches": {"user.max_inotify_watches": "0"},
            "null": {"user.max_inotify_instances": _MANY, "user.max_inotify_watches": _MANY},
        }
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the switches of the run's user namespace."""
        if level not in self.levels:
            raise self.unknown(level)
        return _with_sysctls(plan, self._SWITCHES[level])

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """What becomes of an instance, and of a watch; not unasked, as the kernel takes 20 ms to end an instance."""
        return ("inotify",) if plan.tuning.sysctls.keys() & self._SWITCHES["null"].keys() else ()

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say both."""
        if not self.questions(plan):
            return "as-is"
        instance, _, watch = answers.text("inotify").partition(" ")
        return f"instance={_named(instance)} watch={_named(watch)}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """They fail as asked, or not at all."""
        if level == self.default:
            return found == level
        want = {"no-instances": "instance=EMFILE watch=no", "no-watches": "instance=yes watch=ENOSPC"}
        return found == want.get(level, "instance=yes watch=yes")

    def carriers(self, level: str) -> frozenset[str]:
        """An engine takes no switches of user namespaces."""
        return EVERY if level == self.default else BUNDLES


class PidRangeFactor(Factor):
    """How large process ids are, and how soon one comes again."""

    name = "pid-range"
    default = "as-is"
    control = "as-is"
    levels = {
        "as-is": "from 1 on, as in every fresh container",
        "large": "beyond 3,000,000: seven digits, as on a machine that has been up for long",
        "small": "400 at most, so that they come again soon",
    }
    names = "getpid getppid pid pid_max"
    signs = "opens /proc/sys/kernel/pid_max; kills 0; starts process; starts many"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set where the run's own PID namespace goes on, or ends."""
        match level:
            case "as-is":
                return plan
            case "large":
                return _with_sysctls(plan, {"kernel.ns_last_pid": str(_LARGE)})
            case "small":
                return _with_sysctls(plan, {"kernel.pid_max": str(_SMALL)})
            case _:
                raise self.unknown(level)

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """Who answers, by the kernel's account, and the largest id."""
        return STATUS, _PID_MAX

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say both."""
        return f"pid={answers.status('Pid')} most={answers.text(_PID_MAX).strip()}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The id is as large as asked, and the end of the range."""
        fields = dict(each.split("=", 1) for each in found.split())
        match level:
            case "large":
                return int(fields["pid"]) > _LARGE
            case "small":
                return fields["most"] == str(_SMALL)
            case _:
                return int(fields["pid"]) < _LARGE and fields["most"] != str(_SMALL)

    def carriers(self, level: str) -> frozenset[str]:
        """A runtime makes a PID namespace of its own, and takes no switches of it; our machines' kernels are older."""
        return EVERY if level == self.default else NATIVE

    def since(self, level: str) -> tuple[int, int]:
        """Before, the largest id was the whole machine's. Source: kernel commit 7863dcc72d0f."""
        return (0, 0) if level == self.default else (6, 14)


class PersonalityFactor(Factor):
    """The execution domain: old ways of the kernel that a parent can ask for."""

    name = "personality"
    default = "linux"
    control = "linux"
    levels = {
        "linux": "none is asked for",
        "no-randomization": "addresses are the same in each process, as under a debugger or `setarch -R`",
        "uname26": "the kernel says that it is a 2.6, as for programs that cannot read a 3",
    }
    names = "personality addressof randomize_va_space maps id uname"
    signs = (
        "personality *; opens /proc/self/maps; opens /proc/self/personality; "
        "opens /proc/sys/kernel/randomize_va_space; names release"
    )
    _BITS: Mapping[str, int] = {"linux": 0, "no-randomization": _ADDR_NO_RANDOMIZE, "uname26": _UNAME26}

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set it."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, tuning=replace(plan.tuning, personality=self._BITS[level]))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The bits, and what the kernel says of itself."""
        return "personality", "kernel"

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say both; a kernel that knows no execution domains, as gVisor, has this one."""
        return f"{answers.text('personality') or '0'} {answers.words('kernel')[0]}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The bits are as asked, and a kernel says 2.6 only then."""
        bits, release = found.split()
        return int(bits, 16) == self._BITS[level] and release.startswith("2.6.") == (level == "uname26")

    def carriers(self, level: str) -> frozenset[str]:
        """An engine starts its containers itself, and gVisor has one execution domain."""
        return EVERY if level == self.default else BUNDLES


class EntropyFactor(Factor):
    """Whether random bytes can be had by a call, without a file."""

    name = "entropy"
    default = "getrandom"
    control = "null"
    levels = {
        "getrandom": "by getrandom(2)",
        "no-getrandom": "getrandom fails with ENOSYS, as before Linux 3.17: there is /dev/urandom only",
        "null": "one more rule, for flags that getrandom has never had (null control)",
    }
    names = "getrandom urandom token_bytes token_hex token_urlsafe SystemRandom uuid4 uuid secrets"
    signs = "opens /dev/urandom; opens /dev/random; looks /dev/urandom; opens /proc/sys/kernel/random*; errno ENOSYS"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Deny the call."""
        match level:
            case "getrandom":
                return plan
            case "no-getrandom":
                denied = Denial(syscall="getrandom", errno=errno.ENOSYS)
            case "null":
                denied = Denial(syscall="getrandom", errno=errno.EINVAL, arguments=MappingProxyType({2: _NO_FLAG}))
            case _:
                raise self.unknown(level)
        return replace(plan, denials=(*plan.denials, denied))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """What becomes of a call for one byte."""
        return ("getrandom",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say it."""
        return _named(answers.text("getrandom"))

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It fails as asked, or not at all."""
        return found == ("ENOSYS" if level == "no-getrandom" else "yes")

    def carriers(self, level: str) -> frozenset[str]:
        """GVisor answers calls itself."""
        return EVERY if level == self.default else LINUX

    def fidelity(self, level: str) -> Fidelity:
        """An old kernel is imitated by one rule."""
        return Fidelity.EMULATED if level == "no-getrandom" else Fidelity.NATIVE


def _with_sysctls(plan: Plan, switches: Mapping[str, str]) -> Plan:
    if not switches:
        return plan
    return replace(plan, tuning=replace(plan.tuning, sysctls={**plan.tuning.sysctls, **switches}))


def _named(said: str) -> str:
    """Return ``yes``, the name of the error, or ``no`` where nothing was said."""
    return errno.errorcode.get(int(said), said) if said.isdecimal() else said or "no"
