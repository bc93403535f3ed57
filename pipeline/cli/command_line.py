"""``start``: the command line, its exit codes, and what becomes of errors and signals."""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipeline.cli import faults, oci_runtime, stopping
from pipeline.cli.arguments import Command, parse, verb_of
from pipeline.cli.options import store_path
from runtime.errors import SeatrialError

if TYPE_CHECKING:
    from runtime.backends.native.launch import Launched


def start(
    argv: Sequence[str],
    *,
    program: str,
    settle: Callable[[], None] = lambda: None,
    launched: "Launched | None" = None,
) -> int:
    """Run a command line and return its exit code; nothing is raised but ``SystemExit`` for ``--help``.

    Args:
        argv: the words after the program's name.
        program: ``seatrial`` or ``verify``.
        settle: called when the result is out, where the process ends with it.
        launched: the warm process of a single run, which is on its way.
    """
    _soften(sys.stdout)
    _soften(sys.stderr)
    if program == "seatrial" and argv[:1] == [oci_runtime.NAME] and argv[1:] not in (["--help"], ["-h"]):
        return oci_runtime.run(argparse.Namespace(words=argv[1:]))  # whose options are not ours, `--root` before all
    stopping.install()
    wants_json = "--json" in (argv[: argv.index("--")] if "--" in argv else argv)
    command: Command | None = None
    try:
        command = parse(argv, program=program)
        command.arguments.launched = launched
        if command.row.hosts and launched is None:
            from runtime.backends.native.scope import enter_scope  # noqa: PLC0415 - few commands need it

            enter_scope()
        code = command.verb.run(command.arguments)
        sys.stdout.flush()
        settle()
    except SeatrialError as error:
        code = faults.OURS if _is_run(argv, program) else faults.exit_code_of(error)
        faults.show(error, as_json=wants_json, exit_code=code)
    except KeyboardInterrupt as stop:
        code = stopping.exit_code(stop)
        sys.stderr.write("interrupted\n")
        if wants_json:
            faults.show_document("interrupted before there was a result", "", code)
    except BrokenPipeError:
        code = _reader_left()
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, it becomes a file and an exit code
        code = faults.OURS if _is_run(argv, program) else faults.INTERNAL
        if wants_json:
            faults.show_document(f"an internal error: {type(error).__name__}: {error}", "", code)
        faults.show_internal(error, argv, [store_path(command.arguments if command else _nothing()) / "tmp"])
    return code


def _is_run(argv: Sequence[str], program: str) -> bool:
    """Tell whether the verb is ``run``, whose exit codes are the command's."""
    return program == "seatrial" and verb_of(argv) == "run"


def _soften(stream: object) -> None:
    """Let a stream write ``?`` for what it cannot encode: a test's name may not end the report."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")


def _reader_left() -> int:
    """Whoever read stdout has gone (``| head``): end as a program that SIGPIPE ends, without a word."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13  # SIGPIPE


def _nothing() -> argparse.Namespace:
    return argparse.Namespace(store=None)
