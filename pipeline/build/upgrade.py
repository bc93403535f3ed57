"""``Upgrade``: what a new lock may choose anew."""

from dataclasses import dataclass

from pipeline.build.artifact import LockedPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """What a new lock may choose anew although an older one chose it.

    Args:
        everything: all packages.
        names: these packages.
    """

    everything: bool = False
    names: frozenset[str] = frozenset()

    def kept(self, packages: tuple[LockedPackage, ...]) -> tuple[LockedPackage, ...]:
        """Return the packages of an older lock that stay where they can."""
        return () if self.everything else tuple(each for each in packages if each.name not in self.names)
