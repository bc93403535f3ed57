"""``Outcome``: what the kernel reported of one run. It says nothing about what that means."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from runtime.canonical import Json
from runtime.data import dataclass, field, fields
from runtime.digest import Digest
from runtime.trace import Trace


class Limit(StrEnum):
    """What ended a run that did not end by itself."""

    OOM = "oom"
    DEADLINE = "deadline"
    OUTPUT = "output"


class Fidelity(StrEnum):
    """How true a level is: the real thing, the same interface by other means, or a hint an emulator may disturb."""

    NATIVE = "native"
    EMULATED = "emulated"
    ADVISORY = "advisory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One output stream.

    Args:
        content: the first bytes, up to the cap of the backend (16 MiB by default).
        size: how many bytes were written in all.
        digest: over all bytes, kept or not.
    """

    content: bytes
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found in effect for one factor, read from inside the run (or from the kernel's accounting of it).

    Args:
        found: what the probe read, as text.
        holds: whether that is what the level asks for.
        fidelity: how true the level is.
    """

    found: str
    holds: bool
    fidelity: Fidelity = Fidelity.NATIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a run used; -1 where this machine cannot tell.

    Args:
        peak_memory: bytes, over all processes together.
        peak_processes: processes and threads at once.
        cpu_time: milliseconds of user and system time.
        throttled_periods: periods in which its CPU quota was used up; of a run without a quota nothing tells.
        throttled_time: milliseconds that it waited for the next of these periods.
        pressure: ``cpu``, ``io``, ``memory`` → milliseconds in which some process waited for it.
        has_own_pressure: whether that is the run's own (control groups v2); otherwise the whole machine's, meanwhile.
        oom_kills: how often the kernel killed one of its processes for want of memory.
        victims: names of those processes, in order; empty where this user may not read the kernel's log.
        written: bytes by which its tree grew; what it wrote into a tmpfs is memory, and what it removed is not there.
    """

    peak_memory: int = -1
    peak_processes: int = -1
    cpu_time: int = -1
    throttled_periods: int = -1
    throttled_time: int = -1
    pressure: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    has_own_pressure: bool = False
    oom_kills: int = -1
    victims: tuple[str, ...] = ()
    written: int = -1

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON, every field by its name."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return found | {"pressure": dict(self.pressure), "victims": list(self.victims)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Resources":
        """Read what ``to_json`` wrote.

        Raises:
            TypeError, ValueError, AttributeError: it did not write this.
        """
        taken: dict[str, Any] = {
            "pressure": MappingProxyType({str(name): int(time) for name, time in value.get("pressure", {}).items()}),
            "has_own_pressure": value.get("has_own_pressure") is True,
            "victims": tuple(map(str, value.get("victims", ()))),
        }
        taken |= {name: int(number) for name, number in value.items() if name not in taken}
        return cls(**taken)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Denied:
    """A system call that the filter denied.

    Args:
        call: its name, or its number where it has none here.
        errno: by which it failed, such as ``EPERM``.
        count: how often.
    """

    call: str
    errno: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Attempt:
    """A destination that a program named to the kernel: whether it was reached is not in it.

    Args:
        address: IPv4 or IPv6, as text.
        port: likewise.
        count: how often.
    """

    address: str
    port: int
    count: int = 1

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """System calls that a run's filter told of.

    Args:
        denied: those that it denied, sorted.
        attempts: destinations beyond the loopback interface, and name servers wherever they are, sorted; empty where
            nobody asked for them.
        is_whole: False if there was more than is counted: then all counts are at least so many.
    """

    denied: tuple[Denied, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    is_whole: bool = True

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "denied": [{"call": each.call, "errno": each.errno, "count": each.count} for each in self.denied],
            "attempts": [{"address": each.address, "port": each.port, "count": each.count} for each in self.attempts],
            "is_whole": self.is_whole,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Calls":
        """Read what ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: it did not write this.
        """
        return cls(
            denied=tuple(
                Denied(call=str(each["call"]), errno=str(each["errno"]), count=int(each["count"]))
                for each in value["denied"]
            ),
            attempts=tuple(
                Attempt(address=str(each["address"]), port=int(each["port"]), count=int(each["count"]))
                for each in value["attempts"]
            ),
            is_whole=value["is_whole"] is True,
        )


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Lookup:
    r"""A name whose address a program asked for, of the name server that its host does not have.

    Args:
        name: as it asked, with ``\NNN`` for a byte that no name should hold.
        count: how many datagrams asked for it: libraries ask for IPv4 and IPv6, and again.
    """

    name: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How a run tried to reach beyond itself, as its own network tells it.

    Args:
        lookups: names that it asked for, sorted.
        unroutable: how often it had no route to a destination.
    """

    lookups: tuple[Lookup, ...] = ()
    unroutable: int = 0

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "lookups": [{"name": each.name, "count": each.count} for each in self.lookups],
            "unroutable": self.unroutable,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Network":
        """Read what ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: it did not write this.
        """
        lookups = (Lookup(name=str(each["name"]), count=int(each["count"])) for each in value["lookups"])
        return cls(lookups=tuple(lookups), unroutable=int(value["unroutable"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a process ended that outlived the program: a service, or what the program had left behind.

    Args:
        name: of the service; of a process that was left, its own, as the kernel shows it.
        is_service: whether it is one.
        exit_code: its own, or None if a signal ended it.
        signal: the number of that signal, or None.
        is_killed: whether it was killed, as it did not heed SIGTERM in its grace, or was not asked.
        duration: milliseconds from SIGTERM to its end; -1 if it was not asked.
    """

    name: str
    is_service: bool = False
    exit_code: int | None = None
    signal: int | None = None
    is_killed: bool = False
    duration: int = -1

    @property
    def rank(self) -> tuple[str | int, ...]:
        """By which they are sorted: of processes with one name, those that a signal ended come after the others."""
        ended = (-1 if each is None else each for each in (self.signal, self.exit_code))
        return (self.name, self.is_service, *ended, self.is_killed, self.duration)

    def __str__(self) -> str:
        if self.is_killed:
            return "killed"
        return f"signal {self.signal}" if self.signal is not None else f"exit {self.exit_code}"

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON, every field by its name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Ending":
        """Read what ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: it did not write this.
        """
        code, signal = value["exit_code"], value["signal"]
        return cls(
            name=str(value["name"]),
            is_service=value["is_service"] is True,
            exit_code=None if code is None else int(code),
            signal=None if signal is None else int(signal),
            is_killed=value["is_killed"] is True,
            duration=int(value["duration"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the kernel reported.

    Args:
        exit_code: the program's, or None if it was ended by a signal or a limit.
        signal: the number of the signal that ended the program, or None.
        limit: which limit ended the run, or None. Then ``exit_code`` and ``signal`` are None.
        stdout: what it wrote there.
        stderr: likewise.
        results: the content of the file that ``Plan.results`` names; None if there was none.
        artifacts: path relative to the working folder → digest, for all files that match ``Plan.artifacts``.
        texts: path → content, of those artifacts that are short texts, as far as there is room for them.
        changed: absolute paths written, made or removed in the run's tree, sorted; capped at 10,000.
        resources: what it used.
        evidence: factor name → what was found in effect.
        ambient: facts of the machine that no factor sets, such as ``kernel``.
        sandbox: what held the run, read back from inside; empty where nobody looked (other runtimes than ours).
        calls: what the filter denied; None where nobody looked.
        network: how it tried to reach beyond itself; None where nobody looked.
        trace: what it touched, of a traced run (``Plan.is_traced``); None where nobody looked.
        shutdown: how what outlived the program ended, services first; None where nobody looked.
        duration: milliseconds from the start of the program to its end.
    """

    exit_code: int | None
    signal: int | None = None
    limit: Limit | None = None
    stdout: Stream
    stderr: Stream
    results: bytes | None = None
    artifacts: Mapping[str, Digest] = field(default_factory=lambda: MappingProxyType({}))
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    changed: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    evidence: Mapping[str, Evidence] = field(default_factory=lambda: MappingProxyType({}))
    ambient: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sandbox: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    calls: Calls | None = None
    network: Network | None = None
    trace: Trace | None = None
    shutdown: tuple[Ending, ...] | None = None
    duration: int = 0
