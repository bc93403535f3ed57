"""What the kernel says of a container that runs: read from outside, from /proc and the control groups.

The program's words and variables alone are as it was started with them: a program may overwrite both.

Source: proc_pid_status(5), proc_pid_mountinfo(5), proc_pid_limits(5), proc_pid_stat(5), proc_pid_personality(5).
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.declare.errors import TargetError
from runtime.backends.native.cgroups import usage_of
from runtime.backends.native.effective import capabilities, mounts
from runtime.backends.native.idmap import IdMap
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.plan import Plan

_PROC = Path("/proc")
_UNAME26 = 0x0020000  # linux/personality.h
_STOPPED = "tT"  # by a signal, or by whoever traces it
_SECRET = None
"""What stands for the value of a secret: neither it nor its digest is told."""


def program_of(init: int) -> int:
    """Return the pid of a container's program, the first child of its process 1.

    Raises:
        TargetError: there is none: it has ended, or is about to.
    """
    with suppress(OSError):
        found = (_PROC / str(init) / "task" / str(init) / "children").read_text().split()
        if found:
            return int(found[0])
    raise TargetError("a container has no program any more")


def is_stopped(pid: int) -> bool:
    """Tell whether a process is held by a signal."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in _STOPPED


def kernel_as_shown(personality: int) -> str:
    """Return the release of the kernel, and whether a program is shown another one."""
    return os.uname().release + (", shown as a 2.6" if personality & _UNAME26 else "")


def read_facts(init: int, plan: Plan, secrets: Collection[str], id_map: IdMap) -> Mapping[str, Json]:
    """Return what is in effect for a container, in the words of ``Replica``.

    Args:
        init: pid of its process 1.
        plan: by which it was started.
        secrets: names of variables that are secret.
        id_map: of its user namespace.

    Raises:
        TargetError: it has ended.
    """
    pid = program_of(init)
    try:
        return {
            "argv": list(plan.argv),
            "environment": _environment(plan, secrets),
            **_of_status(_status(pid), id_map),
            "capabilities": _capabilities(init, pid),
            "mounts": _mounts(pid),
            "limits": _limits(pid),
            "cpus": len(os.sched_getaffinity(pid)),
            **(usage_of(pid).in_effect or {}),
        }
    except (OSError, KeyError) as error:
        raise TargetError(f"what holds a container cannot be read: {error}") from error


def _environment(plan: Plan, secrets: Collection[str]) -> Json:
    return {
        name: _SECRET if name in secrets else Digest.of(value.encode("utf-8", "surrogateescape")).text
        for name, value in plan.environment.items()
    }


def _of_status(status: Mapping[str, str], id_map: IdMap) -> Mapping[str, Json]:
    uids, gids = ([int(each) for each in status[name].split()] for name in ("Uid", "Gid"))
    groups = sorted(id_map.inside(0, int(each))[1] for each in status["Groups"].split())
    found: dict[str, Json] = {
        "no-new-privileges": status["NoNewPrivs"].strip() == "1",
        "seccomp": f"mode {status['Seccomp'].strip()}, {status.get('Seccomp_filters', '?').strip()} filters",
    }
    if not id_map.has_one_id:  # there the user is emulated, and the kernel knows no other
        inside = [id_map.inside(uid, gid) for uid, gid in zip(uids, gids, strict=True)]
        found["user"] = {"uids": [each[0] for each in inside], "gids": [each[1] for each in inside], "groups": groups}
    return found


def _capabilities(init: int, pid: int) -> Json:
    """Return what the program may gain, and what any process in the container holds."""
    held: set[str] = set()
    for each in _processes(init):
        with suppress(OSError, KeyError):
            held.update(capabilities(_status(each)["CapPrm"]))
    return {"bounding": capabilities(_status(pid)["CapBnd"]), "held": sorted(held)}


def _processes(init: int) -> Iterator[int]:
    """Yield the processes in the PID namespace of a container, those included that somebody put there."""
    wanted = (_PROC / str(init) / "ns" / "pid").readlink()
    for each in sorted(int(found.name) for found in _PROC.iterdir() if found.name.isdecimal()):
        with suppress(OSError):
            if (_PROC / str(each) / "ns" / "pid").readlink() == wanted:
                yield each


def _mounts(pid: int) -> Json:
    """Return the mounts, each as its place, type and options. What is shown there, a path of this machine may name."""
    listed = mounts((_PROC / str(pid) / "mountinfo").read_text(errors="backslashreplace"))
    return [_mount(each) for each in listed if isinstance(each, Mapping)]


def _mount(found: Mapping[str, Json]) -> str:
    options = found["options"]
    joined = ",".join(map(str, options)) if isinstance(options, Sequence) else ""
    return f"{found['path']} {found['type']} {joined}"


def _limits(pid: int) -> Json:
    lines = (_PROC / str(pid) / "limits").read_text().splitlines()[1:]
    return {line[:26].strip().lower(): line[26:].split()[:2] for line in lines}


def _status(pid: int) -> Mapping[str, str]:
    lines = (_PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
