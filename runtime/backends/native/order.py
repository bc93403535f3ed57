"""What the client and the warm process tell each other about a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.backends.native.cgroups import Usage
from runtime.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run to start.

    Args:
        plan: what to carry out.
        layers: folders of the unpacked layers, lowest first.
        tree: instead of layers, a folder that is the root itself, written in place.
        evidence: whether the factors' probes are asked before the program starts.
    """

    plan: Plan
    layers: tuple[str, ...] = ()
    tree: str = ""
    evidence: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the warm process saw of a run that ended.

    Args:
        status: the wait status of the program (of process 1 where the program's own is not known).
        deadline: whether the run was killed because its time was over.
        duration: milliseconds from the start of the program to the end of its last process.
        cpu_time: milliseconds of user and system time.
        usage: what the control groups, or samples, say it used.
        watched: True if ``usage`` comes from samples.
        evidence: factor → what its probe found.
    """

    status: int
    deadline: bool = False
    duration: int = 0
    cpu_time: int = -1
    usage: Usage = field(default_factory=Usage)
    watched: bool = False
    evidence: Mapping[str, str] = field(default_factory=dict)
