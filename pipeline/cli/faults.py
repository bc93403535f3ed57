"""What went wrong, for people: a message and the next step; a traceback only in a file, and only for our own faults."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import BackendError, SeatrialError

PASSED, FAILED, USAGE, INCONCLUSIVE, INTERNAL = range(5)
"""The exit codes of CONTRACT section 5."""

OURS = 125
"""The exit code of ``run`` for every error of our own: the others are the command's."""


def exit_code_of(error: SeatrialError) -> int:
    """Return the exit code of an error: 2 for what the user can correct, 3 for a verdict that could not be reached.

    A deployment that is refused or rolled back has failed, and so has a build that gives other bytes the second time.
    """
    from pipeline.declare.errors import (  # noqa: PLC0415 - errors only
        DeployError,
        NotReproducibleError,
        SuiteError,
        VerifyError,
    )

    if isinstance(error, NotReproducibleError | DeployError):
        return FAILED
    return INCONCLUSIVE if isinstance(error, BackendError | SuiteError | VerifyError) else USAGE


def show(error: SeatrialError, *, as_json: bool, exit_code: int) -> None:
    """Write an error to stderr, and as the one document of ``--json`` to stdout too."""
    from pipeline.report.text import Ink, visible  # noqa: PLC0415 - errors only

    ink = Ink.of(sys.stderr, os.environ)
    message, hint = visible(error.message, lines=True), visible(error.hint, lines=True)
    # The faults of a file begin with its name and line, as compilers write them.
    is_plain = hasattr(error, "faults") or getattr(error, "is_plain", False)
    text = message if is_plain else f"{ink.paint('error:', 'red')} {message}"
    sys.stderr.write(text + "\n" + (f"hint: {hint}\n" if hint else ""))
    if as_json:
        show_document(error.message, error.hint, exit_code)


def show_document(message: str, hint: str, exit_code: int) -> None:
    """Write the one document that ``--json`` promises, where there is no result."""
    from pipeline.report.json import error as document  # noqa: PLC0415 - errors only

    sys.stdout.write(document(message, hint, exit_code))


def show_internal(error: BaseException, argv: Sequence[str], folders: Sequence[Path]) -> None:
    """Write the traceback to a file and its path to stderr.

    Args:
        error: what nobody expected.
        argv: the command line, for the file.
        folders: where to put the file, the first that can be written; the machine's folder for such files is the last.
    """
    import traceback  # noqa: PLC0415 - our own faults only

    shown = " ".join(argv)
    text = f"command: seatrial {shown}\npython: {sys.version}\n\n{''.join(traceback.format_exception(error))}"
    path = _write(text, folders)
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    sys.stderr.write(f"error: an internal error, which is a fault of Seatrial: {ascii(said)[1:-1]}\n")
    sys.stderr.write(f"hint: please report it with the file {path}\n" if path else text)


def _write(text: str, folders: Sequence[Path]) -> str:
    import tempfile  # noqa: PLC0415 - our own faults only

    for folder in (*folders, Path(tempfile.gettempdir())):
        try:
            handle, name = tempfile.mkstemp(prefix="error-", suffix=".txt", dir=folder)
        except OSError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
        return name
    return ""
