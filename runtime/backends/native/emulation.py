"""Programs of other architectures: which emulator runs them, and how the kernel is told, in a run's own user namespace.

Source: Linux Documentation/admin-guide/binfmt-misc.rst; since Linux 6.7 a user namespace may have its own.
"""
# ruff: noqa: PTH123 - no pathlib in the warm process

import os
from collections.abc import Mapping

from runtime.backend import Unsupported
from runtime.data import dataclass

FOLDER = "/proc/sys/fs/binfmt_misc"
"""Where the kernel's table of interpreters is mounted, on this machine and in a run."""

_PLACES = ("/usr/bin", "/usr/local/bin", "/bin")
_FLAGS = "FPOC"  # the program is opened now, argv[0] is kept, and its own file and rights are handed over
_FIRST_RELEASE = (6, 7)
_ELF_MASK = b"\xff\xff\xff\xff\xff\xff\xff\x00" + b"\xff" * 8


@dataclass(frozen=True, slots=True)
class Emulator:
    """A user-mode emulator, and how the kernel knows a program that is meant for it.

    Args:
        program: its name; Debian adds ``-static``.
        magic: the first bytes of an ELF program, an executable one.
        mask: which of their bits count: not the ABI, and a shared object is executable too.
    """

    program: str
    magic: bytes
    mask: bytes


EMULATORS: Mapping[str, Emulator] = {
    "arm64": Emulator(
        "qemu-aarch64",
        b"\x7fELF\x02\x01\x01\x00" + bytes(8) + b"\x02\x00\xb7\x00",
        _ELF_MASK + b"\xfe\xff\xff\xff",
    ),
    "s390x": Emulator(
        "qemu-s390x",
        b"\x7fELF\x02\x02\x01\x00" + bytes(8) + b"\x00\x02\x00\x16",
        _ELF_MASK + b"\xff\xfe\xff\xff",
    ),
}
"""Architecture → its emulator.

Source: elf(5); QEMU, scripts/qemu-binfmt-conf.sh has the same numbers.
"""


def lacking_emulator(architecture: str) -> Unsupported | None:
    """Tell why programs of an architecture cannot run here, or None if they can."""
    emulator = EMULATORS.get(architecture)
    if emulator is None:
        return Unsupported(reason=f"no emulator for {architecture} is known; there are {', '.join(EMULATORS)}")
    if is_registered(emulator):
        return None
    if program_of(emulator) is None:
        return Unsupported(
            reason=f"{emulator.program}-static is not installed, which runs programs for {architecture}",
            hint="run `sudo apt-get install qemu-user-static`",
        )
    if _release() < _FIRST_RELEASE:
        return Unsupported(
            reason=f"programs for {architecture} need Linux 6.7, or an emulator registered for the whole machine",
            hint="run `sudo apt-get install qemu-user-static binfmt-support`",
        )
    return None


def program_of(emulator: Emulator) -> str | None:
    """Return the path of an emulator that needs no library, None if there is none."""
    places = (f"{folder}/{emulator.program}-static" for folder in _PLACES)
    return next((each for each in places if os.access(each, os.X_OK)), None)


def is_registered(emulator: Emulator) -> bool:
    """Tell whether this machine runs the emulator for every process, from whatever tree."""
    try:
        with open(f"{FOLDER}/{emulator.program}", encoding="ascii", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    return "enabled" in lines and any(line.startswith("flags:") and "F" in line for line in lines)


def registration(emulator: Emulator, program: str) -> bytes:
    """Return what is written to the kernel's table."""
    magic, mask = ("".join(f"\\x{byte:02x}" for byte in each) for each in (emulator.magic, emulator.mask))
    return f":{emulator.program}:M::{magic}:{mask}:{program}:{_FLAGS}".encode()


def _release() -> tuple[int, ...]:
    major, _, rest = os.uname().release.partition(".")
    minor = "".join(character for character in rest.partition(".")[0] if character.isdecimal())
    return int(major), int(minor or 0)
