"""Which packages dpkg itself needs, and which answers what another asks for."""

from collections.abc import Mapping

from pipeline.build.ecosystems.debian.relations import parse_relations

_FIRST = "base-files"  # it says the modes of the folders that all packages share


def essential_closure(packages: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Return the packages marked essential and all that they depend on, base-files first, the others by name.

    Args:
        packages: name → control fields by lower-case name, all that will be installed.

    Source: Debian policy, section 3.8: essential packages work when they are unpacked and not yet configured.
    """
    providers = providers_of(packages)
    found: set[str] = set()
    waiting = [name for name, control in packages.items() if control.get("essential") == "yes"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for field in ("pre-depends", "depends"):
            waiting += answers_of(packages[name].get(field, ""), providers)
    return tuple(sorted(found, key=lambda name: (name != _FIRST, name)))


def providers_of(packages: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return which package answers a name: the one of that name, else the first that provides it."""
    found: dict[str, str] = {}
    for name in sorted(packages, reverse=True):
        for group in parse_relations(packages[name].get("provides", "")):
            found |= {each.name: name for each in group}
    return found | {name: name for name in packages}


def answers_of(field: str, providers: Mapping[str, str]) -> list[str]:
    """Return the packages that answer a field of relations: of each of its groups the first that is there."""
    answers = ([providers[each.name] for each in group if each.name in providers] for group in parse_relations(field))
    return [names[0] for names in answers if names]
