"""``seatrial-oci`` as a program: sealed before anything large is imported, which would be done twice otherwise."""

import os
import sys

from runtime.backends.native.bundle import sealed

_ENTERING = frozenset({"create", "run", "exec"})


def main() -> int:
    """Run ``seatrial-oci COMMAND …``; return its exit code."""
    if _ENTERING & set(sys.argv[1:]) and os.geteuid() == 0 and not sealed.is_sealed():
        sealed.start_again_sealed()
    from runtime.backends.native.bundle.command_line import start  # noqa: PLC0415 - as above

    return start(sys.argv[1:])
