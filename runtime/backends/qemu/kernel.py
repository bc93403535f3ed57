"""``Kernel``: a Linux kernel to boot, with its modules, as whoever has kernels hands it in."""

from collections.abc import Callable, Iterable
from pathlib import Path

from runtime.data import dataclass
from runtime.errors import BackendError

MODULES = (
    "virtio_pci",
    "virtio_console",
    "virtio_blk",
    "erofs",
    "overlay",
    "veth",
    "dummy",
)
"""What a virtual machine of ours needs beside the kernel itself; a kernel may have some of them built in."""

_DEPENDS = b"depends="


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel to boot.

    Args:
        release: as ``uname -r`` says it.
        image: the file that a boot loader reads.
        modules: a folder of its modules, uncompressed, each as ``NAME.ko`` with ``_`` for ``-``.
    """

    release: str
    image: Path
    modules: Path


Kernels = Callable[[str], Kernel]
"""Level of the factor ``kernel`` → the kernel; a ``BackendError`` says why it cannot be had."""


def modules_in_order(kernel: Kernel, wanted: Iterable[str] = MODULES) -> tuple[Path, ...]:
    """Return the files of some modules and of all that they depend on, each behind what it needs.

    What has no file is built into the kernel, or is missed by whoever needs it: a run tells.
    """
    found: dict[str, Path] = {}

    def add(name: str) -> None:
        path = kernel.modules / f"{name}.ko"
        if name in found or not path.is_file():
            return
        for each in depends(path.read_bytes()):
            add(each)
        found[name] = path

    for each in wanted:
        add(each)
    return tuple(found.values())


def depends(module: bytes) -> tuple[str, ...]:
    """Return the names of the modules that a module needs, as its section ``.modinfo`` says.

    Source: Linux scripts/mod/modpost.c, ``add_depends``.
    """
    start = module.find(b"\0" + _DEPENDS)
    if start < 0:
        start = module.find(_DEPENDS) - 1
    if start < -1:
        raise BackendError("a module of the kernel says nothing of what it depends on: it is no module of Linux")
    words = module[start + 1 + len(_DEPENDS) :].partition(b"\0")[0].decode("ascii", "replace")
    return tuple(each.replace("-", "_") for each in words.split(",") if each)
