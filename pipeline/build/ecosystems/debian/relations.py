"""Relations between packages: ``Depends``, ``Provides``, ``Conflicts`` and the like."""

import functools
import re
from dataclasses import dataclass

from pipeline.build.ecosystems.debian.version import is_satisfied
from pipeline.declare.errors import LockError

_RELATION = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9+.-]*)(?::(?P<qualifier>[a-z0-9-]+))?"
    r"(?:\s*\(\s*(?P<relation><<|<=|=|>=|>>|<|>)\s*(?P<version>[A-Za-z0-9.+~:-]+)\s*\))?\s*"
)


@dataclass(frozen=True, slots=True)
class Relation:
    """One package name with what its version must be.

    Args:
        name: the package, real or virtual.
        qualifier: the architecture after the colon, often ``any``; empty where there is none.
        relation: ``<<``, ``<=``, ``=``, ``>=`` or ``>>``; empty where any version will do.
        version: what the version is compared with.
    """

    name: str
    qualifier: str = ""
    relation: str = ""
    version: str = ""

    def __str__(self) -> str:
        name = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        return f"{name} ({self.relation} {self.version})" if self.relation else name

    def admits(self, version: str) -> bool:
        """Return whether a package of this name at ``version`` is meant; an empty version is one without a version."""
        if not self.relation:
            return True
        return bool(version) and is_satisfied(version, self.relation, self.version)


Alternatives = tuple[Relation, ...]
"""One dependency: any of these satisfies it, the first is preferred."""


@functools.lru_cache(maxsize=65536)
def parse_relations(text: str) -> tuple[Alternatives, ...]:
    """Return the dependencies of a field: commas divide them, bars divide the alternatives of each.

    Raises:
        LockError: the text is no such field.

    Source: deb-control(5) and Debian policy, section 7.1.
    """
    return tuple(tuple(_relation(one) for one in group.split("|")) for group in text.split(",") if group.strip())


def _relation(text: str) -> Relation:
    match = _RELATION.fullmatch(text)
    if match is None:
        raise LockError(f"{text.strip()[:80]!r} is no relation to a Debian package")
    return Relation(match["name"], match["qualifier"] or "", match["relation"] or "", match["version"] or "")
