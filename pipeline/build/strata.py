"""The strata of a Debian tree: which packages are installed before which, so that what others have too lies lowest.

The essential packages are the same in every image of a day. Packages with scripts, and what these need, are next: what
a script does may hang on every other package that has one. All others bring files alone; one more of them leaves all
that lies below as it is. Any order in which no package is configured before what it depends on is dpkg's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.build.ecosystems.debian.deb import Deb
from pipeline.build.essential import answers_of, essential_closure, providers_of
from pipeline.build.stages import unpack_stages
from pipeline.declare.errors import BuildError

ESSENTIAL, SCRIPTED, PLAIN = "debian-essential", "debian-scripts", "debian"
"""The names of the strata, the lowest first."""

ADDED = "suite-debian"
"""The name of one that a suite lays over an image."""

_SCRIPTS = ("preinst", "postinst", "config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Packages that are installed together, over the strata below.

    Args:
        name: one of ``ESSENTIAL``, ``SCRIPTED``, ``PLAIN`` and ``ADDED``.
        stages: their names; each stage is unpacked, and configured before the next.
    """

    name: str
    stages: tuple[tuple[str, ...], ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(name for stage in self.stages for name in stage))


def strata(packages: Mapping[str, Deb]) -> tuple[Stratum, ...]:
    """Return the strata of some packages, the lowest first; one without packages is left out.

    Args:
        packages: name → package, all that will be installed.

    Raises:
        BuildError: dpkg is not among the essential packages, and nothing can be installed without it.
    """
    needed = essential_closure({name: each.control for name, each in packages.items()})
    if "dpkg" not in needed:
        raise BuildError("dpkg is not among the packages, and nothing can be installed without it")
    scripted = _with_scripts(packages) - set(needed)
    essential, *others = unpack_stages(packages, needed)
    above = [tuple(name for name in stage if name in scripted) for stage in others]
    plain = tuple(sorted(packages.keys() - scripted - set(needed)))
    found = (
        Stratum(name=ESSENTIAL, stages=(essential,)),
        Stratum(name=SCRIPTED, stages=tuple(filter(None, above))),
        Stratum(name=PLAIN, stages=(plain,) if plain else ()),
    )
    return tuple(each for each in found if each.stages)


def _with_scripts(packages: Mapping[str, Deb]) -> frozenset[str]:
    """Return the packages that have a script which is run when they are installed, and all that these depend on."""
    providers = providers_of({name: each.control for name, each in packages.items()})
    found: set[str] = set()
    waiting = [name for name, each in packages.items() if not each.control_files.keys().isdisjoint(_SCRIPTS)]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for field in ("pre-depends", "depends"):
            waiting += answers_of(packages[name].control.get(field, ""), providers)
    return frozenset(found)
