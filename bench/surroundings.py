"""What a build finds around it that only root can arrange: other file systems, names and clocks, pauses, little memory.

A process that uses this is left in mount and host-name namespaces of its own; what is mounted there ends with it.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from runtime.backends.native import mounts, processes

FAKE_TIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
ZONES = Path("/usr/share/zoneinfo")
IMAGE_BYTES = 6 << 30  # of a file system in a file, which takes what is written there only
MEMORY = Path("/sys/fs/cgroup/memory")
MEMORY_BYTES = 192 << 20


def enter() -> None:
    """Leave the mounts and the host name of all others."""
    processes.unshare(processes.CLONE_NEWNS | processes.CLONE_NEWUTS)
    mounts.mount(None, "/", None, mounts.MS_REC | mounts.MS_SLAVE)


def file_systems() -> list[str]:
    """Return the kinds of file system, beside the machine's own, that a store can be put on here."""
    known = Path("/proc/filesystems").read_text(encoding="ascii").split()
    return [*(each for each in ("xfs", "btrfs") if each in known and shutil.which(f"mkfs.{each}")), "tmpfs"]


def can_reorder() -> bool:
    """Tell whether folders can be made to list their entries in another order."""
    return bool(shutil.which("disorderfs")) and Path("/dev/fuse").exists()


def can_squeeze() -> bool:
    """Tell whether memory can be limited: by control groups of version 1 here."""
    return os.access(MEMORY / "memory.limit_in_bytes", os.R_OK) and os.access(MEMORY, os.W_OK)


@contextlib.contextmanager
def file_system(kind: str, folder: Path) -> Iterator[None]:
    """Have an empty folder on a file system of its own; nothing is done for an empty ``kind``."""
    if not kind:
        yield
        return
    with contextlib.ExitStack() as stack:
        if kind == "tmpfs":
            succeed("mount", "-t", "tmpfs", "-o", "size=80%", "tmpfs", str(folder))
        else:
            image = folder.with_name(f"{folder.name}.{kind}")
            stack.callback(image.unlink)
            with image.open("wb") as file:
                file.truncate(IMAGE_BYTES)
            succeed(f"mkfs.{kind}", "-q", str(image))
            succeed("mount", "-o", "loop", str(image), str(folder))
        stack.callback(succeed, "umount", "--lazy", str(folder))
        folder.chmod(0o755)
        yield


@contextlib.contextmanager
def reordered(folder: Path, *, is_wanted: bool) -> Iterator[None]:
    """Have a folder list its entries in an order that is new each time."""
    if not is_wanted:
        yield
        return
    behind = folder.with_name(f"{folder.name}.behind")
    folder.rename(behind)
    shutil.copytree(behind, folder, ignore=lambda _, names: names)  # with its mode
    options = ("--multi-user=yes", "--shuffle-dirents=yes", "--reverse-dirents=no", "-o", "allow_other")
    succeed("disorderfs", "--quiet", *options, str(behind), str(folder))
    try:
        yield
    finally:
        succeed("umount", "--lazy", str(folder))
        folder.rmdir()
        behind.rename(folder)


@contextlib.contextmanager
def host_name(name: str) -> Iterator[None]:
    """Have the machine called otherwise."""
    before = socket.gethostname()
    if name:
        socket.sethostname(name)
    try:
        yield
    finally:
        if name:
            socket.sethostname(before)


@contextlib.contextmanager
def without_zones(*, is_wanted: bool) -> Iterator[None]:
    """Have no time zones on the machine."""
    if not is_wanted or not ZONES.is_dir():
        yield
        return
    with tempfile.TemporaryDirectory() as empty:
        succeed("mount", "--bind", empty, str(ZONES))
        try:
            yield
        finally:
            succeed("umount", "--lazy", str(ZONES))


@contextlib.contextmanager
def little_memory(*, is_wanted: bool) -> Iterator[Path | None]:
    """Yield the control group that a process is to enter, whose memory is short."""
    if not is_wanted:
        yield None
        return
    group = Path(tempfile.mkdtemp(prefix="digests-", dir=MEMORY))
    try:
        (group / "memory.limit_in_bytes").write_text(str(MEMORY_BYTES), encoding="ascii")
        yield group
    finally:
        group.rmdir()


@contextlib.contextmanager
def paused(leader: int, *, is_wanted: bool, seed: int = 0) -> Iterator[None]:
    """Stop the processes of a session's leader for a moment again and again, at times that a seed draws."""
    if not is_wanted:
        yield
        return
    chance, over = random.Random(seed), threading.Event()  # noqa: S311 - moments, no secret

    def pause() -> None:
        while not over.wait(chance.uniform(0.05, 0.5)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGSTOP)
                over.wait(chance.uniform(0.01, 0.3))
                os.killpg(leader, signal.SIGCONT)

    thread = threading.Thread(target=pause)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def succeed(*command: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
