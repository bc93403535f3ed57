"""In which order packages are unpacked: what the script of a package needs before it is there, is configured before."""

from collections.abc import Collection, Mapping

from pipeline.build.ecosystems.debian.deb import Deb
from pipeline.build.essential import answers_of, providers_of
from pipeline.build.first_scripts import has_first_script


def unpack_stages(packages: Mapping[str, Deb], needed: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """Return the packages by name, in stages: each is unpacked, and configured before the next.

    The essential packages are of the first stage: scripts of others expect what theirs make, such as the folders below
    /usr/local. Nearly all others are of the second. One is of a later stage when it has a script that runs before its
    files are there, and pre-depends on what works only when it is configured. What depends on a package is of its
    stage, or a later one.

    Args:
        packages: name → package, all that will be installed.
        needed: the essential packages and what they depend on.

    Source: Debian policy, section 7.2, of Pre-Depends.
    """
    controls = {name: each.control for name, each in packages.items()}
    providers = providers_of(controls)
    edges = []
    for name in sorted(set(packages) - set(needed)):
        steps = {"depends": 0, "pre-depends": int(has_first_script(packages[name]))}
        for field, step in steps.items():
            answers = answers_of(controls[name].get(field, ""), providers)
            edges += [(name, other, step) for other in answers if other not in needed]
    levels = {name: int(name not in needed) for name in sorted(packages)}
    for _ in packages:  # no chain is longer; a circle of Pre-Depends, which policy forbids, ends here too
        risen = [(name, levels[other] + step) for name, other, step in edges if levels[name] < levels[other] + step]
        for name, level in risen:
            levels[name] = max(levels[name], level)
        if not risen:
            break
    found = sorted(set(levels.values()))
    return tuple(tuple(name for name, level in levels.items() if level == each) for each in found)
