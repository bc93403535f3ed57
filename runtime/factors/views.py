"""``proc-view``, ``meminfo-view``, ``cgroup-view``: what the kernel's file systems show of the machine."""

from runtime.data import replace
from runtime.factors.carriers import BUNDLES, EVERY, LINUX, NATIVE, OWN
from runtime.factors.factor import Factor
from runtime.factors.questions import MOUNTS, Answers
from runtime.outcome import Fidelity
from runtime.plan import File, GroupsView, Plan

_MEMINFO = "read /proc/meminfo"
_GROUPS = "/sys/fs/cgroup"


class ProcViewFactor(Factor):
    """Whether /proc shows the processes of others."""

    name = "proc-view"
    default = "all"
    control = "all"
    levels = {
        "all": "every process of the run",
        "own": "those of the same user only (hidepid=2), as on hardened hosts: process 1 is not there",
    }
    names = "process_iter pids ppid_map pidof"
    signs = (
        "lists /proc; opens /proc/N*; looks /proc/N*; lists /proc/N*; runs /bin/ps; runs /usr/bin/ps; "
        "runs /usr/bin/pgrep; opens /proc/1*; looks /proc/1*"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the option of the mount."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, tuning=replace(plan.tuning, hides_processes=level == "own"))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The mounts: whether process 1 can be seen depends on whose it is, too."""
        return (MOUNTS,)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say what /proc is mounted with."""
        options = {option for each in answers.mounts() if each.place == "/proc" for option in each.options}
        return "own" if any(each.startswith("hidepid=") for each in options) else "all"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is as asked."""
        return found == level

    def carriers(self, level: str) -> frozenset[str]:
        """An engine mounts /proc in its own way, and gVisor knows no such option."""
        return EVERY if level == self.default else BUNDLES


class MeminfoViewFactor(Factor):
    """Whether /proc/meminfo tells of the machine or of the run's limit."""

    name = "meminfo-view"
    default = "machine"
    control = "machine"
    levels = {
        "machine": "the memory of the machine, as in every container",
        "limit": "the limit of the run, as LXCFS and virtual machines show it",
    }
    names = "sysconf SC_PHYS_PAGES SC_AVPHYS_PAGES virtual_memory meminfo sysinfo"
    signs = "opens /proc/meminfo; looks /proc/meminfo; runs /usr/bin/free"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Mount a file over /proc/meminfo."""
        if level not in self.levels:
            raise self.unknown(level)
        if level == "machine" or plan.limits.memory is None:
            return plan
        shown = File(path="/proc/meminfo", content=_meminfo(plan.limits.memory), mode=0o444, over=True)
        return replace(plan, files=(*plan.files, shown))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The file, and what is mounted."""
        return _MEMINFO, MOUNTS

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say how much memory there is, and whether the kernel itself says so."""
        lines = (line.split() for line in answers.text(_MEMINFO).splitlines())
        total = next((words[1] for words in lines if words[:1] == ["MemTotal:"]), "-1")
        ours = any(each.place == "/proc/meminfo" for each in answers.mounts())
        return f"{total} {'limit' if ours else 'machine'}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """It is who was asked for, and the limit is the run's."""
        total, who = found.split()
        return who == level and (level == "machine" or total == str((plan.limits.memory or 0) >> 10))

    def carriers(self, level: str) -> frozenset[str]:
        """GVisor tells of its own memory."""
        return EVERY if level == self.default else LINUX

    def fidelity(self, level: str) -> Fidelity:
        """The file does not move as memory is used."""
        return Fidelity.NATIVE if level == self.default else Fidelity.EMULATED


class CgroupViewFactor(Factor):
    """Which control groups the program finds at /sys/fs/cgroup."""

    name = "cgroup-view"
    default = "as-is"
    control = "as-is"
    levels = {
        "as-is": "none; under an engine, what that shows",
        "v1": "the run's own, of the first version, read-only, a folder for each controller",
        "v2": "the run's own, of the second version, read-only; what is in it depends on the machine",
    }
    names = "cgroup"
    signs = (
        "opens /sys/fs/cgroup; looks /sys/fs/cgroup; lists /sys/fs/cgroup; measures /sys/fs/cgroup; "
        "opens /proc/self/cgroup; opens /proc/self/mountinfo"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set what is mounted."""
        if level not in self.levels:
            raise self.unknown(level)
        view = GroupsView.NONE if level == self.default else GroupsView(level)
        return replace(plan, tuning=replace(plan.tuning, groups=view))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """What is mounted."""
        return (MOUNTS,)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say the version by the kind of the mounts."""
        kinds = {each.kind for each in answers.mounts() if (each.place + "/").startswith(_GROUPS + "/")}
        return "v2" if "cgroup2" in kinds and "cgroup" not in kinds else "v1" if "cgroup" in kinds else "none"

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """It is as asked, and our own runtime shows none unasked."""
        if level != self.default:
            return found == level
        return found == "none" or plan.levels.get("runtime", "native") not in OWN

    def carriers(self, level: str) -> frozenset[str]:
        """Engines show control groups in their own way; our virtual machines have the second version only."""
        return {self.default: EVERY, "v1": NATIVE}.get(level, OWN)


def _meminfo(memory: int) -> bytes:
    """Return the file for a machine with so many bytes, half of them free. Source: proc_meminfo(5)."""
    total = memory >> 10
    rows = {
        "MemTotal": total,
        "MemFree": total // 2,
        "MemAvailable": total * 3 // 4,
        "Buffers": 0,
        "Cached": total // 4,
        "SwapCached": 0,
        "SwapTotal": 0,
        "SwapFree": 0,
    }
    return "".join(f"{name + ':':<16}{kib:>8} kB\n" for name, kib in rows.items()).encode()
