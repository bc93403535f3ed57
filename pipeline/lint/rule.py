"""``Rule``: one thing that an image should not have, why, and what to do about it."""

import re
from collections.abc import Callable, Iterator
from enum import StrEnum

from pipeline.lint.contents import Contents, Node
from runtime.data import dataclass

_PIECE = 2048


class Severity(StrEnum):
    """How bad a finding is; an error makes the command fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a rule found.

    Args:
        what: half a sentence; never a secret itself.
        path: in the image, without a slash in front; empty for its configuration.
        layer: 1 is the lowest; 0 for the configuration.
    """

    what: str
    path: str = ""
    layer: int = 0

    @classmethod
    def at(cls, node: Node, what: str) -> "Found":
        """Return a finding about a path."""
        return cls(what=what, path=node.path, layer=node.layer)


Finder = Callable[[Contents], Iterator[Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Args:
        code: stable, in kebab-case.
        severity: of all that it finds.
        why: what it costs, a sentence.
        fix: what to do, a sentence.
        find: yields what it finds, in a fixed order.
        reads: a pattern of the paths whose content it wants; empty for none.
    """

    code: str
    severity: Severity
    why: str
    fix: str
    find: Finder
    reads: str = ""


def rule(code: str, severity: Severity, *, why: str, fix: str, reads: str = "") -> Callable[[Finder], Rule]:
    """Make a rule of the function that follows."""

    def make(find: Finder) -> Rule:
        return Rule(code=code, severity=severity, why=why, fix=fix, find=find, reads=reads)

    return make


def file_rule(code: str, severity: Severity, path: str, what: str, *, why: str, fix: str, content: str = "") -> Rule:
    """Return a rule about files that a pattern names.

    Args:
        code: see ``Rule``.
        severity: see ``Rule``.
        path: a pattern that a part of the path must match.
        what: what is found.
        why: see ``Rule``.
        fix: see ``Rule``.
        content: a pattern that their text must match too, line by line; without one any file that is not empty counts.
    """
    name, held = re.compile(path), re.compile(content, re.IGNORECASE)

    def find(contents: Contents) -> Iterator[Found]:
        for node in files(contents, name):
            if any(held.search(each) for each in _pieces(node.text)) if content else node.entry.size:
                yield Found.at(node, what)

    return Rule(code=code, severity=severity, why=why, fix=fix, find=find, reads=path if content else "")


def _pieces(text: str) -> Iterator[str]:
    """Yield lines, long ones in parts that overlap: no pattern takes long, whatever the text."""
    for line in text.splitlines():
        for start in range(0, max(len(line), 1), _PIECE // 2):
            yield line[start : start + _PIECE]


def files(contents: Contents, name: re.Pattern[str]) -> Iterator[Node]:
    """Yield the files whose paths match, by path."""
    for path in sorted(contents.tree):
        if name.search(path) and contents.tree[path].is_file:
            yield contents.tree[path]
