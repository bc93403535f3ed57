"""What a single run of an image begins with: the process that it is cloned from, forked while this one is small."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.backends.native.launch import Launched

_WITH_VALUE = frozenset(("--host", "--set", "--repeat", "--store", "--jobs", "--seed"))
_LIMITING = frozenset(("--host", "--set"))  # what may ask for a limit
_HELP = frozenset(("-h", "--help"))


def launch_early(argv: Sequence[str]) -> "Launched | None":
    """Fork the warm process if a command line runs an image; None for whatever else it does.

    It is called before anything is imported that only this process needs: what it imports, both have. Where it is
    wrong, a process was forked for nothing, or the backend starts one later.

    Args:
        argv: the words after ``seatrial``.
    """
    subject = _subject(argv)
    if not subject or not is_image(subject) or sys.platform != "linux":
        return None
    if os.geteuid() and _LIMITING.intersection(word.partition("=")[0] for word in argv):
        from runtime.backends.native.scope import enter_scope  # noqa: PLC0415 - root is limited as it is

        enter_scope()  # the warm process has to be in it, too
    from runtime.backends.native.launch import fork  # noqa: PLC0415 - only here

    return fork()


def is_image(subject: str) -> bool:
    """Tell whether ``run SUBJECT`` means an image: neither the file of a spec nor the name of one in ``envs/``.

    A spec may be followed by ``=IMAGE``: its suite is run in that image.
    """
    name = subject.partition("=")[0]
    return not name.endswith((".yaml", ".yml")) and not os.path.isfile(f"envs/{name}.yaml")  # noqa: PTH113 - see above


def _subject(argv: Sequence[str]) -> str:
    """Return what ``run`` is to run; empty if another verb or help is asked for."""
    words = iter(argv)
    if next(words, "") != "run":
        return ""
    found = ""
    for word in words:
        if word == "--":
            break
        if word in _HELP:
            return ""
        if word in _WITH_VALUE:
            next(words, "")
        elif not word.startswith("-"):
            found = found or word
    return found
