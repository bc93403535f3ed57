"""``root-filesystem``, ``tmp`` and ``shm``: where the program may write, and how much."""

import os

from runtime.data import replace
from runtime.factors.factor import Factor
from runtime.factors.quantity import parse_size
from runtime.factors.questions import MOUNTS, Answers
from runtime.plan import GIB, File, Plan, RootFilesystem, Tmpfs

_TMP_ATTRIBUTES = "attributes /tmp"
_TMP_SPACE = "space /tmp"
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
    names = "makedirs mkdir"
    signs = "changes tree; errno EROFS"

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

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The mount flags of /, by a call, and from a file: gVisor tells them in one place only."""
        return "space /", MOUNTS

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say whether it is read-only."""
        is_closed = int(answers.words("space /")[0]) & os.ST_RDONLY or answers.has_flag("/", "ro")
        return "read-only" if is_closed else "writable"

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
    names = (
        "gettempdir mkstemp mkdtemp mktemp NamedTemporaryFile TemporaryFile TemporaryDirectory "
        "SpooledTemporaryFile tempdir tempfile"
    )
    signs = (
        "makes /tmp; writes /tmp; opens /tmp; runs /tmp*; renames /tmp; measures /tmp; variable TMPDIR; "
        "errno EACCES; errno ENOSPC"
    )

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

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """Mode, size and flags of /tmp, and what TMPDIR is."""
        return _TMP_ATTRIBUTES, _TMP_SPACE, MOUNTS, "variable TMPDIR", f"link {plan.environment.get('TMPDIR', '')}"

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say all four."""
        flags, size = map(int, answers.words(_TMP_SPACE))
        mode = answers.words(_TMP_ATTRIBUTES)[2]
        noexec = " noexec" if flags & os.ST_NOEXEC or answers.has_flag("/tmp", "noexec") else ""  # noqa: S108
        link = " link" if answers.succeeded(f"link {answers.text('variable TMPDIR')}") else ""
        return f"{mode} {size}{noexec}{link}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """All may write, and the size (rounded up to a page), ``noexec`` and the link are as asked."""
        size = parse_size(level) or GIB
        page = os.sysconf("SC_PAGE_SIZE")
        suffix = {"noexec": " noexec", "symlink": " link"}.get(level, "")
        return found == f"1777 {-(-size // page) * page}{suffix}"

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
    names = (
        "SharedMemory shm_open sem_open SemLock Semaphore BoundedSemaphore Pool ProcessPoolExecutor shmget semget "
        "multiprocessing"
    )
    signs = (
        "makes /dev/shm; opens /dev/shm; writes /dev/shm; looks /dev/shm; lists /dev/shm; measures /dev/shm; "
        "errno EACCES; errno ENOSPC; errno ENOSYS"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Mount /dev/shm."""
        size = (64 << 20) if level == "none" else parse_size(level)
        if size is None:
            raise self.unknown(level)
        shm = Tmpfs(path="/dev/shm", size=size, mode=0 if level == "none" else 0o1777, executable=False)  # noqa: S108
        return replace(plan, tmpfs=(*plan.tmpfs, shm))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """Mode and size."""
        return "attributes /dev/shm", "space /dev/shm"

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say both."""
        return f"{answers.words('attributes /dev/shm')[2]} {answers.words('space /dev/shm')[1]}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """Mode and size are as asked."""
        if level == "none":
            return found.startswith("0000 ")
        page = os.sysconf("SC_PAGE_SIZE")
        return found == f"1777 {-(-(parse_size(level) or 0) // page) * page}"
