"""``root-filesystem``, ``tmp`` and ``shm``: where the program may write, and how much."""

import os
import stat
from dataclasses import replace

from runtime.factors.factor import Factor
from runtime.factors.quantity import parse_size
from runtime.plan import GIB, File, Plan, RootFilesystem, Tmpfs

_TMP_LINK = "/run/seatrial-tmp"


class RootFilesystemFactor(Factor):
    """Whether the image's tree can be written."""

    name = "root-filesystem"
    default = "writable"
    control = "writable"
    levels = {
        "writable": "the program may write where its user may",
        "read-only": "only /tmp, /dev/shm and HOME (each a tmpfs) can be written",
    }

    def apply(self, plan: Plan, level: str) -> Plan:
        """Make the tree read-only, and HOME a tmpfs, unless the working folder lies in it."""
        if level not in self.levels:
            raise self.unknown(level)
        if level == "writable":
            return plan
        plan = replace(plan, root_filesystem=RootFilesystem.READ_ONLY)
        home = plan.user.home
        if home == "/" or (plan.workdir + "/").startswith(home + "/"):
            return plan
        own = Tmpfs(path=home, size=GIB, mode=0o755, uid=plan.user.uid, gid=plan.user.gid)
        return replace(plan, tmpfs=(*plan.tmpfs, own))

    def probe(self, plan: Plan) -> str:  # noqa: ARG002
        """Read the mount flag of /."""
        return "read-only" if os.statvfs("/").f_flag & os.ST_RDONLY else "writable"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The flag is as asked."""
        return found == level


class TmpFactor(Factor):
    """The tmpfs at /tmp: its size, whether programs can be started from it, and whether TMPDIR is a link."""

    name = "tmp"
    default = "1G"
    control = "1G"
    levels = {
        "1G": "a tmpfs of 1 GiB, mode 1777, exec (any size can be named)",
        "1M": "a tmpfs of 1 MiB",
        "noexec": "a tmpfs of 1 GiB from which nothing can be executed",
        "symlink": "TMPDIR names a symbolic link to /tmp",
    }

    def apply(self, plan: Plan, level: str) -> Plan:
        """Mount /tmp."""
        match level:
            case "noexec":
                return self._mount(plan, GIB, executable=False)
            case "symlink":
                plan = replace(plan, files=(*plan.files, File(path=_TMP_LINK, link="/tmp")))  # noqa: S108 - inside the run
                return replace(self._mount(plan, GIB), environment={**plan.environment, "TMPDIR": _TMP_LINK})
            case _ if size := parse_size(level):
                return self._mount(plan, size)
            case _:
                raise self.unknown(level)

    def probe(self, plan: Plan) -> str:  # noqa: ARG002
        """Read size and flags of /tmp, and what TMPDIR is."""
        found = os.statvfs("/tmp")  # noqa: S108 - inside the run
        noexec = " noexec" if found.f_flag & os.ST_NOEXEC else ""
        link = " link" if os.path.islink(os.environ.get("TMPDIR", "")) else ""  # noqa: PTH114
        return f"{found.f_blocks * found.f_frsize}{noexec}{link}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The size (rounded up to a page), ``noexec`` and the link are as asked."""
        size = parse_size(level) or GIB
        page = os.sysconf("SC_PAGE_SIZE")
        suffix = {"noexec": " noexec", "symlink": " link"}.get(level, "")
        return found == f"{-(-size // page) * page}{suffix}"

    @staticmethod
    def _mount(plan: Plan, size: int, *, executable: bool = True) -> Plan:
        return replace(plan, tmpfs=(*plan.tmpfs, Tmpfs(path="/tmp", size=size, executable=executable)))  # noqa: S108


class ShmFactor(Factor):
    """The tmpfs at /dev/shm, where POSIX shared memory and semaphores live."""

    name = "shm"
    default = "64M"
    control = "64M"
    levels = {
        "64M": "a tmpfs of 64 MiB, as Docker gives (any size can be named)",
        "1M": "a tmpfs of 1 MiB",
        "none": "nobody may enter it (mode 000)",
    }

    def apply(self, plan: Plan, level: str) -> Plan:
        """Mount /dev/shm."""
        size = (64 << 20) if level == "none" else parse_size(level)
        if size is None:
            raise self.unknown(level)
        shm = Tmpfs(path="/dev/shm", size=size, mode=0 if level == "none" else 0o1777, executable=False)  # noqa: S108
        return replace(plan, tmpfs=(*plan.tmpfs, shm))

    def probe(self, plan: Plan) -> str:  # noqa: ARG002
        """Read mode and size."""
        mode = stat.S_IMODE(os.stat("/dev/shm").st_mode)  # noqa: PTH116, S108
        found = os.statvfs("/dev/shm")  # noqa: S108
        return f"{mode:04o} {found.f_blocks * found.f_frsize}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """Mode and size are as asked."""
        if level == "none":
            return found.startswith("0000 ")
        page = os.sysconf("SC_PAGE_SIZE")
        return found == f"1777 {-(-(parse_size(level) or 0) // page) * page}"
