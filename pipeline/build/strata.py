"""The strata of a Debian tree: which packages are installed before which, so that what others have too lies lowest.

The essential packages are the same in every image of a day. What runs programs, such as Python, comes next with all
that it needs, then other packages with scripts and what these need. All others bring files alone; one more of them
leaves all that lies below as it is. Any order in which no package is configured before what it depends on is dpkg's.

Some packages fill a cache of what all others bring, and fill it up where it is there already: what they make hangs on
how often they were run. They are unpacked where they belong, and configured once, over everything else.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.build.ecosystems.debian.deb import Deb
from pipeline.build.essential import answers_of, essential_closure, providers_of
from pipeline.build.first_scripts import has_first_script
from pipeline.build.stages import unpack_stages
from pipeline.declare.errors import BuildError

ESSENTIAL, RUNTIMES, SCRIPTED, PLAIN = "debian-essential", "debian-runtimes", "debian-scripts", "debian"
CACHES = "debian-caches"
"""The names of the strata, the lowest first."""

_RUNNING = ("ca-certificates", "nodejs", "perl", "php-common", "python3", "ruby")
"""What runs programs in many images, and what it trusts; each name stands for all that it depends on."""

LATE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"fontconfig": ("/usr/share/fonts", "/usr/local/share/fonts"), "man-db": ()}
)
"""Packages that fill such a cache, and the folders whose time has to be that of the making, as after one run of dpkg.

``fc-cache`` keeps what it wrote for a folder that is no newer than SOURCE_DATE_EPOCH, and throws away the rest: what it
left would say in which stratum a folder was made. No package's script needs what the two make.
"""

ADDED = "suite-debian"
"""The name of one that a suite lays over an image."""

_SCRIPTS = ("preinst", "postinst", "config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Packages that are installed together, over the strata below.

    Args:
        name: one of ``ESSENTIAL``, ``RUNTIMES``, ``SCRIPTED``, ``PLAIN``, ``CACHES`` and ``ADDED``.
        stages: their names; each stage is unpacked, and configured before the next.
        late: those in it and below it that are not configured yet; ``CACHES`` configures them.
    """

    name: str
    stages: tuple[tuple[str, ...], ...] = ()
    late: tuple[str, ...] = ()

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
        raise BuildError(
            "dpkg is not among the packages, and nothing can be installed without it",
            hint="the archive marks no package as essential that needs it: name dpkg in image.packages",
        )
    essential, *others = unpack_stages(packages, needed)
    running = _closure(_RUNNING, packages)
    scripted = _closure([name for name, each in packages.items() if _has_script(each)], packages) - running
    plain = packages.keys() - running - scripted
    found = [Stratum(name=ESSENTIAL, stages=(essential,))]
    late: tuple[str, ...] = ()
    for name, chosen in ((RUNTIMES, running), (SCRIPTED, scripted), (PLAIN, plain)):
        late = tuple(sorted({*late, *((LATE.keys() & chosen) - set(needed))}))
        found.append(Stratum(name=name, stages=_of(others, chosen, packages), late=late))
    if late:
        found.append(Stratum(name=CACHES, late=late))
    return tuple(each for each in found if each.stages or each.name == CACHES)


def _of(
    stages: Iterable[tuple[str, ...]], chosen: Collection[str], packages: Mapping[str, Deb]
) -> tuple[tuple[str, ...], ...]:
    """Return the stages with only some of their packages.

    One in which no script runs before its package's files are there is of the one before: nothing in it waits for what
    that one configures.
    """
    found: list[tuple[str, ...]] = []
    for stage in stages:
        names = tuple(name for name in stage if name in chosen)
        if found and not any(has_first_script(packages[name]) for name in names):
            found[-1] += names
        elif names:
            found.append(names)
    return tuple(found)


def _has_script(package: Deb) -> bool:
    """Tell whether a package has a script that is run when it is installed."""
    return not package.control_files.keys().isdisjoint(_SCRIPTS)


def _closure(names: Iterable[str], packages: Mapping[str, Deb]) -> frozenset[str]:
    """Return some packages, as far as they are there, and all that these depend on."""
    providers = providers_of({name: each.control for name, each in packages.items()})
    found: set[str] = set()
    waiting = [name for name in names if name in packages]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for field in ("pre-depends", "depends"):
            waiting += answers_of(packages[name].control.get(field, ""), providers)
    return frozenset(found)
