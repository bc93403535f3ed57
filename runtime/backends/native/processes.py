"""Processes: clone, namespaces, credentials, capabilities, filters."""

import ctypes
import errno
import os
import signal
import struct

from runtime.backends.native.syscalls import call, call_locked

CLONE_NEWTIME = 0x00000080  # linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

CLONE_PARENT = 0x00008000

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

_LINUX_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h
_SECCOMP_SET_MODE_FILTER = 1  # linux/seccomp.h
_SECCOMP_FILTER_FLAG_NEW_LISTENER = 8
_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 32

# linux/capability.h, in order from 0.
# fmt: off
CAPABILITIES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
    "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
    "checkpoint_restore",
)
# fmt: on


class _CloneArguments(ctypes.Structure):
    """``struct clone_args`` of linux/sched.h, 64 bytes: the first version, which every kernel with clone3 takes."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls")
    ]


class _Program(ctypes.Structure):
    """``struct sock_fprog`` of linux/filter.h."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def clone(flags: int) -> int:
    """Fork into new namespaces; returns 0 in the child and its pid in the parent.

    With CLONE_PARENT the child is one of our own parent's, who hears of its end; then it takes no signal of ours.

    Only for a process with one thread: handlers that libc runs around ``fork`` (its allocator's locks) are not run.

    Source: clone3(2).
    """
    arguments = _CloneArguments(flags=flags, exit_signal=0 if flags & CLONE_PARENT else signal.SIGCHLD)
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = -1
    try:
        pid = call_locked("clone3", ctypes.byref(arguments), ctypes.sizeof(arguments))
    finally:
        if pid == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()
        else:
            ctypes.pythonapi.PyOS_AfterFork_Parent()
    return pid


def unshare(flags: int) -> None:
    """Leave namespaces that are shared with the parent.

    Source: unshare(2), the system call.
    """
    call("unshare", flags)


def enter(descriptor: int, flags: int) -> None:
    """Enter the namespace behind a descriptor.

    Source: setns(2).
    """
    call("setns", descriptor, flags)


def pid_of(pidfd: int) -> int:
    """Return the pid, as this process sees it, of the process behind a descriptor; -1 if it has ended.

    Source: pidfd_open(2), "Pid" in /proc/PID/fdinfo.
    """
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:  # noqa: PTH123 - no pathlib in the warm process
        return next(int(line.split()[1]) for line in file if line.startswith("Pid:"))


def prctl(option: int, value: int = 0, third: int = 0) -> int:
    """Set or ask one thing about this process.

    Source: the manual page of the same name, section 2.
    """
    return call("prctl", option, value, third, 0, 0)


def become(uid: int, gid: int, groups: tuple[int, ...]) -> None:
    """Take other ids, the supplementary groups first: leftovers there were CVE-2022-2989 and its kin.

    In a namespace of one id the kernel forbids to change groups: those of the caller stay, and no file inside is
    theirs.
    """
    try:
        os.setgroups(groups)
    except PermissionError:
        if groups or not _are_groups_fixed():
            raise
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _are_groups_fixed() -> bool:
    """Tell whether setgroups is forbidden in this user namespace. Source: user_namespaces(7)."""
    with open("/proc/self/setgroups", "rb") as file:  # noqa: PTH123 - no pathlib in the warm process
        return file.read().strip() == b"deny"


def bound_capabilities(kept: frozenset[str]) -> None:
    """Drop all capabilities but ``kept`` from the bounding set, known to us or not."""
    known = {CAPABILITIES.index(name) for name in kept}
    for each in range(64):
        try:
            if each not in known:
                prctl(PR_CAPBSET_DROP, each)  # one that is not there is no error
        except OSError:
            return  # EINVAL: past the kernel's last capability


def set_capabilities(held: frozenset[str]) -> None:
    """Hold exactly these, permitted and effective; none inheritable (CVE-2022-24769), none ambient."""
    bits = sum(1 << CAPABILITIES.index(name) for name in held)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    call("capset", header, struct.pack("6I", low, low, 0, high, high, 0))


def filter_calls(program: bytes) -> None:
    """Load a seccomp filter: the raw ``struct sock_filter`` array. Source: seccomp(2)."""
    call("seccomp", _SECCOMP_SET_MODE_FILTER, 0, ctypes.byref(_Program(len(program) // 8, program)))


def listen_to_calls(program: bytes) -> int:
    """Load a filter that hands calls on, and return the descriptor on which they are answered.

    Once a call was received only what kills its caller interrupts it, from Linux 5.19 on; before, any signal does.

    Raises:
        OSError: EBUSY: somebody listens to calls of this process already, and the kernel takes no second one.

    Source: seccomp_unotify(2); seccomp(2).
    """
    found = ctypes.byref(_Program(len(program) // 8, program))
    flags = _SECCOMP_FILTER_FLAG_NEW_LISTENER
    try:
        return call("seccomp", _SECCOMP_SET_MODE_FILTER, flags | _SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, found)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return call("seccomp", _SECCOMP_SET_MODE_FILTER, flags, found)


def default_internal_signals() -> None:
    """Give the two signals that libc keeps for itself their default back: no program is to find them ignored.

    ``posix_spawn`` of glibc starts programs with both ignored, and libc's own functions refuse to change them.

    Source: glibc, sysdeps/unix/sysv/linux/spawni.c and internal-signals.h; rt_sigaction(2).
    """
    for number in (32, 33):  # SIGCANCEL, SIGSETXID
        call("rt_sigaction", number, bytes(32), None, 8)  # struct sigaction of the kernel: SIG_DFL, no flags, no mask


def die_with_parent(parent: int = 0) -> None:
    """Be killed when the parent dies. To be called after every change of ids, which clears it.

    Args:
        parent: its pid, to end here and now if it died before this call. A new PID namespace does not show it: who is
            in one has another way to see that the parent is gone.

    Source: prctl(2).
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def outlive_parent() -> None:
    """Undo ``die_with_parent``."""
    prctl(PR_SET_PDEATHSIG, 0)


def be_opaque() -> None:
    """Forbid others in our namespaces to trace us or to open our ``/proc/PID/exe`` (CVE-2016-9962, CVE-2019-5736)."""
    prctl(PR_SET_DUMPABLE, 0)


def set_name(name: str) -> None:
    """Set the name that ``ps`` and ``/proc/PID/comm`` show."""
    call("prctl", PR_SET_NAME, name.encode(), 0, 0, 0)
