"""``oci-runtime``: the OCI command line, which engines know as ``seatrial-oci``."""

from __future__ import annotations

import argparse

NAME = "oci-runtime"

EXAMPLES = """\
examples:
  seatrial oci-runtime create --bundle DIR --pid-file FILE ID
  podman --cgroup-manager cgroupfs --runtime "$(command -v seatrial-oci)" run IMAGE"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="create start state kill delete …")


def run(arguments: argparse.Namespace) -> int:
    """Be what an engine expects: its options, exit codes and messages, not ours."""
    from runtime.backends.native.bundle.command_line import start  # noqa: PLC0415 - not for --help

    return start(arguments.words)
