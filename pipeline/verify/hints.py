"""Likely fixes: one for each factor, in one or two sentences."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

HINTS: Mapping[str, str] = MappingProxyType(
    {
        "user": (
            "The platform chooses the user. Do not look the user up in /etc/passwd, "
            "and make what is written group-owned by 0 and group-writable."
        ),
        "capabilities": "Do not need a capability: use a port above 1023, and set owners when the image is built.",
        "no-new-privileges": "Do not rely on setuid programs: they gain nothing here.",
        "seccomp": "A system call is refused. Fall back on EPERM and ENOSYS, or update the library.",
        "root-filesystem": "Write to /tmp or to a declared volume only; nothing beside the program can be written.",
        "tmp": "Do not execute from the temporary folder or fill it; let TMPDIR decide where temporary files go.",
        "shm": "Do not rely on /dev/shm; multiprocessing semaphores and shared memory need it.",
        "memory": "Use less memory, or state how much is needed; size caches by the cgroup's limit.",
        "cpus": "Do not assume more than one CPU: let threads wait for each other explicitly.",
        "cpu-quota": "Do not rely on timing: under a quota every step may pause for tens of milliseconds.",
        "processes": "Start fewer processes and threads, and handle EAGAIN when one cannot be started.",
        "open-files": "Close files that are not needed, and use no descriptor above the limit.",
        "limits": "Handle the error that a limit of resources raises, or need less of it.",
        "network": "Do not need the network in tests, or handle that it is absent; nothing outside can be reached.",
        "ipv6": "Fall back to IPv4 where an IPv6 address cannot be bound or reached.",
        "dns": "Handle that names cannot be resolved; do not resolve names when a module is imported.",
        "hostname": "Do not resolve or parse the machine's own host name; bind to 127.0.0.1 or 0.0.0.0.",
        "timezone": "Name the time zone: use aware times, and never take the machine's zone for UTC.",
        "date": "Do not compare with today's date: pass the time in, renew what expires, and keep times in 64 bits.",
        "locale": "Name the encoding: open(…, encoding='utf-8'), and read bytes from programs; do not rely on LANG.",
        "umask": (
            "open() and mkdir() take their modes from the umask. Set the mode yourself with os.chmod() or os.fchmod(), "
            "or set the umask where the service starts."
        ),
        "home": "Do not need a home folder: take the place of files from a setting.",
        "environment": "Do not change behavior by variables that platforms set, or clear them in the tests that care.",
        "terminal": "Ask isatty() before using colors, widths or prompts, and test both answers.",
        "columns": "Do not compare wrapped text: set the width in the test.",
        "stdin": "Do not read from or rely on standard input; it may be closed.",
        "pid1": "As process 1, reap children and handle SIGTERM yourself, or start under an init.",
        "signals": "Do not rely on the default action of signals: set the handlers that are needed.",
        "hash-seed": "Do not rely on the order of sets or on hash(): sort before comparing or printing.",
        "test-order": "A test relies on what an earlier one left: give each its own state.",
        "path": "Quote paths and escape them in patterns: folders may have blanks and brackets.",
        "directory-order": "Sort what os.listdir() and glob return; a file system gives no order.",
        "case-sensitivity": "Do not tell files apart by the case of their names.",
        "filesystem": "Do not rely on what one file system can do; handle ENOTSUP and EXDEV.",
        "disk-full": "Handle ENOSPC: write to a temporary file and rename it.",
        "overlay-rename": "Handle EXDEV when a folder is renamed: copy and remove, as shutil.move() does.",
        "low-ports": "Take the port from a setting, and let it be above 1023 by default.",
        "user-namespaces": "Do not need a user namespace: let a sandbox be switched off where none can be made.",
        "inotify": "Fall back on polling where files cannot be watched; ENOSPC there means no full disk.",
        "uptime": (
            "Do not take a small monotonic time for long ago: compare two readings, and start with None, not 0. "
            "Nor count its parts in 32 bits."
        ),
        "pid-range": "Do not assume how many digits a process id has, nor that one never comes again.",
        "personality": "Do not rely on where memory lies, nor parse the kernel's release.",
        "entropy": "Fall back on /dev/urandom where getrandom() fails with ENOSYS.",
        "latency": "Give timeouts of the network room, and do not count on an answer that comes at once.",
        "page-size": "Ask for the page size and do not assume 4096; build allocators for the largest that may be met.",
        "slow-io": "Do not count on how long a write to disk takes: give timeouts room, and sync less often.",
        "proc-view": "Handle that other processes, process 1 too, are not in /proc.",
        "meminfo-view": "Size by the cgroup's limit, and not by /proc/meminfo alone.",
        "cgroup-view": "Read the limits of both versions of control groups, and go on where neither is shown.",
        "cpu-features": "Compile for the oldest processor that must run it, or ask at run time what it can do.",
        "architecture": "Do not assume byte order, word size or the names of machines.",
        "kernel": "Fall back where a system call fails with ENOSYS, or state which kernel is needed.",
        "runtime": "The runtime itself differs; compare its system calls and its mounts with the reference's.",
    }
)
"""Factor → what to do about it."""


def hint(factors: Iterable[str]) -> str:
    """Return the likely fix for a cause: that of each factor, as one's alone may be what another forbids.

    Empty if none has one.
    """
    return " ".join(HINTS[name] for name in factors if name in HINTS)
