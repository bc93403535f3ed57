"""The calls that a traced run tells of, and how each is told: one row a call.

Left out is what every program makes without end and what tells of no factor: reading and writing, memory, waiting. The
time is read without a call at all, by the vDSO, so that a trace does not show it.
"""

from collections.abc import Mapping

SIGNAL = "rt_sigaction"
"""Told where it sets an action."""

PATHS: Mapping[str, tuple[str, int]] = {
    "access": ("looks", 0),
    "faccessat": ("looks", 1),
    "faccessat2": ("looks", 1),
    "stat": ("looks", 0),
    "lstat": ("looks", 0),
    "newfstatat": ("looks", 1),
    "statx": ("looks", 1),
    "readlink": ("looks", 0),
    "readlinkat": ("looks", 1),
    "mkdir": ("makes", 0),
    "mkdirat": ("makes", 1),
    "mknod": ("makes", 0),
    "mknodat": ("makes", 1),
    "creat": ("makes", 0),
    "symlink": ("links", 1),
    "symlinkat": ("links", 2),
    "link": ("links", 1),
    "linkat": ("links", 3),
    "rename": ("renames", 0),
    "renameat": ("renames", 1),
    "renameat2": ("renames", 1),
    "unlink": ("removes", 0),
    "unlinkat": ("removes", 1),
    "rmdir": ("removes", 0),
    "truncate": ("writes", 0),
    "openat2": ("opens", 1),
    "chmod": ("chmods", 0),
    "fchmodat": ("chmods", 1),
    "chown": ("chowns", 0),
    "lchown": ("chowns", 0),
    "fchownat": ("chowns", 1),
    "utimensat": ("stamps", 1),
    "statfs": ("measures", 0),
    "execve": ("runs", 0),
    "execveat": ("runs", 1),
    "inotify_add_watch": ("watches", 1),
}
"""Call → verb, and which argument points to the path."""

CHANGING = ("makes ", "writes ", "links ", "renames ", "removes ", "chmods ", "chowns ", "stamps ")
"""What signs begin with that tell of a change of files."""

OPENS: Mapping[str, int] = {"open": 0, "openat": 1}
"""Call → which argument points to the path; the flags are in the next one, and choose the verb."""

ADDRESSES: Mapping[str, tuple[str, int]] = {
    "bind": ("binds", 1),
    "connect": ("connects", 1),
    "sendto": ("connects", 4),
}
"""Call → verb, and which argument points to the address; its length is the next one."""

VALUES: Mapping[str, tuple[str, int]] = {
    SIGNAL: ("signal", 0),
    "kill": ("kills", 1),
    "tgkill": ("kills", 2),
    "prctl": ("prctl", 0),
    "prlimit64": ("limit", 1),
    "getrlimit": ("limit", 0),
    "setrlimit": ("limit", 0),
    "personality": ("personality", 0),
    "unshare": ("unshares", 0),
}
"""Call → verb, and which argument is told as a number."""

PLAIN = (
    "acct",
    "add_key",
    "bpf",
    "capget",
    "capset",
    "chroot",
    "copy_file_range",
    "fallocate",
    "fanotify_init",
    "fchmod",
    "fchown",
    "fdatasync",
    "flock",
    "fork",
    "fsetxattr",
    "fstatfs",
    "fsync",
    "ftruncate",
    "getcpu",
    "getpgid",
    "getpriority",
    "getrandom",
    "getsid",
    "getuid",
    "getxattr",
    "inotify_init",
    "inotify_init1",
    "io_uring_setup",
    "keyctl",
    "lgetxattr",
    "listxattr",
    "lsetxattr",
    "mbind",
    "memfd_create",
    "mlock",
    "mlock2",
    "mlockall",
    "mount",
    "mq_open",
    "msgget",
    "msync",
    "perf_event_open",
    "pidfd_open",
    "process_vm_readv",
    "ptrace",
    "quotactl",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_setscheduler",
    "semget",
    "setdomainname",
    "setgid",
    "setgroups",
    "sethostname",
    "setitimer",
    "setns",
    "setpgid",
    "setpriority",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setsid",
    "setuid",
    "setxattr",
    "shmget",
    "signalfd4",
    "swapon",
    "sync",
    "sync_file_range",
    "syncfs",
    "sysinfo",
    "timer_create",
    "umask",
    "umount2",
    "uname",
    "vfork",
)
"""Calls that are told by their names alone."""

CLONE, SOCKET, TERMINAL, READ = "clone", "socket", "ioctl", "read"
"""Calls that are told in ways of their own."""

CONDITIONS: Mapping[str, tuple[int, int]] = {READ: (0, 0), "newfstatat": (3, 0)}
"""Calls that are handed on if an argument (its index) has a value only: what is read from standard input, and stat by
path: of each file that is opened, libraries ask by descriptor, and of each part of a path whether it is a link."""

TRACED = (*PATHS, *OPENS, *ADDRESSES, *VALUES, *PLAIN, CLONE, SOCKET, TERMINAL, READ)
"""All of them."""
