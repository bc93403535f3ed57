"""``run``: the suite or a command once, on one host; it exits as the command did."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from pipeline.cli.arguments import UsageError
from pipeline.cli.early import is_image
from pipeline.cli.faults import OURS
from pipeline.cli.options import options, store_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from runtime.outcome import Outcome

EXAMPLES = """\
examples:
  seatrial run envs/web.yaml                         the suite on the reference
  seatrial run web --host openshift                  on another host
  seatrial run web --set umask=0077 -- python3 -m pytest tests/test_files.py
  seatrial run web --set cpus=1 --repeat 20          how often it fails
  seatrial run web --trace                           what it was denied, and whom it tried to reach
  seatrial run oci:DIR                               an image of a layout: what it runs by itself
  seatrial run oci:DIR:NAME -- /bin/sh -c id         this command in its place"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.usage = f"{parser.prog} [options] SPEC|IMAGE [-- CMD …]"
    parser.add_argument(
        "subject",
        metavar="SPEC|IMAGE",
        help="a spec; or an image, without a suite: oci:DIR[:NAME|@DIGEST], sha256:…, or a name in the store",
    )
    parser.add_argument("--host", metavar="HOST", help="a host by its name (the spec's reference, or reference)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FACTOR=LEVEL", help="a level; may be given many times"
    )
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="run N times and tell how often it fails")
    parser.add_argument(
        "--trace", action="store_true", help="tell denied system calls, whom it tried to reach, and what outlived it"
    )
    parser.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="ARTIFACT=DIGEST",
        help="fail if an artifact is another one; may be given many times",
    )
    parser.add_argument("--locked", action="store_true", help="write no lock: a missing one is an error")


def run(arguments: argparse.Namespace) -> int:
    """Run; the command's output goes where the command sends it, ours to stderr."""
    if arguments.repeat < 1:
        raise UsageError(f"--repeat {arguments.repeat}: want at least 1")
    levels = parse_levels(arguments.set)
    check = _expecting(arguments.expect)

    command = tuple(arguments.command) if arguments.command else None
    once = arguments.repeat == 1
    listeners = (_to(sys.stdout), _to(sys.stderr)) if once else (_nowhere, _nowhere)
    outcomes = _run(arguments, levels, command, listeners)
    unexpected = [int(not check(outcome)) for outcome in outcomes]
    codes = [exit_code(outcome) or wrong for outcome, wrong in zip(outcomes, unexpected, strict=True)]
    if arguments.trace:
        sys.stderr.writelines(f"seatrial: {line}\n" for line in _traces(outcomes))
    if once:
        _explain(outcomes[0])
        return codes[0]
    return _rate(outcomes, codes)


def _expecting(words: Sequence[str]) -> Callable[[Outcome], bool]:
    """Return what tells whether the artifacts of a run are the expected ones, and says on stderr which are not.

    Raises:
        UsageError: a word is no expectation.
    """
    if not words:
        return lambda _: True
    from pipeline.cli.expectations import parse_expectations, unmet  # noqa: PLC0415 - few commands have any

    expected = parse_expectations(words)

    def check(outcome: Outcome) -> bool:
        lines = list(unmet(outcome, expected))
        sys.stderr.writelines(f"seatrial: {line}\n" for line in lines)
        return not lines

    return check


def _run(
    arguments: argparse.Namespace,
    levels: dict[str, str],
    command: tuple[str, ...] | None,
    listeners: tuple[Callable[[bytes], None], Callable[[bytes], None]],
) -> tuple[Outcome, ...]:
    """Run a spec's suite, which takes all that there is, or an image, which takes little."""
    if is_image(arguments.subject):
        from pipeline.image_run import Wish, run_image  # noqa: PLC0415 - not for --help

        wish = Wish(
            image=arguments.subject,
            host=arguments.host,
            levels=levels,
            argv=command,
            repeat=arguments.repeat,
            store=store_path(arguments),
            destinations=arguments.trace,
        )
        return run_image(wish, listeners, getattr(arguments, "launched", None))

    from pipeline import spec_run  # noqa: PLC0415 - loads everything

    wishes = options(arguments)
    return spec_run.run_once(
        arguments.subject,
        arguments.host,
        levels,
        command,
        arguments.repeat,
        wishes,
        *listeners,
        destinations=arguments.trace,
    )


def parse_levels(words: Sequence[str]) -> dict[str, str]:
    """Return factor → level; a word is split at its first ``=``.

    Raises:
        UsageError: a word has no ``=``, or one factor is set twice.
    """
    levels: dict[str, str] = {}
    for word in words:
        factor, equals, level = word.partition("=")
        if not equals or not factor:
            raise UsageError(f"--set {word}: want FACTOR=LEVEL", hint="`seatrial hosts --levels` lists them")
        if levels.setdefault(factor, level) != level:
            raise UsageError(f"--set {word}: {factor} is set to {levels[factor]!r} too")
    return levels


def exit_code(outcome: Outcome) -> int:
    """Return what a shell would see: the command's own code, 128 + n by a signal, 124 deadline, 137 out of memory."""
    limit = str(outcome.limit) if outcome.limit else ""
    if limit:
        return {"deadline": 124, "oom": 137}.get(limit, OURS)
    return 128 + outcome.signal if outcome.signal else outcome.exit_code if outcome.exit_code is not None else OURS


def _explain(outcome: Outcome) -> None:
    """Say what the command's own output cannot: which limit ended it, which level did not hold."""
    said = {"deadline": "the deadline ended it", "oom": "it ran out of memory", "output": "it wrote more than is kept"}
    if outcome.limit:
        victims = ", ".join(outcome.resources.victims[:3]) if str(outcome.limit) == "oom" else ""
        sys.stderr.write(f"seatrial: {said[str(outcome.limit)]}{f': the kernel killed {victims}' * bool(victims)}\n")
    for factor, evidence in sorted(outcome.evidence.items()):
        if not evidence.holds:
            sys.stderr.write(f"seatrial: warning: {factor} did not take effect: {evidence.found!a} was found\n")


def _traces(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield what any run was denied, and what it asked for: each line once, as runs of one plan have most alike."""
    lines: dict[str, None] = {}
    for each in outcomes:
        lines |= dict.fromkeys(_trace(each))
    yield from lines or ("no system call was denied, and nothing beyond the run was asked for",)


def _trace(outcome: Outcome) -> Iterator[str]:
    calls, network = outcome.calls, outcome.network
    if calls is None:
        yield "denied system calls and destinations are not known on this host"
    else:
        least = "" if calls.is_whole else "at least "
        yield from (f"denied: {each.call} ({each.errno}), {least}{_times(each.count)}" for each in calls.denied)
        yield from (f"destination: {each}, {least}{_times(each.count)}" for each in calls.attempts)
    if network is None:
        yield "names that it asked for are not known on this host"
    else:
        yield from (f"name asked for: {each.name}, {_times(each.count)}" for each in network.lookups)
        if network.unroutable:
            yield f"no route to a destination, {_times(network.unroutable)}"
    for each in outcome.shutdown or ():
        after = f", {each.duration / 1000:.1f} s after SIGTERM" if each.duration >= 0 else ""
        yield f"{'service' if each.is_service else 'left behind'}: {each.name}, {each}{after}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _rate(outcomes: Sequence[Outcome], codes: Sequence[int]) -> int:
    """Print how often it failed; exit as the first run that failed did."""
    failed = [code for code in codes if code]
    sys.stdout.write(f"fails {len(failed)} of {len(codes)} times\n")
    for code in sorted(set(failed)):
        sys.stdout.write(f"  exit {code}  {failed.count(code)} times\n")
    for outcome, code in zip(outcomes, codes, strict=True):
        if code:
            _explain(outcome)
            break
    return failed[0] if failed else 0


class _to:  # noqa: N801 - it is called as a function is
    """Write bytes to a stream as they come; where its reader has gone, end at once, as what SIGPIPE ends does.

    It is called in a thread that reads the run, which would go on writing to nobody: it ends with this process.
    """

    def __init__(self, stream: object) -> None:
        self._binary = getattr(stream, "buffer", None)

    def __call__(self, content: bytes) -> None:
        if self._binary is not None:
            try:
                self._binary.write(content)
                self._binary.flush()
            except BrokenPipeError:
                os._exit(128 + signal.SIGPIPE)


def _nowhere(_: bytes) -> None:
    """Drop it: many runs' outputs in one stream would tell nothing."""
