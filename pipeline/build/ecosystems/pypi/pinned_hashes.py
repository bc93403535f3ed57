"""The hashes that a requirements file demands: what is locked has one of them, or nothing is locked."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pipeline.build.artifact import LockedPackage
from pipeline.declare.errors import ResolveError
from pipeline.declare.reasons import Reason
from pipeline.declare.requirements import requirement_files

_HASH = re.compile(r"\s--hash(?:=|\s+)(?P<algorithm>[a-z0-9]+):(?P<digits>[0-9a-fA-F]+)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTION = re.compile(r"\s--.*$")


def refuse_other_hashes(requirements: Path, locked: Sequence[LockedPackage]) -> None:
    """Refuse a wheel whose SHA-256 is none of those that the file, or one that it names, lists of its package.

    Raises:
        ResolveError: one is; or a package has hashes of other kinds only, which a lock of wheels cannot compare.

    Source: pip documentation, "Hash-checking Mode".
    """
    by_name = {each.name: each for each in locked}
    for name in requirement_files(requirements, requirements.name):
        path = requirements.parent / name
        for line, project, wanted in _demanded(path.read_text("utf-8")):
            package = by_name.get(project)
            if package is not None and package.artifact.sha256 not in wanted:
                raise ResolveError(
                    f"{path}:{line}: {project} {package.version} has sha256:{package.artifact.sha256} on the index, "
                    f"and none of the {len(wanted)} hashes here is that",
                    hint="somebody changed one of them: see which is right; only SHA-256 of the wheel counts",
                    reason=Reason.INDEX_HASH,
                )


def _demanded(text: str) -> Iterator[tuple[int, str, frozenset[str]]]:
    """Yield line, project and SHA-256s of each requirement that lists hashes."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if number > 1 and lines[number - 2].endswith("\\"):
            continue
        whole = _joined(lines[number - 1 :]) if line.endswith("\\") else line
        bare = _COMMENT.sub("", whole)
        hashes = [(each["algorithm"], each["digits"].lower()) for each in _HASH.finditer(bare)]
        try:
            project = canonicalize_name(Requirement(_OPTION.sub("", bare).strip()).name) if hashes else ""
        except InvalidRequirement:
            continue  # the resolver says what is wrong with it
        if project:
            yield number, project, frozenset(digits for algorithm, digits in hashes if algorithm == "sha256")


def _joined(lines: Sequence[str]) -> str:
    """Return the first line with those that continue it."""
    parts = []
    for line in lines:
        parts.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            break
    return " ".join(parts)
