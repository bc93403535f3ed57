"""Who the program is and what it may do: limits, ids, capabilities, filter."""

import os
import resource
from contextlib import suppress

from runtime.backends.native import processes
from runtime.backends.native.idmap import be_seen_as
from runtime.backends.native.steps.step import Sandbox
from runtime.backends.native.syscalls import call
from runtime.data import dataclass
from runtime.errors import BackendError
from runtime.plan import User

# resource.h gives these names their numbers; Python has them under the same names.
RESOURCES = {
    "as": resource.RLIMIT_AS,
    "core": resource.RLIMIT_CORE,
    "cpu": resource.RLIMIT_CPU,
    "data": resource.RLIMIT_DATA,
    "fsize": resource.RLIMIT_FSIZE,
    "memlock": resource.RLIMIT_MEMLOCK,
    "nofile": resource.RLIMIT_NOFILE,
    "nproc": resource.RLIMIT_NPROC,
    "stack": resource.RLIMIT_STACK,
}


@dataclass(frozen=True, slots=True)
class SetLimit:
    """Set one rlimit, soft and hard."""

    name: str
    value: int

    def describe(self) -> str:
        """Say it."""
        return f"limit {self.name} to {self.value}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Set it; a limit above this machine's own hard one cannot be had."""
        if self.name not in RESOURCES:
            raise BackendError(f"there is no rlimit {self.name!r}; known are {', '.join(sorted(RESOURCES))}")
        try:
            resource.setrlimit(RESOURCES[self.name], (self.value, self.value))
        except (ValueError, PermissionError) as error:
            hard = resource.getrlimit(RESOURCES[self.name])[1]
            raise BackendError(
                f"cannot set the limit {self.name} to {self.value}: this machine allows {hard} at most",
                hint="raise it where Seatrial is started from, such as in /etc/security/limits.conf",
            ) from error


@dataclass(frozen=True, slots=True)
class SetMask:
    """Set the file mode creation mask."""

    umask: int

    def describe(self) -> str:
        """Say it."""
        return f"set the umask to {self.umask:04o}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Set it."""
        os.umask(self.umask)


@dataclass(frozen=True, slots=True)
class UseCpus:
    """Use so many of these CPUs, from the one on that the kernel chose: runs beside each other then share none."""

    count: int
    cpus: tuple[int, ...]

    def describe(self) -> str:
        """Say it."""
        return f"use {self.count} CPUs"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Set the affinity."""
        here = call("sched_getcpu")
        first = self.cpus.index(here) if here in self.cpus else 0
        os.sched_setaffinity(0, [*self.cpus[first:], *self.cpus[:first]][: self.count])


@dataclass(frozen=True, slots=True)
class BeSeenAs:
    """Show the only id as the program's user. All rights over what was set up until now end with that."""

    uid: int
    gid: int

    def describe(self) -> str:
        """Say it."""
        return f"be seen as {self.uid}:{self.gid}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Enter a user namespace of its own."""
        be_seen_as(self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class BoundCapabilities:
    """Bound what can ever be gained, and hold nothing inheritable."""

    kept: tuple[str, ...]

    def describe(self) -> str:
        """Say it."""
        return f"bound the capabilities to {', '.join(self.kept) or 'none'}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Drop all others from the bounding set."""
        processes.bound_capabilities(frozenset(self.kept))


@dataclass(frozen=True, slots=True)
class BecomeUser:
    """Take the ids of the program's user; only user 0 keeps capabilities."""

    user: User
    held: tuple[str, ...]

    def describe(self) -> str:
        """Say it."""
        groups = ",".join(map(str, self.user.groups)) or "none"
        held = ", ".join(self.held) or "nothing"
        return f"become {self.user.uid}:{self.user.gid}, further groups {groups}, holding {held}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Change ids, then capabilities, then undo what the kernel undid on that change."""
        processes.become(self.user.uid, self.user.gid, self.user.groups)
        processes.set_capabilities(frozenset(self.held))
        processes.be_opaque()
        processes.die_with_parent()


@dataclass(frozen=True, slots=True)
class NoNewPrivileges:
    """Gain no rights by set-user-id programs."""

    def describe(self) -> str:
        """Say it."""
        return "gain no new privileges"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Set the bit, for ever."""
        processes.prctl(processes.PR_SET_NO_NEW_PRIVS, 1)


@dataclass(frozen=True, slots=True)
class FilterCalls:
    """Load the filter of system calls."""

    name: str
    denials: int
    program: bytes
    heard: bytes = b""

    def describe(self) -> str:
        """Say it."""
        return f"filter system calls: profile {self.name}, {self.denials} further denials"

    def execute(self, sandbox: Sandbox) -> None:
        """Load it, or the one in its place that hands denied calls on to a listener."""
        with suppress(OSError):  # EBUSY: a supervisor of Seatrial itself listens already, and the kernel takes one
            if self.heard:
                sandbox.listener = processes.listen_to_calls(self.heard)
                return
        processes.filter_calls(self.program)
