"""``LockedModule``: one package of npm in a lock, and the folders of a ``node_modules`` tree that it fills."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pipeline.build.artifact import LockedPackage
from pipeline.declare.errors import LockError
from runtime.canonical import Json

NAME = r"(?:@[A-Za-z0-9~_-][A-Za-z0-9._~-]*/)?(?!node_modules(?:/|$))[A-Za-z0-9~_-][A-Za-z0-9._~-]*"
"""A package's name as a regular expression: no part of it begins with a dot, so none is ``..`` or ``.bin``."""

_PATH = re.compile(rf"node_modules/{NAME}(?:/node_modules/{NAME})*")
_MAX_PATH = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedModule:
    """One package, and where it is laid.

    Args:
        package: its source is ``npm:NAME@VERSION``.
        paths: folders below the one that has ``node_modules``, sorted, such as ``node_modules/a/node_modules/b``: two
            packages that need it may each have it of their own.

    Raises:
        LockError: a path is none of that form; a lock is a file that others can write.
    """

    package: LockedPackage
    paths: tuple[str, ...]

    def __post_init__(self) -> None:
        for path in self.paths or ("",):
            if not is_module_path(path):
                raise LockError(f"{self.package.artifact.source}: {path[:200]!r} is no path such as 'node_modules/a'")

    def to_json(self) -> dict[str, Json]:
        """Return the module as a lock holds it."""
        return {**self.package.to_json(), "paths": list(self.paths)}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Return the module that ``to_json`` wrote.

        Raises:
            LockError: a key is missing, unknown or of another type.
        """
        fields = dict(value) if isinstance(value, Mapping) else {}
        paths = fields.pop("paths", None)
        if not isinstance(paths, list) or not all(isinstance(each, str) for each in paths):
            raise LockError("a package of npm in a lock has a list of texts 'paths'")
        return cls(package=LockedPackage.from_json(fields), paths=tuple(str(each) for each in paths))


def is_module_path(path: str) -> bool:
    """Tell whether ``path`` is ``node_modules/NAME``, any number of times: it never leaves the tree."""
    return len(path) <= _MAX_PATH and _PATH.fullmatch(path) is not None


def name_at(path: str) -> str:
    """Return the name under which a module path is required: what follows its last ``node_modules/``."""
    return path.rpartition("node_modules/")[2]
