"""Which runtimes can carry a level out: the others refuse it by name.

A set of levels of the factor ``runtime``. A virtual machine runs our own runtime, on a kernel that may be older.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.factors.factor import Factor

MACHINE = frozenset({"qemu"})
NATIVE = frozenset({"native"})

OWN = NATIVE | MACHINE
"""Our own runtime, here and in a virtual machine."""

BUNDLES = OWN | {"crun", "runc", "youki"}
"""And those that are started inside namespaces of ours, on this machine's kernel."""

ENGINES = frozenset({"docker", "podman"})

LINUX = BUNDLES | ENGINES
"""All that run programs on Linux itself."""

EVERY = LINUX | {"runsc"}
"""And gVisor, which is a kernel of its own."""


def why_not(factor: "Factor", level: str, runtime: str) -> str:
    """Return why a runtime refuses a level; empty if it carries it out."""
    carriers = factor.carriers(level)
    if runtime in carriers:
        return ""
    return f"{runtime} cannot carry out {factor.name}={level}; {', '.join(sorted(carriers))} can"
