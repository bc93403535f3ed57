"""What the native runtime stands on, as the machine's own files tell it, and the command that mends what is missing.

Pure over ``Read``, so that a machine that nobody has at hand can be told of from a folder that looks like it.

Source: user_namespaces(7), Linux Documentation/admin-guide/sysctl/user.rst and userspace-api/seccomp_filter.rst;
kernel 5.11 ("overlayfs: support unprivileged mounts"); the release notes of Ubuntu 24.04 for AppArmor.
"""

import re
from collections.abc import Callable, Collection
from enum import StrEnum

from runtime.backend import Unsupported
from runtime.data import dataclass

Read = Callable[[str], str | None]
"""Path → the content of a file of this machine, None where there is none or this user may not read it."""

_FIRST_OVERLAY = (5, 11)  # the kernel since which a user namespace may mount overlayfs
_SERVICE = re.compile(r"^0::/(?!user\.slice/)(?:[^\n]*/)?([A-Za-z0-9:_.@\\-]+\.service)$", re.MULTILINE)
"""A service of the system, which is no part of a user's session: its user has no systemd to ask for a scope."""

_LIMITS = ("memory", "processes", "cpu-quota")


class Layout(StrEnum):
    """How control groups are mounted."""

    NONE = "none"
    V1 = "v1"
    V2 = "v2"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One thing that runs stand on: its name, what was found, and why it is missing (None if it is there)."""

    name: str
    about: str
    missing: Unsupported | None = None


def read_grounds(read: Read, uid: int, offers: Collection[str]) -> tuple[Ground, ...]:
    """Return what the native runtime stands on, for a user.

    Args:
        read: reads this machine.
        uid: who runs; 0 is not held by what restricts plain users.
        offers: the limits that this user can enforce: of ``memory``, ``processes``, ``cpu-quota``.
    """
    return (
        Ground(name="user namespaces", about=_about_namespaces(read), missing=lacking_namespaces(read, uid)),
        Ground(name="overlayfs", about="layers are stacked, not copied", missing=lacking_overlay(read, uid)),
        Ground(name="seccomp", about="system calls are filtered", missing=lacking_seccomp(read)),
        *(_limit(name, read, uid, offers) for name in _LIMITS),
    )


def lacking_namespaces(read: Read, uid: int) -> Unsupported | None:
    """Return why a user cannot make user namespaces, or None."""
    most = _number(read("/proc/sys/user/max_user_namespaces"))
    if most is None:
        return Unsupported(reason="this kernel has no user namespaces (CONFIG_USER_NS)", hint="boot one that has them")
    if most == 0:
        return _sysctl("user.max_user_namespaces", 0, 65536)
    if uid == 0:
        return None
    if _number(read("/proc/sys/kernel/unprivileged_userns_clone")) == 0:
        return _sysctl("kernel.unprivileged_userns_clone", 0, 1)
    confined = (read("/proc/self/attr/current") or "unconfined").strip("\0\n ") != "unconfined"
    if _number(read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")) == 1 and not confined:
        return _sysctl("kernel.apparmor_restrict_unprivileged_userns", 1, 0)
    return None


def lacking_overlay(read: Read, uid: int) -> Unsupported | None:
    """Return why a user cannot stack layers, or None."""
    known = (read("/proc/filesystems") or "").split()
    release = read("/proc/sys/kernel/osrelease") or ""
    if "overlay" not in known and not _is_loaded_when_mounted(read, release.strip()):
        return Unsupported(reason="this kernel does not have overlayfs loaded", hint="run `sudo modprobe overlay`")
    found = re.match(r"(\d+)\.(\d+)", release)
    permitted = (read("/sys/module/overlay/parameters/permit_mounts_in_userns") or "").strip() == "Y"  # Debian's own
    if uid and found and (int(found[1]), int(found[2])) < _FIRST_OVERLAY and not permitted:
        reason = f"Linux {release.strip()} lets root only mount overlayfs; plain users may since 5.11"
        return Unsupported(reason=reason, hint="boot Linux 5.11 or later, or run as root")
    return None


def _is_loaded_when_mounted(read: Read, release: str) -> bool:
    """Tell whether the kernel loads overlayfs itself when anybody first mounts it."""
    return "alias fs-overlay overlay" in (read(f"/lib/modules/{release}/modules.alias") or "")


def lacking_seccomp(read: Read) -> Unsupported | None:
    """Return why system calls cannot be filtered, or None."""
    actions = read("/proc/sys/kernel/seccomp/actions_avail")
    if actions is None:
        reason = "this kernel has no filter of system calls (CONFIG_SECCOMP_FILTER)"
        return Unsupported(
            reason=reason, hint="boot one that has it; in a container, let it see /proc/sys/kernel/seccomp"
        )
    lacking = {"kill_process", "errno", "user_notif", "allow"} - set(actions.split())
    if lacking:
        reason = f"this kernel's filter of system calls does not know {', '.join(sorted(lacking))}"
        return Unsupported(reason=reason, hint="boot Linux 5.0 or later")
    return None


def layout(mountinfo: str) -> Layout:
    """Return how control groups are mounted, from the content of /proc/self/mountinfo.

    A v2 tree beside v1 controllers is hybrid; the v1 tree that systemd keeps its names in has no controller.
    """
    kinds = [line.partition(" - ")[2].split(" ") for line in mountinfo.splitlines()]
    first = any(kind[0] == "cgroup" and not re.search(r"(^|,)name=", kind[-1]) for kind in kinds)
    second = any(kind[0] == "cgroup2" for kind in kinds)
    if first:
        return Layout.HYBRID if second else Layout.V1
    return Layout.V2 if second else Layout.NONE


def enabling_limits(read: Read, uid: int) -> str:
    """Return what lets a user limit runs where it may not."""
    found = layout(read("/proc/self/mountinfo") or "")
    if found is Layout.NONE:
        return "run `sudo mount -t cgroup2 none /sys/fs/cgroup`"
    if uid == 0 and found is Layout.V2:
        return "inside a container, start it with `--privileged`"
    if uid == 0:
        return "inside a container, start it with `--cgroupns=private -v /sys/fs/cgroup:/sys/fs/cgroup:rw`"
    if found is not Layout.V2 or "systemd" not in (read("/proc/1/comm") or ""):
        return "run `sudo seatrial …`"
    if service := _SERVICE.search(read("/proc/self/cgroup") or ""):
        return f"write `Delegate=yes` below `[Service]` with `sudo systemctl edit {service[1]}`, and restart it"
    return "run `systemd-run --user --scope -p Delegate=yes seatrial …`"


def _limit(name: str, read: Read, uid: int, offers: Collection[str]) -> Ground:
    found = layout(read("/proc/self/mountinfo") or "")
    about = f"control groups ({found}) limit it"
    if name in offers:
        return Ground(name=name, about=about)
    hint = enabling_limits(read, uid)
    reason = f"{_why(uid, found)}: peaks are watched"
    if name == "cpu-quota":
        reason = f"{_why(uid, found)}: no quota can be set"
    return Ground(name=name, about=about, missing=Unsupported(reason=reason, hint=hint))


def _why(uid: int, found: Layout) -> str:
    if found is Layout.NONE:
        return "no control groups are mounted"
    return f"{'this user' if uid else 'root'} may not make control groups ({found})"


def _about_namespaces(read: Read) -> str:
    most = (read("/proc/sys/user/max_user_namespaces") or "?").strip()
    return f"up to {most} for each user"


def _sysctl(name: str, value: int, wanted: int) -> Unsupported:
    return Unsupported(reason=f"{name} is {value}: no user namespace", hint=f"run `sudo sysctl -w {name}={wanted}`")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdigit() else None
