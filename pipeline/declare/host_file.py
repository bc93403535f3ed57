"""``read_host`` and ``read_set``: host configurations and sets of them, as files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.declare.faults import Fault, SpecFaults
from pipeline.declare.spec import FORMAT, InlineHost
from pipeline.declare.validate import KeyPath, key_place, place_of, validate
from pipeline.declare.values import AnyText, Name, Part, Whole
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
    """Raised with every change of ``hosts``."""
    about: AnyText = ""
    """One sentence."""
    hosts: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The hosts, by name; the reference is always run and need not be named."""


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
    faults = [*_misnamed(node, path, found.name), *_repeated(node, found.hosts)]
    if faults:
        raise SpecFaults(faults)
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
    for name, level in factors.items():
        try:
            known = factor(name)
        except FactorError as error:
            yield key_place(node, (*path, name)).fault(error.message, error.hint)
            continue
        try:
            known.apply(_any_plan(), level)
        except FactorError as error:
            yield place_of(node, (*path, name)).fault(error.message, error.hint)


def is_as_written(path: KeyPath) -> bool:
    """Tell whether the scalar at ``path`` of a host file is its characters: levels are."""
    return path[:1] == ("factors",) and len(path) > 1


def _misnamed(node: Table, path: Path, name: str) -> Iterator[Fault]:
    if name != path.stem:
        message = f"the name is {name!r}, and the file is {path.name}"
        yield place_of(node, ("name",)).fault(message, f"write {path.stem!r}, or rename the file")


def _repeated(node: Table, hosts: tuple[str, ...]) -> Iterator[Fault]:
    for index, name in enumerate(hosts):
        if name in hosts[:index]:
            yield place_of(node, ("hosts", index)).fault(f"{name!r} is in the set twice", "keep one of them")


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
