"""The sandbox as it came to be: read back from inside, just before the program starts, by the twin of the program.

What names this machine is left out: numbers of mounts, devices and peer groups, sources, layers, and options that the
kernel's own file systems take from the machine.

Source: proc_pid_mountinfo(5), proc_pid_status(5), namespaces(7), user_namespaces(7).
"""

import hashlib
import os
import resource
from collections.abc import Mapping
from contextlib import suppress

from runtime.backends.native.processes import CAPABILITIES
from runtime.canonical import Json, to_text

FORMAT = 1

_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
_SETS = {
    "ambient": "CapAmb",
    "bounding": "CapBnd",
    "effective": "CapEff",
    "inheritable": "CapInh",
    "permitted": "CapPrm",
}
_OURS = frozenset({"devpts", "mqueue", "proc", "sysfs", "tmpfs"})
"""File systems that a run mounts by itself: their options are its own."""

_OF_MACHINE = ("inode32", "inode64", "huge=", "uid=", "gid=", "nr_inodes=")
"""Options of a tmpfs that the machine chooses, or that the kernel shows in ids of the machine."""


def read_inside(program: bytes) -> dict[str, Json]:
    """Return what holds this very process, as JSON.

    Args:
        program: the filter of system calls that was loaded; the kernel gives none back.
    """
    status = dict(line.split(":", 1) for line in _text("/proc/self/status").splitlines() if ":" in line)
    return {
        "namespaces": namespaces(),
        "ids": {"users": mapped(_text("/proc/self/uid_map")), "groups": mapped(_text("/proc/self/gid_map"))},
        "capabilities": {name: capabilities(status.get(key, "0")) for name, key in _SETS.items()},
        "no-new-privileges": status.get("NoNewPrivs", "0").strip() == "1",
        "seccomp": {
            "mode": int(status.get("Seccomp", "0")),
            "program": "sha256:" + hashlib.sha256(program).hexdigest() if program else "",
        },
        "mounts": mounts(_text("/proc/self/mountinfo")),
        "limits": _limits(),
    }


def to_record(
    inside: Mapping[str, Json], outside: Mapping[str, str], groups: Mapping[str, str], environment: Mapping[str, str]
) -> Mapping[str, Json]:
    """Return the whole record of an effective sandbox.

    Args:
        inside: what ``read_inside`` found.
        outside: the namespaces of who started it: those that differ are the run's own.
        groups: factor → what its control groups enforced.
        environment: the whole environment of the program.
    """
    within = inside["namespaces"]
    assert isinstance(within, Mapping)  # noqa: S101 - ``read_inside`` made it
    return {
        **inside,
        "format": FORMAT,
        "namespaces": sorted(name for name, which in within.items() if which != outside.get(name)),
        "groups": dict(groups),
        "environment": {to_text(os.fsencode(name)): to_text(os.fsencode(text)) for name, text in environment.items()},
    }


def namespaces() -> dict[str, str]:
    """Return the namespaces of this process, each by a name that is the same for all who are in it."""
    found = {}
    for name in _NAMESPACES:
        with suppress(OSError):  # a kernel without it
            found[name] = os.readlink(f"/proc/self/ns/{name}")  # noqa: PTH115 - no pathlib in the warm process
    return found


def mapped(text: str) -> int:
    """Return how many ids a map of /proc holds."""
    return sum(int(line.split()[2]) for line in text.splitlines())


def capabilities(text: str) -> list[str]:
    """Return the names of a set of capabilities as /proc shows it; the number of one that is not known."""
    bits = int(text.strip(), 16)
    numbers = [each for each in range(bits.bit_length()) if bits >> each & 1]
    return sorted(CAPABILITIES[each] if each < len(CAPABILITIES) else str(each) for each in numbers)


def mounts(text: str) -> list[Json]:
    """Return the mounts of /proc/self/mountinfo in their order: place, type, folder of it that is shown, options."""
    return [_mount(line) for line in text.splitlines()]


def _mount(line: str) -> Json:
    before, _, after = line.partition(" - ")
    _, _, _, root, path, own, *optional = before.split(" ")
    kind, _, whole = after.split(" ", 2)
    options = whole.split(",")
    kept = [each for each in options if not each.startswith(_OF_MACHINE)] if kind in _OURS else []
    return {
        "path": path,
        "type": kind,
        "root": root,
        "options": sorted(own.split(",")),
        "of-type": sorted(kept),
        "propagation": sorted(each.partition(":")[0] for each in optional),
    }


def _limits() -> dict[str, Json]:
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE")
    return {name.removeprefix("RLIMIT_").lower(): list(resource.getrlimit(getattr(resource, name))) for name in names}


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123 - no pathlib in the warm process
        return file.read()
