"""From a plan to what an engine is asked for: pure, so that it can be shown and tested without an engine.

Source: Docker Engine API 1.41, ``ContainerCreate``; Podman's compatible interface takes the same.
"""

import tarfile

from runtime.backends.native.machine import Machine
from runtime.backends.native.recipe import kernel_files
from runtime.backends.native.steps.rights import RESOURCES
from runtime.backends.oci.bundle import LAUNCH, launcher_argv
from runtime.canonical import Json
from runtime.data import dataclass
from runtime.factors.network import FIRST_FREE_PORT, PORTS
from runtime.plan import OUT, Plan, Tmpfs

OWNED = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Files that an engine mounts itself, so that ours must be mounted over them."""

_PERIOD = 100_000  # microseconds, the kernel's own default


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Absolute paths on the engine's machine.

    Args:
        out: becomes ``/.seatrial/out``.
        launch: the launcher's folder.
        sources: path in the run → a file that is mounted there.
        profile: what the engine takes for a profile of system calls: Docker its text, Podman its path.
    """

    out: str
    launch: str
    sources: dict[str, str]
    profile: str


def mounted_files(plan: Plan, machine: Machine) -> dict[str, bytes]:
    """Return the files that must be mounted, as they cannot be laid into the tree: path → content."""
    own = {each.path: each.content for each in plan.files if each.path in OWNED and not each.over}
    return own | {each.path: each.content for each in kernel_files(plan, machine)}


def laid_files(plan: Plan) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Return the entries that are laid into the container's tree before it starts."""
    entries = []
    for file in plan.files:
        if file.over or file.path in OWNED:
            continue
        entry = tarfile.TarInfo(file.path.lstrip("/"))
        entry.mode = file.mode
        if file.link:
            entry.type, entry.linkname = tarfile.SYMTYPE, file.link
        entries.append((entry, b"" if file.link else file.content))
    covered = {each.path for each in plan.tmpfs}
    # runc gives a tmpfs the mode of the folder that it is mounted on; /dev is another file system by then.
    mounted = (each for each in plan.tmpfs if not each.path.startswith("/dev/"))
    entries.extend((_folder(each.path, each.mode, each.uid, each.gid), b"") for each in mounted)
    own = (each for each in plan.attributes if each.path not in covered)
    entries.extend((_folder(each.path, each.mode, each.uid, each.gid), b"") for each in own)
    return entries


def _folder(path: str, mode: int, uid: int, gid: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, uid, gid
    return entry


def configuration(plan: Plan, machine: Machine, folders: Folders, *, image: str, read_only: bool) -> dict[str, Json]:
    """Return the body of the request that makes the container.

    Args:
        plan: what is run.
        machine: the engine's machine.
        folders: what is mounted from it.
        image: the name of the loaded image.
        read_only: whether its tree is.
    """
    program, *arguments = launcher_argv(plan, machine)
    # Podman 4 without root forgets those that it is asked for, which the launcher sets then.
    limits = [word for name, value in _limits(plan) for word in ("--limit", f"{RESOURCES[name]}={value}")]
    return {
        "Image": image,
        "Entrypoint": [program],
        "Cmd": [*limits, *arguments],
        "Env": [f"{key}={value}" for key, value in plan.environment.items()],
        "WorkingDir": plan.workdir,
        "User": f"{plan.user.uid}:{plan.user.gid}",
        "Hostname": plan.hostname,
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "OpenStdin": False,
        "HostConfig": _host(plan, folders, read_only=read_only),
    }


def _limits(plan: Plan) -> list[tuple[str, int]]:
    return sorted({**plan.limits.resources, "nofile": plan.limits.open_files}.items())


def _host(plan: Plan, folders: Folders, *, read_only: bool) -> dict[str, Json]:
    limits = plan.limits
    options: dict[str, Json] = {
        "Binds": [
            f"{folders.out}:{OUT}",
            f"{folders.launch}:{LAUNCH}:ro",
            *(f"{source}:{path}:ro" for path, source in folders.sources.items()),
        ],
        "Tmpfs": {each.path: _tmpfs(each) for each in plan.tmpfs},
        "NetworkMode": "none",
        "Sysctls": {
            "net.ipv6.conf.all.disable_ipv6": "0" if plan.network.ipv6 else "1",
            PORTS: FIRST_FREE_PORT,  # Docker itself says 0
            **{name: value for name, value in sorted(plan.tuning.sysctls.items()) if name.startswith("net.")},
        },
        "ReadonlyRootfs": read_only,
        "CapDrop": ["ALL"],
        "CapAdd": [each.upper() for each in plan.capabilities],
        "SecurityOpt": [
            f"seccomp={folders.profile}",
            *(("no-new-privileges",) if plan.no_new_privileges else ()),
        ],
        "Ulimits": [{"Name": name, "Soft": value, "Hard": value} for name, value in _limits(plan)],
        "GroupAdd": [str(each) for each in plan.user.groups],
        "LogConfig": {"Type": "none", "Config": {}},
    }
    if limits.memory is not None:
        options |= {"Memory": limits.memory, "MemorySwap": limits.memory}
    if limits.processes is not None:
        options["PidsLimit"] = limits.processes
    if limits.cpu_quota is not None:
        options |= {"CpuPeriod": _PERIOD, "CpuQuota": limits.cpu_quota * _PERIOD // 100}
    return options


def _tmpfs(wanted: Tmpfs) -> str:
    execution = "exec" if wanted.executable else "noexec"
    # Podman 4 knows no owner of a tmpfs.
    owner = f",uid={wanted.uid},gid={wanted.gid}" if wanted.uid or wanted.gid else ""
    return f"rw,nosuid,nodev,{execution},size={wanted.size},mode={wanted.mode:o}{owner}"
