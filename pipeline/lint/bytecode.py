"""Rules about Python's byte-code: what is stale runs as the old source, or costs time at each start.

Source: PEP 552, and CPython's importlib._bootstrap_external: magic, flags, then time and size or a hash.
"""

import posixpath
import re
import struct
from collections.abc import Iterator

from pipeline.lint.contents import Contents, Node
from pipeline.lint.rule import Found, Severity, files, rule

_CACHED = re.compile(r"(?:^|/)__pycache__/([^/]+?)\.((?:cpython|pypy)-?\d+)(?:\.opt-\d)?\.pyc$")
_READS = r"\.pyc$"
_HASHED, _CHECKED = 1, 2  # PEP 552, flags


@rule(
    "bytecode-unchecked",
    Severity.WARNING,
    why="An edited source is ignored: the old code goes on running.",
    fix="Compile with `--invalidation-mode checked-hash`.",
    reads=_READS,
)
def bytecode_unchecked(contents: Contents) -> Iterator[Found]:
    """Find byte-code that is never compared with its source."""
    for node, _ in _cached(contents):
        flags = _flags(node)
        if flags is not None and flags & _HASHED and not flags & _CHECKED:
            yield Found.at(node, "is never compared with its source")


@rule(
    "bytecode-stale",
    Severity.WARNING,
    why="Python compiles the source again at every start, as it may not write the result.",
    fix="Compile after times were set, or with `--invalidation-mode checked-hash`.",
    reads=_READS,
)
def bytecode_stale(contents: Contents) -> Iterator[Found]:
    """Find byte-code whose time or size is not its source's."""
    for node, source in _cached(contents):
        there = contents.get(source)
        if there is None or _flags(node) != 0 or len(node.content) < 16:
            continue
        time, size = struct.unpack("<II", node.content[8:16])
        if there.is_file and (time != there.entry.mtime & 0xFFFFFFFF or size != _size(contents, there) & 0xFFFFFFFF):
            yield Found.at(node, "is older or newer than its source")


@rule(
    "bytecode-orphan",
    Severity.NOTE,
    why="The source is gone, so that Python never reads the file.",
    fix="Delete __pycache__ together with the sources.",
)
def bytecode_orphan(contents: Contents) -> Iterator[Found]:
    """Find byte-code without a source."""
    for node, source in _cached(contents):
        if not contents.has(source):
            yield Found.at(node, "has no source")


@rule(
    "bytecode-version",
    Severity.NOTE,
    why="No Python of the image reads it.",
    fix="Compile with the Python that the image runs, and do not copy __pycache__ from a developer's machine.",
)
def bytecode_version(contents: Contents) -> Iterator[Found]:
    """Find byte-code of a Python that is not there, where one is."""
    there = {f"cpython-{major}{minor}" for major, minor in _pythons(contents)}
    for node, source in _cached(contents):
        matched = _CACHED.search(node.path)
        tag = matched[2] if matched else ""
        if there and tag.startswith("cpython") and tag not in there and contents.has(source):
            yield Found.at(node, f"is of {tag}, and the image has {', '.join(sorted(there))}")


def _cached(contents: Contents) -> Iterator[tuple[Node, str]]:
    """Yield each file of byte-code and the path of its source."""
    for node in files(contents, _CACHED):
        matched = _CACHED.search(node.path)
        if matched:
            yield node, posixpath.join(posixpath.dirname(posixpath.dirname(node.path)), f"{matched[1]}.py")


def _flags(node: Node) -> int | None:
    return struct.unpack("<I", node.content[4:8])[0] if len(node.content) >= 8 else None


def _size(contents: Contents, node: Node) -> int:
    """Return the size of a file; a hard link has that of the path it names."""
    first = contents.tree.get(node.target) if node.target else node
    return first.entry.size if first else 0


def _pythons(contents: Contents) -> set[tuple[str, str]]:
    matches = (re.search(r"(?:^|/)python(\d)\.(\d+)$", path) for path in contents.tree)
    return {(each[1], each[2]) for each in matches if each and "/bin/" in f"/{each.string}"}


RULES = (bytecode_unchecked, bytecode_stale, bytecode_orphan, bytecode_version)
