"""Names of architectures: Debian and images use the same words, the kernel and ELF have their own."""

import os
from collections.abc import Mapping

MACHINES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64", "s390x": "s390x"}
"""Architecture, as an image's config has it → machine, as ``uname -m`` says it."""

ELF_MACHINES: Mapping[int, str] = {62: "amd64", 183: "arm64", 22: "s390x"}
"""``e_machine`` of a program → its architecture.

Source: linux/elf-em.h: EM_X86_64, EM_AARCH64, EM_S390.
"""


_BIG_ENDIAN = 2  # linux/elf.h: ELFDATA2MSB


def own_architecture() -> str:
    """Return the architecture of this machine; the kernel's word where no image has a name for it."""
    machine = os.uname().machine
    return next((name for name, each in MACHINES.items() if each == machine), machine)


def elf_architecture(head: bytes) -> str:
    """Return the architecture of an ELF program, empty for what is none, or of a machine without a name here.

    Args:
        head: its first 20 bytes, or more.

    Source: elf(5), ``e_ident`` and ``e_machine``.
    """
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return ""
    number = head[18] << 8 | head[19] if head[5] == _BIG_ENDIAN else head[19] << 8 | head[18]
    return ELF_MACHINES.get(number, "")
