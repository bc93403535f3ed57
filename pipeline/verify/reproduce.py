"""One command line that shows a difference again."""

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

_PYTEST = re.compile(r"(?:.*/)?(?:pytest|py\.test)(?:-?3)?")
_NUMBER = re.compile(r"#[1-9][0-9]*$")
_TAKES_VALUE = frozenset({"-c", "-o", "-p", "-W", "--rootdir", "--confcutdir", "--import-mode", "--override-ini"})
"""Options of pytest that change what a test sees and have their value in the next argument."""


def reproducer(
    *,
    spec: str,
    command: Sequence[str],
    reference: str = "",
    host: str = "",
    factors: Mapping[str, str] | None = None,
    test: str = "",
    repeat: int = 1,
    expect: str = "",
) -> str:
    """Return a command line, quoted for a POSIX shell.

    Args:
        spec: path of the spec, as the user gave it.
        command: the suite's.
        reference: the reference's name where it is not the built-in one.
        host: name of a host, where no smaller set of levels is known.
        factors: the levels that make the difference appear.
        test: the one test to run, as pytest takes it; empty runs the suite as it is.
        repeat: how often.
        expect: an artifact and its digest on the reference, ``PATH=sha256:…``; empty for none.
    """
    words = ["seatrial", "run", spec]
    if host or reference:
        words += ["--host", host or reference]
    for name, level in sorted((factors or {}).items()):
        words += ["--set", f"{name}={level}"]
    if repeat > 1:
        words += ["--repeat", str(repeat)]
    words += ["--expect", expect] if expect else []
    return shlex.join([*words, "--", *command_for(command, test)])


def located(test: str, root: str, workdir: str) -> str:
    """Return a test as pytest takes it on a command line: its file by a path that the working folder finds.

    Args:
        test: pytest's id, relative to ``root``.
        root: pytest's root folder; empty if that is not known.
        workdir: where the command starts.
    """
    return test if root in {"", workdir} else posixpath.join(root, test)


def command_for(command: Sequence[str], test: str) -> tuple[str, ...]:
    """Return a suite's command with one test to run: pytest's own options stay, the paths that it names go.

    A command that is not plainly pytest (a shell line, another runner) is returned as it is.
    """
    place = next((index for index, word in enumerate(command) if _PYTEST.fullmatch(word)), None)
    if place is None or not test:
        return tuple(command)
    return (*command[: place + 1], *_options(command[place + 1 :]), _NUMBER.sub("", test))


def _options(arguments: Iterable[str]) -> list[str]:
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in _TAKES_VALUE:
            kept += [word, *[value for value in [next(words, None)] if value is not None]]
        elif word.startswith(("-c", "-o", "-p", "-W", "--")) and (word[:2] != "--" or "=" in word):
            kept.append(word)
    return kept
