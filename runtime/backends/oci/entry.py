"""The way of a freshly cloned process into a run that an OCI runtime makes: it lays the bundle and starts the runtime.

It is process 1 of a PID namespace around the runtime, so that nothing the runtime leaves can outlive the run; its user
and network namespaces are the container's, and its control groups hold the runtime too.
"""
# ruff: noqa: PTH102, PTH112, PTH115, PTH123, PTH208 - no pathlib in the warm process

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from runtime.backends.native import mounts, processes
from runtime.backends.native.entry import GROUPS, IDS, LIMITED, Entry, become_root_inside, probe_all
from runtime.backends.native.first_process import attend, start_watched
from runtime.backends.native.mounts import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REMOUNT
from runtime.backends.native.order import ForeignRuntime
from runtime.backends.native.recipe import kernel_files, steps_of_tree
from runtime.backends.native.steps.step import Sandbox, Step
from runtime.backends.native.steps.surroundings import SetNetwork
from runtime.backends.native.steps.tree import MakeFolder, MountBind, MountTmpfs, SetAttributes
from runtime.backends.native.steps.tuning import SetSysctl, inherited
from runtime.backends.native.wire import send_json
from runtime.backends.oci.bundle import (
    ANSWERS,
    LAUNCH,
    MOST_STATUS,
    STATUS,
    Sources,
    configuration,
    environment_of,
    parse_status,
    questions_of,
)
from runtime.canonical import Json
from runtime.data import dataclass
from runtime.errors import BackendError
from runtime.factors.questions import parse_answers
from runtime.plan import MIB, OUT, Attributes, FirstProcess, Plan, Stdin, Tmpfs

_OUT = Tmpfs(path=OUT, size=64 * MIB, executable=False)
_SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC
_CGROUP2 = 0x63677270  # linux/magic.h, CGROUP2_SUPER_MAGIC
_MOST_ANSWERS = 16 * MIB
_LONGEST_LOG = 4096


@dataclass(slots=True, kw_only=True)
class BundleEntry(Entry):
    """One process on its way into a run that an OCI runtime makes.

    Args:
        seccomp: the profile of system calls as the bundle has it; None for none.
    """

    seccomp: Json = None

    def _go_in(self) -> None:
        self._await(IDS)
        plan, runtime = self.order.plan, self.order.runtime
        assert runtime is not None  # noqa: S101 - the warm process chooses this class by it
        sandbox = self._open_sources()
        launcher = os.open(runtime.launcher, os.O_PATH | os.O_CLOEXEC)
        become_root_inside()
        readers = self._redirect(plan)
        self._execute(_steps(plan, len(self.order.layers)), sandbox)
        self.doing = "prepare the bundle"
        _own_kernel_files()
        switches = (SetSysctl(name, value) for name, value in sorted(plan.tuning.sysctls.items()))
        self._execute((SetNetwork(plan.network.state, plan.network.ipv6), *switches), sandbox)
        self._lay_bundle(sandbox, plan, launcher)
        self._hand_over(sandbox, readers, keep_root=True)
        self._await(GROUPS)
        processes.unshare(processes.CLONE_NEWCGROUP)
        if plan.stdin is not Stdin.INHERITED:
            _open_null()
        self._execute(inherited(plan), sandbox)
        place = _path_of(sandbox.scratch)
        log = f"{place}/log"
        pid = start_watched(lambda: _be_runtime(runtime, place, log))
        self.doing = f"start {runtime.name}"
        hand_on = None if runtime.forwards_signals else lambda number: _ask_to_kill(runtime, place, number)
        status = attend(pid, self._notice_start(plan, sandbox, limited=runtime.limited_whole), hand_on)
        self._finish(plan, sandbox, status, log)

    def _lay_bundle(self, sandbox: Sandbox, plan: Plan, launcher: int) -> None:
        """Write the launcher's folder and the bundle beside the tree, on the run's private tmpfs."""
        place = _path_of(sandbox.scratch)
        for name in ("bundle", "launch", "state"):
            os.mkdir(f"{place}/{name}", 0o755)
        _write(f"{place}/launch/questions", "".join(f"{each}\n" for each in self._questions(plan)).encode())
        _write(f"{place}/launch/environment", environment_of(plan))
        _write(f"{place}/launch/launcher", b"", 0o755)
        with mounts.opened(sandbox.scratch, "launch/launcher") as target:
            _copy(launcher, target)
        sources = []
        for number, file in enumerate(kernel_files(plan, self.machine)):
            sources.append(f"{place}/kernel-file-{number}")
            _write(sources[-1], file.content, file.mode)
        where = Sources(root=f"{place}/root", launch=f"{place}/launch", kernel_files=tuple(sources))
        _write(
            f"{place}/bundle/config.json", json.dumps(configuration(plan, self.machine, where, self.seccomp)).encode()
        )

    def _questions(self, plan: Plan) -> tuple[str, ...]:
        return questions_of(plan) if self.order.evidence else ()

    def _notice_start(self, plan: Plan, sandbox: Sandbox, *, limited: bool) -> Callable[[], bool]:
        """Return what tells the warm process, once, that the program is about to start."""

        def notice() -> bool:
            try:
                with mounts.opened(sandbox.root, ANSWERS, links=False):
                    pass
            except OSError:
                return False
            if not limited:
                self._ask_for_limits()
            _write(f"{_path_of(sandbox.scratch)}/launch/go", b"")
            init = plan.first_process is FirstProcess.INIT
            began = time.monotonic_ns() - sandbox.clock
            send_json(self.control, {"ready": began, "pid": 2 if init else 1})
            return True

        return notice

    def _ask_for_limits(self) -> None:
        """Have the container's processes, and not the runtime's, put into the run's control groups."""
        ours = os.readlink("/proc/self/ns/pid")
        theirs = []
        for name in filter(str.isdecimal, os.listdir("/proc")):
            with suppress(OSError):
                if os.readlink(f"/proc/{name}/ns/pid") != ours:
                    theirs.append(os.pidfd_open(int(name)))
        send_json(self.control, {"limit": True}, theirs)
        for each in theirs:
            os.close(each)
        self._await(LIMITED)

    def _finish(self, plan: Plan, sandbox: Sandbox, status: int, log: str) -> NoReturn:
        """Tell how the program ended and what the launcher found, or why the runtime did not come so far."""
        answers = _read_inside(sandbox, ANSWERS, _MOST_ANSWERS)
        if answers is None:
            raise BackendError(_last_words(log) or f"it ended with {os.waitstatus_to_exitcode(status)}")
        if self.order.evidence:
            try:
                found = probe_all(plan, parse_answers(self._questions(plan), answers))
            except ValueError as error:
                raise BackendError(f"the launcher's answers cannot be read: {error}") from error
            send_json(self.control, {"evidence": found})
        send_json(self.control, {"status": _status_of(sandbox, status)})
        os._exit(0)


def _steps(plan: Plan, layers: int) -> tuple[Step, ...]:
    """Return the steps up to a tree in which a runtime finds all that it mounts on, and a folder for what is told."""
    return (
        *steps_of_tree(plan, layers=layers),
        MountTmpfs(_OUT),
        *map(MountBind, plan.binds),
        MakeFolder(plan.user.home, plan.user.uid, plan.user.gid),
        MakeFolder(plan.workdir, 0, 0),
        MakeFolder(LAUNCH, 0, 0),
        # runc gives a tmpfs the mode of the folder that it is mounted on.
        *(SetAttributes(Attributes(path=each.path, uid=each.uid, gid=each.gid, mode=each.mode)) for each in plan.tmpfs),
    )


def _status_of(sandbox: Sandbox, status: int) -> int:
    """Return the program's wait status: the launcher's word, or the runtime's, which says a signal as 128 and more."""
    told = parse_status(_read_inside(sandbox, STATUS, MOST_STATUS))
    if told:
        return told.status
    code = os.waitstatus_to_exitcode(status)
    return code - 128 if 128 < code < 128 + 65 else status


def _own_kernel_files() -> None:
    """Show the runtime its own PID namespace, and no control groups: ours hold the whole run already.

    crun 1.8 gives up on a machine with both versions of control groups. runc 1.1 goes on without its own only if it is
    told EROFS, and not that the folders of the first version are missing; nor without the second, where that is alone.
    """
    mounts.mount("proc", "/proc", "proc", _SAFE)
    place = "/sys/fs/cgroup"
    if not os.path.isdir(place):
        return
    with open("/proc/self/cgroup", encoding="ascii", errors="replace") as file:
        first = {line.split(":")[1].removeprefix("name=") for line in file} - {""}
    with _opened(place) as descriptor:
        is_second = mounts.file_system(descriptor) == _CGROUP2
    if is_second and not first:
        mounts.mount(place, place, None, MS_BIND)
        with _opened(place) as descriptor:
            mounts.remount_read_only(descriptor)
    else:
        mounts.mount("tmpfs", place, "tmpfs", _SAFE, "size=64k,mode=755")
        for each in first:
            os.mkdir(f"{place}/{each}")
        mounts.mount("tmpfs", place, "tmpfs", _SAFE | MS_RDONLY | MS_REMOUNT)


@contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _be_runtime(runtime: ForeignRuntime, place: str, log: str) -> NoReturn:
    argv = [*runtime.argv, "--root", f"{place}/state", "--log", log]
    argv += ["run", *runtime.run_options, "--bundle", f"{place}/bundle", "seatrial"]
    os.execve(argv[0], argv, _environment(place))  # noqa: S606 - to start the runtime is the purpose


def _ask_to_kill(runtime: ForeignRuntime, place: str, number: int) -> None:
    """Let the runtime signal the program; whoever attends to the run reaps its process."""
    argv = [*runtime.argv, "--root", f"{place}/state", "kill", "seatrial", str(number)]
    os.posix_spawn(argv[0], argv, _environment(place))


def _environment(place: str) -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR": f"{place}/state"}


def _open_null() -> None:
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)


def _path_of(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


def _write(path: str, content: bytes, mode: int = 0o444) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _copy(source: int, target: int) -> None:
    with open(f"/proc/self/fd/{source}", "rb") as program, open(f"/proc/self/fd/{target}", "wb") as copy:
        copy.write(program.read())


def _read_inside(sandbox: Sandbox, path: str, most: int) -> bytes | None:
    """Read a regular file of the run's tree, None if there is none: the program may have put anything there."""
    try:
        descriptor = mounts.open_inside(sandbox.root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, links=False)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most)


def _last_words(log: str) -> str:
    """Return the last message of the runtime's log, which is text or one JSON object a line."""
    try:
        with open(log, "rb") as file:
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    if not lines:
        return ""
    with suppress(ValueError, AttributeError, TypeError):
        return str(json.loads(lines[-1])["msg"])[:_LONGEST_LOG]
    return lines[-1][:_LONGEST_LOG]
