"""Commands of peers, and what came of them."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engines import program_of

from peers.verdicts import PATIENCE, Done, Text

NO_HYBRID = ("unshare", "--mount", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh")
"""Before a command: it finds one version of control groups, as crun 1.8 refuses a machine with both."""

LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")
"""For engines: their own are more than a machine without CAP_SYS_RESOURCE can give."""


def finish(command: Sequence[str], refuses: Callable[[bytes], bool], place: Path | None = None) -> Done | None:
    """Run a command; None if it did not end in time. ``refuses`` tells from stderr whether it started nothing."""
    try:
        ended = subprocess.run(
            command, capture_output=True, check=False, timeout=PATIENCE, stdin=subprocess.DEVNULL, cwd=place
        )
    except subprocess.TimeoutExpired:
        return None
    code = ended.returncode
    number = -code if code < 0 else code - 128 if code in (128 + 11, 128 + 31) else None
    return Done(
        exit_code=None if number else code,
        signal=number,
        stdout=Text(ended.stdout),
        stderr=Text(ended.stderr),
        is_refused=refuses(ended.stderr),
    )


def quietly(*command: str) -> None:
    """Run a command that may fail: what it cleans up may not be there."""
    subprocess.run(command, check=False, capture_output=True)


def version_of(peer: str) -> str:
    """Return the first line of what a peer says it is."""
    done = subprocess.run([program_of(peer), "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]


def words(option: str, values: Sequence[str]) -> Iterator[str]:
    """Yield an option once for each value."""
    for each in values:
        yield from (option, each)
