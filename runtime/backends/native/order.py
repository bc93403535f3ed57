"""What the client and the warm process tell each other about a run."""

from collections import deque
from collections.abc import Mapping

from runtime.backends.native.cgroups import Usage
from runtime.backends.native.strain import Strain
from runtime.canonical import Json
from runtime.data import dataclass, field
from runtime.outcome import Calls, Ending, Network
from runtime.plan import Plan

_REMEMBERED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run to start.

    Args:
        plan: what to carry out.
        layers: folders of the unpacked layers, lowest first.
        tree: instead of layers, a folder that is the root itself, written in place; with layers, the folder over them
            that catches what is written, and keeps it.
        work: an empty folder on the file system of ``tree``, for the overlay; only where there are both.
        evidence: whether the factors' probes are asked before the program starts, and traces kept.
        destinations: whether calls that name a destination are heard as well: a signal that comes meanwhile may
            interrupt them, as it never does otherwise.
        runtime: who makes the container; None for ourselves.
        services: what runs beside it, each an order of its own, in the order of ``plan.services``.
        volumes: folder of this machine → where the run has it, written in place: data that outlives the run.
        is_lasting: whether it is a service that runs until somebody ends it: nobody waits to read what it leaves, and
            whoever started it gets its namespaces.
    """

    plan: Plan
    layers: tuple[str, ...] = ()
    tree: str = ""
    work: str = ""
    evidence: bool = True
    destinations: bool = False
    runtime: "ForeignRuntime | None" = None
    services: tuple["Order", ...] = ()
    volumes: tuple[tuple[str, str], ...] = ()
    is_lasting: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether what is written stays in a folder of the caller's."""
        return bool(self.tree)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRuntime:
    """A program that makes the container in our place, by an OCI bundle.

    Args:
        name: the level of the factor ``runtime``.
        argv: the program, by absolute path, and its global options.
        run_options: options of its command ``run``.
        launcher: path of the launcher.
        forwards_signals: whether its ``run`` hands signals on; otherwise its ``kill`` is asked.
        limited_whole: whether the control groups hold the runtime too, as its sandbox is one process to this kernel.
        answers_itself: factors whose default it fulfills in a way of its own, which no probe can see.
    """

    name: str
    argv: tuple[str, ...]
    run_options: tuple[str, ...] = ()
    launcher: str
    forwards_signals: bool = True
    limited_whole: bool = False
    answers_itself: frozenset[str] = frozenset()


class RecentOrders:
    """The last few orders, remembered alike at both ends: one that comes again is named by its place, not told again.

    To tell an order takes both ends together longer (0.8 ms, measured) than most of what a start consists of.
    """

    def __init__(self) -> None:
        self._orders: deque[Order] = deque(maxlen=_REMEMBERED)

    def add(self, order: Order) -> None:
        """Remember one more; each end does so at each order that is told, and at no other."""
        self._orders.append(order)

    def place_of(self, order: Order) -> int | None:
        """Return the place of an equal one, None if there is none."""
        return next((place for place, each in enumerate(self._orders) if each == order), None)

    def at(self, place: int) -> Order:
        """Return the one at a place."""
        return self._orders[place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the warm process saw of a run that ended.

    Args:
        status: the wait status of the program (of process 1 where the program's own is not known).
        deadline: whether the run was killed because its time was over.
        duration: milliseconds from the start of the program to its end.
        cpu_time: milliseconds of user and system time.
        usage: what the control groups, or samples, say it used.
        strain: what held it up, and what it left.
        watched: True if ``usage`` comes from samples.
        one_id: True if the kernel had one id only, so that the user was emulated.
        evidence: factor → what its probe found.
        sandbox: the effective sandbox; empty where nobody looked.
        calls: what its filter denied; None where nobody looked.
        network: how it tried to reach beyond itself; likewise.
        trace: what a traced run touched, as JSON; empty for other runs.
        shutdown: how services ended, and what the program had left behind; None where nobody looked.
    """

    status: int
    deadline: bool = False
    duration: int = 0
    cpu_time: int = -1
    usage: Usage = field(default_factory=Usage)
    strain: Strain = field(default_factory=Strain)
    watched: bool = False
    one_id: bool = False
    evidence: Mapping[str, str] = field(default_factory=dict)
    sandbox: Mapping[str, Json] = field(default_factory=dict)
    calls: Calls | None = None
    network: Network | None = None
    trace: bytes = b""
    shutdown: tuple[Ending, ...] | None = None
