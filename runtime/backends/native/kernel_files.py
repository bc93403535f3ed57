"""Files in which the kernel tells of a process or takes a setting of it; light enough for the warm process."""

import os

_CHUNK = 1 << 16


def read_text(path: str) -> str:
    """Read a file without the buffers of ``open``, which cost as much again: each run reads eight."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, _CHUNK):
            parts.append(part)
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", "replace")


def write_text(path: str, text: str) -> None:
    """Write a file in one call, which the kernel takes as one setting."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def pid_namespace() -> int:
    """Return the number of this process's PID namespace."""
    return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - no pathlib in the warm process


def name_of_this() -> str:
    """Return a name of this process that no other has had since boot: its PID namespace, its pid, and when it began."""
    return f"{pid_namespace()}-{os.getpid()}-{start_time(os.getpid())}"


def start_time(pid: int) -> int:
    """Return when a process started, in ticks since boot, -1 if there is none: with the pid it names one for good."""
    try:
        after = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return -1
    return int(after[19]) if after[0] not in "ZX" else -1
