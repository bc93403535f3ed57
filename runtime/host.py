"""``Host``: a level for every factor."""

from collections.abc import Mapping
from types import MappingProxyType

from runtime.data import dataclass, replace
from runtime.digest import Digest
from runtime.errors import HostError
from runtime.factors import FACTORS, factor
from runtime.plan import Plan

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host configuration.

    Args:
        name: how people call it.
        about: one sentence.
        source: the platform's own documentation, a URL; may be empty.
        factors: factor name → level; a level equal to the default says nothing and is dropped from the digest.

    Raises:
        HostError: the name is empty.
        FactorError: an unknown factor.
    """

    name: str
    about: str = ""
    source: str = ""
    factors: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.name:
            raise HostError("a host configuration needs a name")
        for name in self.factors:
            factor(name)

    @property
    def differing(self) -> Mapping[str, str]:
        """The levels that differ from the reference, sorted by factor."""
        return MappingProxyType(
            {name: level for name, level in sorted(self.factors.items()) if level != factor(name).default}
        )

    @property
    def digest(self) -> Digest:
        """Over the canonical JSON of ``{format, factors}`` with only the levels that differ from the default."""
        return Digest.of_json({"format": FORMAT, "factors": dict(self.differing)})

    def apply(self, plan: Plan) -> Plan:
        """Return ``plan`` on this host: a level of every factor applied, in the order of the table of factors.

        Args:
            plan: one that no host was applied to: only what the image and the suite say.

        Raises:
            FactorError: a level does not exist or cannot be applied.
        """
        for each in FACTORS:
            plan = each.apply(plan, self.level(each.name))
        return replace(plan, levels=self.differing)

    def level(self, name: str) -> str:
        """Return the level of the factor ``name``, the default where this host says nothing."""
        return self.factors.get(name, factor(name).default)
