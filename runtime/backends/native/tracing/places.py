"""Which place a path lies in: what a sign tells of it, so that few signs stand for many paths."""

import re
from collections.abc import Mapping

from runtime.data import dataclass
from runtime.plan import Plan

_WHOLE = ("/etc/", "/dev/", "/proc/", "/sys/", "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/")
"""Folders whose files are told by their names: each means something of its own."""

_KNOWN = (
    "/.seatrial",
    "/dev/shm",  # noqa: S108 - a place in a run, not one that is written here
    "/sys/fs/cgroup",
    "/tmp",  # noqa: S108 - likewise
    "/usr/share/zoneinfo",
    "/usr/lib/locale",
    "/var/tmp",  # noqa: S108 - likewise
)
_KERNEL = ("/.seatrial/", "/dev/", "/proc/", "/sys/")
_DEPTH, _WHOLE_DEPTH = 2, 5
_NUMBERED = ("/dev/", "/proc/", "/sys/")
_NUMBERS = re.compile(r"(?<=/)(?!1(?:/|$))[0-9]+(?=/|$)")  # but process 1, which every run has


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders of a run that have names of their own.

    Args:
        names: folder → how it is told; the first that holds a path counts.
        apart: folders that are no part of the run's tree, which a host may have read-only or full.
    """

    names: Mapping[str, str]
    apart: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan) -> "Places":
        """Return the places of a plan: well-known ones, home, and the working folder, where relative paths lie."""
        names = {each: each for each in _KNOWN}
        names |= {each: name for each, name in ((plan.user.home, "~"), (plan.workdir, ".")) if each != "/"}
        apart = (*_KERNEL, *(f"{each.path}/" for each in plan.tmpfs))
        return cls(names=names, apart=apart)

    def is_in_tree(self, raw: bytes) -> bool:
        """Tell whether a path lies in the run's own tree; one that is relative does, as a rule."""
        return not raw.decode("ascii", "replace").startswith(self.apart)

    def of_path(self, raw: bytes) -> str:
        """Return the place of a path, as a run has named it."""
        path = raw.decode("ascii", "replace")
        if not path.startswith("/"):
            return "."
        path = path.rstrip("/")
        for folder, name in self.names.items():
            if path.startswith(folder) and path[len(folder) : len(folder) + 1] in ("", "/"):
                return name
        return self._shortened(path)

    @staticmethod
    def _shortened(path: str) -> str:
        is_whole = path.startswith(_WHOLE)
        parts = path.split("/")[1 : 1 + (_WHOLE_DEPTH if is_whole else _DEPTH)]
        short = "/" + "/".join(parts)
        return _NUMBERS.sub("N", short) if path.startswith(_NUMBERED) else short
