"""What a plan's tuning needs of this machine, which not every kernel has."""

import os
import re
import resource
from collections.abc import Iterable
from pathlib import Path

from runtime.backend import Unsupported
from runtime.backends.native.stacks import lacks_attributes
from runtime.factors import FACTORS
from runtime.factors.limits import RESOURCES
from runtime.plan import EntryOrder, GroupsView, Plan

_GROUPS = "/proc/self/cgroup"


def lacking_for_tuning(plan: Plan) -> Unsupported | None:
    """Tell which level asks for what this kernel has not, or return None."""
    release = os.uname().release
    for each in FACTORS:
        level = plan.levels.get(each.name, each.default)
        if release_of(release) < each.since(level):
            first = ".".join(map(str, each.since(level)))
            return Unsupported(
                reason=f"{each.name}={level} needs Linux {first}, and this is {release}",
                hint="leave this level to a machine with a newer kernel",
            )
    if plan.tuning.groups is not GroupsView.NONE:
        lines = Path(_GROUPS).read_bytes().decode(errors="replace").splitlines()
        return lacking_groups(plan.tuning.groups, lines)
    return lacking_attributes(plan, is_root=os.geteuid() == 0) if lacks_attributes() else None


def lacking_attributes(plan: Plan, *, is_root: bool) -> Unsupported | None:
    """Tell what no run can do where a tmpfs takes no attributes of users, as before Linux 6.6, or return None."""
    tuning = plan.tuning
    if is_root and tuning.room is not None:
        return Unsupported(
            reason="before Linux 6.6 root stacks the trees of runs, and no run can make its own tree smaller",
            hint="run as a plain user, or on a newer kernel",
        )
    if not is_root and not tuning.volume and (tuning.renames_folders or tuning.entries is not EntryOrder.AS_IS):
        return Unsupported(
            reason="before Linux 6.6 no run of a plain user can replace a folder of its image",
            hint="run as root, or on a newer kernel",
        )
    return None


def lacking_limits(plan: Plan) -> Unsupported | None:
    """Tell which limit of one process a plan wants higher than this process may set it, or return None.

    Nobody may raise a limit in a user namespace of its own. Source: setrlimit(2), CAP_SYS_RESOURCE.
    """
    numbers = {"nofile": resource.RLIMIT_NOFILE, **RESOURCES}
    wanted = {**plan.limits.resources, "nofile": plan.limits.open_files}
    for name, value in sorted(wanted.items()):
        most = resource.getrlimit(numbers[name])[1] if name in numbers else resource.RLIM_INFINITY
        if most != resource.RLIM_INFINITY and value > most:
            item = value if name == "nofile" else value // 1024  # limits.conf(5) counts bytes by KiB
            command = f'echo "$USER hard {name} {item}" | sudo tee -a /etc/security/limits.conf'
            return Unsupported(
                reason=f"the plan asks for a limit {name} of {value}, and this process may have {most} at most",
                hint=f"run `{command}`, and log in again",
            )
    return None


def lacking_groups(wanted: GroupsView, lines: Iterable[str]) -> Unsupported | None:
    """Tell that no control groups of a version are in use here, or return None.

    Args:
        wanted: the version.
        lines: of /proc/self/cgroup.
    """
    controllers = [line.split(":")[1] for line in lines if line.count(":") >= 2]
    found = {GroupsView.V1: any(controllers), GroupsView.V2: "" in controllers}
    if wanted is GroupsView.NONE or found[wanted]:
        return None
    return Unsupported(
        reason=f"this machine uses no control groups {wanted.value}",
        hint="boot one with `systemd.unified_cgroup_hierarchy=1` for v2, or 0 for v1",
    )


def release_of(text: str) -> tuple[int, int]:
    """Return the first two numbers of a kernel's release; (0, 0) where it begins with none."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
