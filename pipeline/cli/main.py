"""``main`` and ``verify``: the two programs. What a command needs is imported when its warm process has been forked."""

import gc
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.cli.early import launch_early

if TYPE_CHECKING:
    from runtime.backends.native.launch import Launched


def main() -> int:
    """Run ``seatrial VERB …``; return its exit code."""
    gc.disable()  # what is imported stays; to look for what does not takes 2 ms
    launched = launch_early(sys.argv[1:])
    gc.enable()
    code = _run("seatrial", launched)
    if launched is None:
        return code
    # A single run has left nothing to be done, and the interpreter's own end takes 10 ms.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def verify() -> int:
    """Run ``verify …``, which is ``seatrial verify …``; return its exit code."""
    return _run("verify")


def _run(program: str, launched: "Launched | None" = None) -> int:
    from pipeline.cli import stopping  # noqa: PLC0415 - see the head of this module
    from pipeline.cli.command_line import start  # noqa: PLC0415 - likewise

    return start(sys.argv[1:], program=program, settle=stopping.settle, launched=launched)


if __name__ == "__main__":
    sys.exit(main())
