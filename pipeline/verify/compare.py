"""``Difference``: one behavior that differs between two observations, with both sides."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What kind of behavior differs."""

    TEST = "test"
    EXIT = "exit"
    ARTIFACT = "artifact"
    OUTPUT = "output"


class NoteKind(StrEnum):
    """What kind of trace differs. A trace is no behavior: it is reported, and it ranks causes."""

    FILE = "file"
    NETWORK = "network"
    SYSCALL = "syscall"
    RESOURCE = "resource"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Difference:
    """One behavior that differs.

    Args:
        kind: what kind of behavior.
        id: the test's id, the artifact's path, the stream's name; ``exit`` for the exit.
        reference: the reference's side, in a word: an outcome, ``exit 0``, a digest, ``missing``.
        here: this side, likewise.
        message: the text of the exception of the side that failed, or what says most; may be empty.
        file: where it failed, relative to the working folder; may be empty.
        line: likewise, from 1; 0 if unknown.
    """

    kind: Kind
    id: str
    reference: str
    here: str
    message: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Note:
    """A trace that differs between two observations.

    Args:
        kind: what kind of trace.
        text: one sentence.
    """

    kind: NoteKind
    text: str
