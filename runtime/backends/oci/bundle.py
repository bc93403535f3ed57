"""From a plan to the ``config.json`` of a bundle: pure, so that it can be shown and tested without a runtime.

Source: OCI runtime specification 1.0.2, config.md and config-linux.md.
"""

import os
from collections.abc import Mapping
from types import MappingProxyType

from runtime.backends.native.machine import Machine
from runtime.backends.native.recipe import kernel_files
from runtime.backends.native.steps.kernel_files import MASKED, READ_ONLY
from runtime.backends.native.steps.rights import RESOURCES
from runtime.canonical import Json
from runtime.data import dataclass
from runtime.factors import FACTORS
from runtime.plan import OUT, FirstProcess, Plan, RootFilesystem, Stdin

LAUNCH = "/.seatrial/launch"
"""Where a container finds the launcher and its questions, read-only."""

ANSWERS = f"{OUT}/.answers"
STATUS = f"{OUT}/.status"

MOST_STATUS = 4096
"""Bytes of the file at ``STATUS``."""

# The newest that Debian's crun 1.8 and runsc of 2022 take; nothing newer is used.
_VERSION = "1.0.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the runtime finds on this machine what it mounts: absolute paths in its own mount namespace.

    Args:
        root: the root of the run's tree.
        launch: the folder of the launcher.
        kernel_files: one file for each of ``kernel_files(plan, machine)``, in that order.
    """

    root: str
    launch: str
    kernel_files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the launcher wrote when the program had ended: its wait status, and name → number of what was used."""

    status: int
    used: Mapping[str, int]


def parse_status(written: bytes | None) -> Status | None:
    """Read what the launcher wrote, None if it wrote nothing that can be read."""
    if written is None:
        return None
    try:
        first, *rest = written.decode("ascii").splitlines()
        used = {name: int(value) for name, _, value in (line.partition(" ") for line in rest)}
        return Status(status=int(first), used=MappingProxyType(used))
    except ValueError:
        return None


def questions_of(plan: Plan) -> tuple[str, ...]:
    """Return what the launcher is asked: every question of every factor once, sorted."""
    asked = {question for each in FACTORS for question in each.questions(plan)}
    return tuple(sorted(each for each in asked if "\n" not in each))


def environment_of(plan: Plan) -> bytes:
    """Return the whole environment as the launcher reads it: runtimes add variables of their own, which it drops."""
    return b"".join(os.fsencode(f"{key}={value}") + b"\0" for key, value in plan.environment.items())


def launcher_argv(plan: Plan, machine: Machine) -> tuple[str, ...]:
    """Return the command line by which the launcher starts the plan's program."""
    argv = [f"{LAUNCH}/launcher", "--environment", f"{LAUNCH}/environment", "--umask", f"{plan.umask:04o}"]
    argv += ["--cpus", f"{plan.limits.cpus}:{','.join(map(str, machine.cpus))}"]
    if plan.first_process is FirstProcess.INIT:
        argv += ["--init", STATUS]
    if plan.stdin is not Stdin.INHERITED:
        argv += ["--stdin", plan.stdin.value]
    if plan.ignored_signals:
        argv += ["--ignore", ",".join(map(str, plan.ignored_signals))]
    argv += ["--ask", f"{LAUNCH}/questions", ANSWERS, "--await", f"{LAUNCH}/go"]
    return (*argv, "--", *plan.argv)


def configuration(plan: Plan, machine: Machine, sources: Sources, seccomp: Json) -> dict[str, Json]:
    """Return the configuration of the container.

    Its network and user namespaces are those that the runtime is started in: ids, interfaces and limits are in place
    already, as for a run of our own.
    """
    return {
        "ociVersion": _VERSION,
        "process": _process(plan, machine),
        "root": {"path": sources.root, "readonly": plan.root_filesystem is RootFilesystem.READ_ONLY},
        "hostname": plan.hostname,
        "mounts": [*_mounts(plan, machine, sources)],
        "linux": {
            "namespaces": [{"type": each} for each in ("pid", "ipc", "uts", "mount", "cgroup")],
            "maskedPaths": [*MASKED],
            "readonlyPaths": [*READ_ONLY],
            **({"seccomp": seccomp} if seccomp else {}),
        },
    }


def _process(plan: Plan, machine: Machine) -> dict[str, Json]:
    names: list[Json] = [f"CAP_{each.upper()}" for each in plan.capabilities]
    held: list[Json] = names if plan.user.uid == 0 else []
    limits = {**plan.limits.resources, "nofile": plan.limits.open_files}
    return {
        "terminal": False,
        "user": {"uid": plan.user.uid, "gid": plan.user.gid, "additionalGids": [*plan.user.groups]},
        "args": [*launcher_argv(plan, machine)],
        "env": [f"{key}={value}" for key, value in plan.environment.items()],
        "cwd": plan.workdir,
        "capabilities": {"bounding": names, "permitted": held, "effective": held, "inheritable": [], "ambient": []},
        "rlimits": [
            {"type": f"RLIMIT_{name.upper()}", "soft": value, "hard": value}
            for name, value in sorted(limits.items())
            if name in RESOURCES
        ],
        "noNewPrivileges": plan.no_new_privileges,
    }


def _mounts(plan: Plan, machine: Machine, sources: Sources) -> list[Json]:
    safe = ["nosuid", "noexec", "nodev"]
    devpts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    return [
        _mount("/proc", "proc", [*safe, *(("hidepid=2",) if plan.tuning.hides_processes else ())]),
        _mount("/sys", "sysfs", [*safe, "ro"]),
        _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount("/dev/pts", "devpts", devpts),
        _mount("/dev/mqueue", "mqueue", safe),
        *(
            _mount(
                each.path,
                "tmpfs",
                [
                    "nosuid",
                    "nodev",
                    *(() if each.executable else ("noexec",)),
                    f"size={each.size}",
                    f"mode={each.mode:o}",
                    f"uid={each.uid}",
                    f"gid={each.gid}",
                ],
            )
            for each in plan.tmpfs
        ),
        _bind(OUT, f"{sources.root}{OUT}", safe),
        _bind(LAUNCH, sources.launch, ["nosuid", "nodev", "ro"]),
        *(
            _bind(file.path, source, [*safe, "ro"])
            for file, source in zip(kernel_files(plan, machine), sources.kernel_files, strict=True)
        ),
    ]


def _mount(path: str, kind: str, options: list[str]) -> Json:
    return {"destination": path, "type": kind, "source": kind, "options": [*options]}


def _bind(path: str, source: str, options: list[str]) -> Json:
    return {"destination": path, "type": "bind", "source": source, "options": ["bind", *options]}
