"""Requirements files: which further files they name."""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.declare.tree import refusal

MAX_FILES = 100
"""Files that one requirements file may lead to."""

# pip's own file format: "-r FILE", "-rFILE", "--requirement FILE", "--requirement=FILE"; -c likewise.
_INCLUDE = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)(?:\s*=\s*|\s*)(\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$")


def requirement_files(spec: Path, written: str) -> tuple[str, ...]:
    """Return the requirements file and all that it names by ``-r`` or ``-c``, relative to the spec's folder, sorted.

    Raises:
        OSError: one cannot be read.
        ValueError: one leaves the project's tree, is missing or no UTF-8, or they are more than MAX_FILES.

    Source: pip documentation, "Requirements File Format".
    """
    found: set[str] = set()
    waiting = [written]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        reason = refusal(spec, name)
        if reason:
            raise ValueError(reason)
        found.add(name)
        if len(found) > MAX_FILES:
            raise ValueError(f"it leads to more than {MAX_FILES} files")
        waiting.extend(
            (Path(name).parent / each).as_posix() for each in _included((spec.parent / name).read_text("utf-8"))
        )
    return tuple(sorted(found))


def _included(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", "").splitlines():
        match = _INCLUDE.match(_COMMENT.sub("", line))
        if match:
            if "://" in match[1]:
                raise ValueError(f"{match[1]!r} is no local file; a lock answers files of the project only")
            yield match[1]
