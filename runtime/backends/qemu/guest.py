"""The first process of a virtual machine: it prepares the machine and runs what it is told to, by the native runtime.

Nothing is closed or cleaned up here: the machine ends as a whole.
"""
# ruff: noqa: PTH103, PTH123, PTH208 - as the modules of the native runtime have it

import ctypes
import os
import pickle
import resource
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TypeVar

from runtime.backends.native import mounts
from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.kernel_files import write_text
from runtime.backends.native.mounts import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY
from runtime.backends.native.running import NativeRunning
from runtime.backends.native.streams import Listener
from runtime.backends.native.syscalls import call
from runtime.backends.qemu.command import LAYER, PORT
from runtime.backends.qemu.messages import Message, frame, of_outcome, read_frame
from runtime.backends.qemu.order import GuestOrder
from runtime.digest import Digest
from runtime.errors import BackendError, SeatrialError

MODULES = "/seatrial/modules"
"""The folder of the kernel's modules, named so that their order is that in which they are loaded."""

_GROUPS = "/sys/fs/cgroup"
_LAYERS = "/seatrial/layers"
_SERIAL = LAYER.format("")
_MOST_FILES = 1 << 20  # fs.nr_open: runs may have a limit up to it
_WAITING = 20.0  # seconds until a disk or the port must be there
_MS_MOVE = 8192  # linux/mount.h
_RESTART = 0x01234567  # linux/reboot.h: LINUX_REBOOT_CMD_RESTART
T = TypeVar("T")
_SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC


def main() -> NoReturn:
    """Prepare the machine, serve until the client is gone, and end the machine."""
    try:
        prepare()
        port = _open_port()
        Guest(port).serve()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the console is where it can be told
        sys.stderr.write(f"seatrial: {type(error).__name__}: {error}\n")
        sys.stderr.flush()
        time.sleep(0.2)  # the console is slow
    finally:
        call("reboot", _RESTART)
    raise SystemExit(1)


def prepare() -> None:
    """Mount what a machine has, load the modules, and show the layers."""
    _leave_first_root()
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, _MOST_FILES))
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys")):
        mounts.mount(kind, place, kind, _SAFE)
    mounts.mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID)
    mounts.mount("cgroup2", _GROUPS, "cgroup2", _SAFE)
    _enter_group()
    for name in sorted(os.listdir(MODULES)):
        _load(f"{MODULES}/{name}")
    for name, device in sorted(_disks().items()):
        place = f"{_LAYERS}/{name.removeprefix(_SERIAL)}"
        os.makedirs(place)
        mounts.mount(f"/dev/{device}", place, "erofs", MS_RDONLY | MS_NODEV)


class Guest:
    """Takes orders and answers them, each run in a thread of its own.

    Args:
        port: the open serial port.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._sending = threading.Lock()
        self._runs: dict[int, NativeRunning] = {}
        self._layers: dict[Digest, tuple[Path, ...]] = {}
        self._backend = NativeBackend(self._layers_of)

    def serve(self) -> None:
        """Say hello, and work until the client is gone."""
        self._send(Message({"what": "hello", "about": 0, "ambient": dict(self._backend.ambient)}))
        while True:
            try:
                message = read_frame(self._read)
            except EOFError:
                return
            match message.head:
                case {"do": "start", "number": int(number)}:
                    order = pickle.loads(message.body)  # noqa: S301 - from whoever has started this machine
                    threading.Thread(target=self._run, args=(number, order)).start()
                case {"do": "signal", "number": int(number), "which": int(which)}:
                    if run := self._runs.get(number):
                        run.signal(which)
                case {"do": "close", "number": int(number)}:
                    if run := self._runs.get(number):
                        threading.Thread(target=run.close).start()
                case _:
                    raise ValueError(f"no such order: {message.head!r}")

    def _layers_of(self, manifest: Digest) -> tuple[Path, ...]:
        return self._layers[manifest]

    def _run(self, number: int, order: GuestOrder) -> None:
        try:
            for manifest, disks in order.disks.items():
                self._layers[manifest] = tuple(Path(_LAYERS, str(each)) for each in disks)
            listeners = tuple(
                self._forward(number, name) if is_heard else None
                for name, is_heard in zip(("out", "err"), order.heard, strict=True)
            )
            with self._backend.start(order.plan, listeners=(listeners[0], listeners[1])) as running:
                self._runs[number] = running
                self._send(Message({"what": "started", "about": number}))
                self._send(of_outcome(number, running.wait()))
        except SeatrialError as error:
            self._send(Message({"what": "failed", "about": number, "message": error.message, "hint": error.hint}))
        except Exception as error:  # noqa: BLE001 - one run that is lost must not be waited for for ever
            text = f"{type(error).__name__}: {error}"
            self._send(Message({"what": "failed", "about": number, "message": text, "hint": ""}))
        finally:
            self._runs.pop(number, None)

    def _forward(self, number: int, name: str) -> Listener:
        return lambda chunk: self._send(Message({"what": name, "about": number}, chunk))

    def _send(self, message: Message) -> None:
        view = memoryview(frame(message))
        with self._sending:
            while view:
                view = view[os.write(self._port, view) :]

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            part = os.read(self._port, min(size, 1 << 20))
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _leave_first_root() -> None:
    """Make the first files a mount that a run can pivot away from, which is forbidden on the kernel's first root.

    Source: pivot_root(2), "Notes"; switch_root(8) moves a mount so, too.
    """
    mounts.mount("/", "/seatrial/root", None, MS_BIND)
    os.chdir("/seatrial/root")
    mounts.mount(".", "/", None, _MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def _enter_group() -> None:
    """Put this process into a group of its own in a slice, as systemd does: no machine has all in the root."""
    slice_ = f"{_GROUPS}/machine.slice"
    os.makedirs(f"{slice_}/guest.scope")
    for above in (_GROUPS, slice_):
        for each in ("cpu", "memory", "pids"):
            with suppress(OSError):  # this kernel has none
                write_text(f"{above}/cgroup.subtree_control", f"+{each}")
    write_text(f"{slice_}/guest.scope/cgroup.procs", "0")


def _load(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(FileExistsError):  # it is built into this kernel
            call("finit_module", descriptor, ctypes.c_char_p(b""), 0)
    finally:
        os.close(descriptor)


def _disks() -> dict[str, str]:
    """Return serial number → device of the disks with layers. All are there: loading their module has waited."""
    found = {}
    for device in os.listdir("/sys/block"):
        with suppress(FileNotFoundError), open(f"/sys/block/{device}/serial", encoding="ascii") as file:
            name = file.read().strip()
            if name.startswith(_SERIAL):
                found[name] = device
    return found


def _open_port() -> int:
    def look() -> str | None:
        with suppress(FileNotFoundError):
            for name in os.listdir("/sys/class/virtio-ports"):
                with open(f"/sys/class/virtio-ports/{name}/name", encoding="ascii") as file:
                    if file.read().strip() == PORT:
                        return name
        return None

    name = _await(look, "the serial port")
    return _await(lambda: _try_to_open(f"/dev/{name}"), "the other end of the serial port")


def _try_to_open(path: str) -> int | None:
    with suppress(FileNotFoundError):
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    return None


def _await(look: Callable[[], T | None], what: str) -> T:
    end = time.monotonic() + _WAITING
    while (found := look()) is None:
        if time.monotonic() > end:
            raise BackendError(f"{what} is missing")
        time.sleep(0.02)
    return found


if __name__ == "__main__":
    main()
