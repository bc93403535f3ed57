"""Which platforms a package of npm says that it is made for.

Source: npm's documentation, package.json, "os", "cpu" and "libc".
"""

from collections.abc import Mapping
from typing import Any

_PROCESSORS = {
    "amd64": "x64",
    "arm64": "arm64",
    "armhf": "arm",
    "i386": "ia32",
    "ppc64el": "ppc64",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
"""Debian's architecture → what Node.js calls it in ``process.arch``."""


def fits(about: Mapping[str, Any], architecture: str) -> bool:
    """Tell whether a package is made for Debian on an architecture.

    Args:
        about: its entry in a lock or in the registry.
        architecture: in Debian's words.
    """
    here = {"os": "linux", "cpu": _PROCESSORS.get(architecture, architecture), "libc": "glibc"}
    return all(_allows(about.get(key), value) for key, value in here.items())


def _allows(listed: object, value: str) -> bool:
    """Tell whether a list allows a value: it names it, or names only others with ``!`` before them."""
    names = [listed] if isinstance(listed, str) else listed
    if not isinstance(names, list) or not names or names == ["any"]:
        return True
    if f"!{value}" in names:
        return False
    return value in names or all(isinstance(each, str) and each.startswith("!") for each in names)
