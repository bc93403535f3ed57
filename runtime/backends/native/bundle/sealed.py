"""Run from a sealed copy of the interpreter: what a container can reach of us as /proc/PID/exe cannot be written.

A container without a user namespace has root's own id. Its program may be ``#!/proc/self/exe``, which is then whatever
binary made the container; overwriting that was CVE-2019-5736.
"""

import os
import sys
from typing import NoReturn

from runtime.backends.native.sealed_copy import sealed_copy

_MEMFD = "/memfd:"
_NAME = "seatrial-oci"


def is_sealed() -> bool:
    """Tell whether this process runs from a copy in memory."""
    return os.readlink("/proc/self/exe").startswith(f"{_MEMFD}{_NAME}")  # noqa: PTH115 - before pathlib is needed


def start_again_sealed() -> NoReturn:
    """Replace this process by itself, run from a sealed copy of its interpreter; nothing may have been begun."""
    copy = sealed_copy(os.open("/proc/self/exe", os.O_RDONLY | os.O_CLOEXEC), _NAME)
    # The first word is where Python looks for its library from.
    os.execve(copy, [sys.executable, *sys.orig_argv[1:]], os.environ)  # noqa: S606 - ourselves, without a shell
