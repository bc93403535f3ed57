"""``Resources``: limits over all processes of a container, as writes to its control groups.

Source: OCI runtime specification, config-linux.md, "Control groups"; for v2 its "Conversion" in crun(1).
"""

from collections.abc import Mapping

from runtime.backends.native.bundle.refusals import BundleRefusedError, Refused
from runtime.backends.native.hierarchies import Version
from runtime.canonical import Json
from runtime.data import dataclass
from runtime.oci.document import integer, member, text

_KNOWN = {
    "memory": frozenset({"limit", "swap", "reservation", "disableOOMKiller", "checkBeforeUpdate", "useHierarchy"}),
    "pids": frozenset({"limit"}),
    "cpu": frozenset({"shares", "quota", "period"}),
}
_NO_LIMITS = ("devices",)  # followed otherwise: see refusals.NARROWER
_PERIOD = 100_000  # microseconds, the kernel's own default


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits; None is none.

    Args:
        memory: bytes, without swap.
        pids: processes and threads.
        shares: relative weight of v1, 2 to 262144.
        quota: microseconds of CPU time in each period.
        period: microseconds.
    """

    memory: int | None = None
    pids: int | None = None
    shares: int | None = None
    quota: int | None = None
    period: int | None = None

    def writes(self, version: Version) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """Return controller → (file, text) of each limit that is set."""
        first = version is Version.V1
        found: dict[str, list[tuple[str, str]]] = {"memory": [], "pids": [], "cpu": []}
        if self.memory is not None:
            found["memory"].append(("memory.limit_in_bytes" if first else "memory.max", str(self.memory)))
        if self.pids is not None:
            found["pids"].append(("pids.max", str(self.pids)))
        if self.shares is not None:
            weight = 1 + (self.shares - 2) * 9999 // 262142
            found["cpu"].append(("cpu.shares", str(self.shares)) if first else ("cpu.weight", str(weight)))
        if first and self.period is not None:
            found["cpu"].append(("cpu.cfs_period_us", str(self.period)))
        if self.quota is not None:
            period = self.period or _PERIOD
            file, value = ("cpu.cfs_quota_us", f"{self.quota}") if first else ("cpu.max", f"{self.quota} {period}")
            found["cpu"].append((file, value))
        return {name: tuple(writes) for name, writes in found.items() if writes}


def read_resources(value: Json) -> Resources:
    """Return the limits of a document.

    Raises:
        RefusedError: a value has another type than the specification says.
        BundleRefusedError: it asks for a limit that is refused.
    """
    if value is None:
        return Resources()
    if isinstance(value, Mapping):
        for key in value:
            if value[key] and key not in _KNOWN and key not in _NO_LIMITS:
                raise BundleRefusedError(Refused.RESOURCE, f"it has linux.resources.{key}")
    for controller, known in _KNOWN.items():
        part = member(value, controller, "linux.resources") or {}
        for key in part if isinstance(part, Mapping) else ():
            if key not in known and member(part, key, controller):
                raise BundleRefusedError(Refused.RESOURCE, f"it has linux.resources.{controller}.{key}")
    return Resources(
        memory=_number(value, "memory", "limit"),
        pids=_number(value, "pids", "limit"),
        shares=_number(value, "cpu", "shares"),
        quota=_number(value, "cpu", "quota"),
        period=_number(value, "cpu", "period"),
    )


def read_group_path(value: Json) -> str:
    """Return the path of the control group below each hierarchy, relative to it; empty if there is none.

    Raises:
        BundleRefusedError: it leads elsewhere, or is for systemd.
    """
    path = text(value or "", "linux.cgroupsPath")
    parts = [each for each in path.split("/") if each not in ("", ".")]
    if ".." in parts or "\0" in path or ":" in path:
        raise BundleRefusedError(Refused.CGROUP_PATH, f"linux.cgroupsPath is {path[:80]!r}")
    return "/".join(parts)


def _number(value: Json, controller: str, key: str) -> int | None:
    found = member(member(value, controller, "linux.resources") or {}, key, controller)
    number = None if found is None else integer(found, f"{controller}.{key}")
    return None if number is None or number <= 0 else number
