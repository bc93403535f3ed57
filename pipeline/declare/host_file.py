"""``read_host`` and ``read_set``: host configurations and sets of them, as files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.declare.faults import Fault, SpecFaults
from pipeline.declare.inline_host import InlineHost
from pipeline.declare.validate import KeyPath, key_place, place_of, validate
from pipeline.declare.values import FORMAT, AnyText, Level, Name, Part, Text, Whole
from pipeline.declare.yaml_reader import Node, Scalar, Table, read_yaml, walk
from runtime.digest import Digest
from runtime.errors import FactorError
from runtime.factors import factor
from runtime.host import Host
from runtime.plan import Plan, User


class HostFile(InlineHost):
    """A host configuration: which levels differ from the reference."""

    seatrial: Annotated[Whole, Field(ge=1, le=FORMAT)]
    """The format of this file: 1."""


class HostSet(Part):
    """A named set of hosts."""

    seatrial: Annotated[Whole, Field(ge=1, le=FORMAT)]
    """The format of this file: 1."""
    name: Name
    """How people call it."""
    version: Annotated[Whole, Field(ge=1)]
    """Raised with every change of what follows."""
    about: AnyText = ""
    """One sentence."""
    hosts: tuple[Name, ...] = ()
    """The hosts, by name; the reference is always run and need not be named."""
    cover: Mapping[Text, Annotated[tuple[Level, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Factor → levels beside the reference's: hosts are made of them that meet every pair of levels of two factors."""
    never: tuple[Mapping[Text, Level], ...] = ()
    """Levels that no host of ``cover`` may have together."""


def read_host(path: Path) -> Host:
    """Return the host configuration in the file ``path``.

    Raises:
        SpecFaults: every fault in it: keys, types, factors and levels that do not exist.
    """
    node = read_yaml(path)
    file = validate(HostFile, node, is_as_written)
    faults = [*_misnamed(node, path, file.name), *factor_faults(node, ("factors",), file.factors)]
    if faults:
        raise SpecFaults(faults)
    return to_host(file)


def read_set(path: Path) -> HostSet:
    """Return the set in the file ``path``.

    Raises:
        SpecFaults: every fault in it.
    """
    node = read_yaml(path)
    found = validate(HostSet, node, is_as_written)
    faults = [*_misnamed(node, path, found.name), *_repeated(node, found.hosts), *_cover_faults(node, found)]
    if faults:
        raise SpecFaults(dict.fromkeys(faults))  # an unknown factor has as many faults as levels
    return found


def to_host(host: InlineHost) -> Host:
    """Return the value that the runtime knows."""
    return Host(name=host.name, about=host.about, source=host.source, factors=host.factors)


def inline_faults(root: Table) -> Iterator[Fault]:
    """Yield the faults of the factors and levels of hosts that a spec itself holds."""
    for path, node in walk(root):
        if len(path) == 3 and path[0] == "hosts" and path[2] == "factors" and isinstance(node, Table):
            levels = {name: each.text for name, each in node.values.items() if isinstance(each, Scalar)}
            yield from factor_faults(root, path, levels)


def factor_faults(node: Node, path: KeyPath, factors: Mapping[str, str]) -> Iterator[Fault]:
    """Yield a fault for each factor or level at ``path`` that does not exist."""
    for level in factors.items():
        yield from _level_faults(node, level, (*path, level[0]), (*path, level[0]))


def is_as_written(path: KeyPath) -> bool:
    """Tell whether the scalar at ``path`` of the file of a host or a set is its characters: levels are."""
    return path[:1] in {("factors",), ("cover",), ("never",)} and len(path) > 1


def _misnamed(node: Table, path: Path, name: str) -> Iterator[Fault]:
    if name != path.stem:
        message = f"the name is {name!r}, and the file is {path.name}"
        yield place_of(node, ("name",)).fault(message, f"write {path.stem!r}, or rename the file")


def _repeated(node: Table, hosts: tuple[str, ...]) -> Iterator[Fault]:
    for index, name in enumerate(hosts):
        if name in hosts[:index]:
            yield place_of(node, ("hosts", index)).fault(f"{name!r} is in the set twice", "keep one of them")


def _cover_faults(node: Table, found: HostSet) -> Iterator[Fault]:
    """Yield the faults of ``cover`` and ``never``: names that do not exist, and levels of which no host is made."""
    if not found.hosts and not found.cover:
        yield node.place.fault("the set names no host", "write `hosts: [NAME, …]`, or `cover: {FACTOR: [LEVEL, …]}`")
    for name, levels in found.cover.items():
        for index, level in enumerate(levels):
            yield from _level_faults(node, (name, level), ("cover", name), ("cover", name, index))
    for index, row in enumerate(found.never):
        for name, level in row.items():
            path = ("never", index, name)
            if name not in found.cover:
                yield key_place(node, path).fault(f"{name} is not covered", "`never` speaks of what `cover` has")
            elif level not in found.cover[name]:
                yield from _level_faults(node, (name, level), path, path)


def _level_faults(node: Node, level: tuple[str, str], key: KeyPath, value: KeyPath) -> Iterator[Fault]:
    """Yield the fault of a factor whose name stands at ``key``, or of its level, which stands at ``value``."""
    try:
        known = factor(level[0])
    except FactorError as error:
        yield key_place(node, key).fault(error.message, error.hint)
        return
    try:
        known.apply(_any_plan(), level[1])
    except FactorError as error:
        yield place_of(node, value).fault(error.message, error.hint)


def _any_plan() -> Plan:
    """Return a plan of a plain image, to ask whether a level exists: a level tells so only when it is applied."""
    return Plan(
        image=Digest.of(b""),
        suite=None,
        argv=("true",),
        workdir="/",
        environment={"PATH": "/usr/bin:/bin"},
        user=User(uid=1000, gid=1000, home="/home/app"),
        capabilities=(),
    )
