"""``Outcome``: what the kernel reported of one run. It says nothing about what that means."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from runtime.canonical import Json
from runtime.data import dataclass, field, fields
from runtime.digest import Digest


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
        changed: absolute paths written, made or removed in the run's tree, sorted; capped at 10,000.
        resources: what it used.
        evidence: factor name → what was found in effect.
        ambient: facts of the machine that no factor sets, such as ``kernel``.
        sandbox: what held the run, read back from inside; empty where nobody looked (other runtimes than ours).
        duration: milliseconds from the start of the program to its end.
    """

    exit_code: int | None
    signal: int | None = None
    limit: Limit | None = None
    stdout: Stream
    stderr: Stream
    results: bytes | None = None
    artifacts: Mapping[str, Digest] = field(default_factory=lambda: MappingProxyType({}))
    changed: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    evidence: Mapping[str, Evidence] = field(default_factory=lambda: MappingProxyType({}))
    ambient: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sandbox: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    duration: int = 0
