"""The command line of QEMU: pure."""

from collections.abc import Sequence
from enum import StrEnum

from runtime.data import dataclass

PORT = "org.seatrial"
"""The name of the serial port over which orders and answers go."""

LAYER = "layer-{}"
"""The serial number of a disk: of a layer, counted from the lowest of the image."""

PROGRAM = "qemu-system-x86_64"


PROCESSORS = {
    "x86-64-v1": "qemu64,+rdrand",
    "x86-64-v2": "Nehalem,+rdrand",
    "x86-64-v3": "Haswell-noTSX",
}
"""Level of the factor ``cpu-features`` → the processor that has just that.

With RDRAND all: it belongs to no level, and without it a machine has no random bytes when its first process starts.
"""


class Accelerator(StrEnum):
    """Who carries out the guest's instructions."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a machine is made of.

    Args:
        accelerator: who carries out its instructions.
        cpus: how many processors.
        memory: MiB.
        kernel: path of the kernel.
        first_files: path of the archive with the guest's first files.
        console: path of the file that takes the kernel's words.
        orders: number of the descriptor of the connected socket behind the serial port.
        disks: paths of the layers' images, the lowest first.
        processor: one of the values of ``PROCESSORS``; empty for the best that the accelerator has.
    """

    accelerator: Accelerator
    cpus: int
    memory: int
    kernel: str
    first_files: str
    console: str
    orders: int
    disks: Sequence[str] = ()
    processor: str = ""


def command_line(program: str, shape: Shape) -> tuple[str, ...]:
    """Return the command that starts a machine: with nothing but what is named, and no way out but one port.

    Source: qemu-system-x86_64(1).
    """
    disks: list[str] = []
    for number, path in enumerate(shape.disks):
        disks += ["-drive", f"if=none,id=disk{number},file={_escaped(path)},format=raw,readonly=on"]
        disks += ["-device", f"virtio-blk-pci,drive=disk{number},serial={LAYER.format(number)}"]
    return (
        program,
        *("-nodefaults", "-no-user-config", "-no-reboot"),
        *("-display", "none", "-monitor", "none", "-parallel", "none"),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
        *("-machine", f"q35,accel={shape.accelerator}", "-cpu", shape.processor or _best(shape.accelerator)),
        *("-smp", str(shape.cpus), "-m", str(shape.memory)),
        *("-kernel", shape.kernel, "-initrd", shape.first_files),
        *("-append", "console=ttyS0 quiet loglevel=4 panic=-1 rdinit=/init"),
        *("-chardev", f"file,id=console,path={_escaped(shape.console)}", "-serial", "chardev:console"),
        *("-device", "virtio-serial-pci", "-chardev", f"socket,id=orders,fd={shape.orders}"),
        *("-device", f"virtserialport,chardev=orders,name={PORT}"),
        *disks,
    )


def _best(accelerator: Accelerator) -> str:
    return "max" if accelerator is Accelerator.TCG else "host"


def _escaped(path: str) -> str:
    """Return a path as QEMU's options have it: a comma twice."""
    return path.replace(",", ",,")
