"""``Fault``: something wrong in a file that people write, shown with its line and what to write instead."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.declare.errors import SpecError

WIDTH = 100
"""Characters of a source line that are shown; a longer one is cut around the fault."""

SHOWN = 50
"""Faults shown at once; the rest is counted."""

# C0, C1 and DEL drive terminals; the others reorder, hide or break the text that follows; surrogates cannot be printed.
_HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that faults point into.

    Args:
        path: as the caller named it.
        text: its content; empty if it could not be read.
    """

    path: Path
    text: str = field(default="", repr=False, compare=False)

    def line(self, number: int) -> str:
        """Return the line of that number, counting from 1, without its end."""
        lines = _LINE_BREAK.split(self.text)
        return lines[number - 1] if 0 < number <= len(lines) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands.

    Args:
        file: the file.
        line: counting from 1.
        column: in characters, counting from 1.
        length: in characters, on that line.
    """

    file: SourceFile
    line: int = 1
    column: int = 1
    length: int = 1

    def fault(self, message: str, hint: str = "") -> "Fault":
        """Return a fault here."""
        return Fault(
            path=self.file.path,
            line=self.line,
            column=self.column,
            length=self.length,
            message=message,
            hint=hint,
            source_line=self.file.line(self.line),
        )


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """One thing that is wrong, and where.

    Args:
        path: the file.
        line: counting from 1; 0 for the file as a whole.
        column: in characters, counting from 1.
        length: how many characters are wrong.
        message: what is wrong, in one line.
        hint: what to write or do instead; may be empty.
        source_line: the line itself.
    """

    path: Path
    line: int = 0
    column: int = 0
    length: int = 1
    message: str
    hint: str = ""
    source_line: str = ""

    def __str__(self) -> str:
        """Return the fault for a terminal: place and message, the line, and a caret with the hint."""
        name = escape(str(self.path))
        if self.line == 0:
            return f"{name}: {escape(self.message)}" + (f"\nhint: {escape(self.hint)}" if self.hint else "")
        head = f"{name}:{self.line}:{self.column}: {escape(self.message)}"
        shown, offset, length = _window(self.source_line, self.column - 1, self.length)
        margin = " " * (2 + len(str(self.line)))
        caret = f"{margin} | {' ' * offset}{'^' * length} {escape(self.hint)}".rstrip()
        return f"{head}\n{f'  {self.line} | {shown}'.rstrip()}\n{caret}"


class SpecFaults(SpecError):  # noqa: N818 - it is its faults
    """Every fault that was found, in the order of the files."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        shown = "\n".join(str(fault) for fault in self.faults[:SHOWN])
        rest = len(self.faults) - SHOWN
        super().__init__(f"{shown}\n… and {rest} more faults" if rest > 0 else shown)


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return the faults in the order of their files and lines, each once."""
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: (fault.path, fault.line, fault.column)))


def escape(text: str) -> str:
    r"""Return ``text`` on one line; what would drive or mislead a terminal is written as ``\xNN`` or ``\uNNNN``."""
    return _HOSTILE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def _window(line: str, start: int, length: int) -> tuple[str, int, int]:
    """Return at most WIDTH characters of ``line`` around the fault, escaped, and where the fault is there."""
    first = max(0, start - WIDTH // 2) if len(line) > WIDTH else 0
    before, wrong, after = line[first:start], line[start : start + length], line[start + length :]
    before, wrong = escape(before.replace("\t", " ")), escape(wrong[:WIDTH].replace("\t", " "))
    lead = "…" if first else ""
    room = max(0, WIDTH - len(before) - len(wrong))
    tail = escape(after[:room].replace("\t", " ")) + ("…" if len(after) > room else "")
    return f"{lead}{before}{wrong}{tail}", len(lead) + len(before), max(1, len(wrong))
