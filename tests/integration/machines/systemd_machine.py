"""A machine as users have it: Debian under systemd, with the second version of control groups alone, in QEMU."""

import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from busybox_image import lay_layout

from pipeline.build.machine import apt_archives

ROOT = Path(__file__).parents[3]
SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""Python → the suite that has it: what is installed beside these tests runs there as it is."""

PACKAGES = (
    *("systemd-sysv", "dbus-user-session", "libpam-systemd", "linux-image-cloud-amd64", "initramfs-tools", "python3"),
    *("uidmap", "iproute2", "procps", "crun", "runc", "podman", "catatonit", "slirp4netns"),
    *("golang-github-containers-common", "containernetworking-plugins"),
)
USER, SERVICE_USER = "ann", "ci"
"""Who has a session, and who has none."""

_CONSOLE = "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin {} --keep-baud 115200 - linux\n"
_QUIET = "bind 'set enable-bracketed-paste off'; stty -echo cols 200; PS1=; PS2="
_OURS = '#!/bin/sh\nPYTHONPATH=/opt/seatrial:/opt/site exec python3 -m pipeline.cli.main "$@"\n'
_SIZE = 8 << 30
_BOOT, _PATIENCE = 600, 600  # seconds; the machine is emulated


class Console:
    """A shell that somebody has logged in to, at a serial port.

    Args:
        path: of the socket that is its other end.
    """

    def __init__(self, path: Path) -> None:
        self._socket = _connected(path)
        self._socket.settimeout(1)
        self._number = 0

    def log_in(self) -> None:
        """Wait until somebody is logged in."""
        self._await(re.compile(rb"[$#] "), _BOOT)
        self.run(_QUIET)

    def run(self, command: str) -> tuple[int, str]:
        """Run a command, and return its exit code and what it wrote."""
        self._number += 1
        self._socket.sendall(f"{command}; echo end''-{self._number} $?\n".encode())
        text = self._await(re.compile(rb"end-%d (\d+)\r?\n" % self._number), _PATIENCE)
        before, code = re.split(r"end-\d+ (\d+)\s*$", text)[:2]
        return int(code), before.replace("\r", "")

    def close(self) -> None:
        """Leave it."""
        self._socket.close()

    def _await(self, pattern: re.Pattern[bytes], seconds: float) -> str:
        found, end = b"", time.monotonic() + seconds
        while not pattern.search(found):
            assert time.monotonic() < end, found[-2000:].decode(errors="replace")
            with suppress(TimeoutError):
                part = self._socket.recv(1 << 16)
                assert part, "the machine has ended"
                found += part
        return found.decode(errors="replace")


@contextmanager
def booted(folder: Path) -> Iterator[tuple[Console, Console]]:
    """Make such a machine in a folder, and boot it; yield the consoles of root and of a plain user."""
    tree, disk = folder / "tree", folder / "disk"
    _make_tree(tree, SUITES[sys.version_info[:2]])
    with disk.open("wb") as file:
        file.truncate(_SIZE)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, disk], check=True)
    boot = shutil.copytree(tree / "boot", folder / "boot")
    shutil.rmtree(tree)
    with tempfile.TemporaryDirectory(prefix="seatrial-ports-") as ports:  # the path of a socket is short
        yield from _consoles(_command(boot, disk, ports), ports)
    disk.unlink()


def _command(boot: Path, disk: Path, ports: str) -> list[str]:
    (kernel,), (first,) = boot.glob("vmlinuz-*"), boot.glob("initrd.img-*")
    command = ["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "4G"]
    command += ["-no-reboot", "-display", "none", "-monitor", "none", "-nic", "none"]
    command += ["-kernel", str(kernel), "-initrd", str(first)]
    command += ["-append", "root=/dev/vda rw console=ttyS0 quiet loglevel=1"]
    command += ["-drive", f"file={disk},if=virtio,format=raw,cache=unsafe"]
    for name in (USER, "root"):
        command += ["-chardev", f"socket,id={name},path={ports}/{name},server=on,wait=off"]
        command += ["-serial", f"chardev:{name}"]
    return command


def _consoles(command: list[str], ports: str) -> Iterator[tuple[Console, Console]]:
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as machine:
        try:
            root, user = Console(Path(ports, "root")), Console(Path(ports, USER))
            for each in (root, user):
                each.log_in()
            yield root, user
            root.close()
            user.close()
        finally:
            machine.kill()


def _connected(path: Path) -> socket.socket:
    """Return what is connected to a socket that may not be there yet."""
    end = time.monotonic() + _PATIENCE
    while True:
        found = socket.socket(socket.AF_UNIX)
        try:
            found.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            found.close()
            assert time.monotonic() < end, f"nobody listens at {path}"
            time.sleep(0.1)
        else:
            return found


def _make_tree(tree: Path, suite: str) -> None:
    mirrors = [f"deb {url} {suite} main" for kind, url in apt_archives(Path("/")) if kind == "debian"]
    command = ["mmdebstrap", "--variant=apt", f"--include={','.join(PACKAGES)}", suite, str(tree), *mirrors[:1]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)
    assert done.returncode == 0, done.stderr[-3000:]
    add = ["useradd", "--create-home", "--shell", "/bin/bash"]
    for command in ([*add, USER], [*add, SERVICE_USER], ["passwd", "-d", "root"]):
        subprocess.run(["chroot", tree, *command], check=True, capture_output=True)
    for name in ("pipeline", "runtime"):
        shutil.copytree(ROOT / name, tree / "opt/seatrial" / name)
    shutil.copytree(sysconfig.get_path("purelib"), tree / "opt/site")
    lay_layout(tree / "opt/image")
    ours = tree / "usr/local/bin/seatrial"
    ours.write_text(_OURS)
    ours.chmod(0o755)
    for port, name in (("ttyS0", USER), ("ttyS1", "root")):
        settings = tree / f"etc/systemd/system/serial-getty@{port}.service.d/login.conf"
        settings.parent.mkdir(parents=True)
        settings.write_text(_CONSOLE.format(name))
    started = tree / "etc/systemd/system/getty.target.wants"
    started.mkdir(parents=True, exist_ok=True)
    (started / "serial-getty@ttyS1.service").symlink_to("/lib/systemd/system/serial-getty@.service")
    (tree / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    subprocess.run(["chmod", "-R", "a+rX", tree / "opt"], check=True)
    os.sync()
