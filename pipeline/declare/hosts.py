"""``Catalogue``: where hosts and sets are looked up, and ``select``: those that a spec asks for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from pipeline.declare.errors import SpecError
from pipeline.declare.faults import Fault, Place, SourceFile, SpecFaults
from pipeline.declare.host_file import HostSet, read_host, read_set, to_host
from pipeline.declare.inline_host import InlineHost
from pipeline.declare.rows import parse_row_name, rows
from pipeline.declare.tree import project_tree
from pipeline.declare.validate import KeyPath, near, place_of
from runtime.canonical import to_canonical_json
from runtime.errors import HostError
from runtime.host import Host

if TYPE_CHECKING:  # whoever looks up hosts alone loads no spec
    from pipeline.declare.spec import EnvSpec

BUILT_IN = Path(__file__).parent / "hosts_data"
"""The hosts that Seatrial brings: a link to ``specs/hosts`` in the source tree, a copy of it in a wheel."""

_CONTENT = ("hosts", "cover", "never")
"""What a set is, apart from what is said of it."""

_Value = TypeVar("_Value", Host, HostSet)


@dataclass(frozen=True, slots=True)
class _Kind(Generic[_Value]):
    """What is looked up: how it is called, read, and compared with another of its name."""

    name: str
    read: Callable[[Path], _Value]
    content: Callable[[_Value], str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The folders that hold host configurations and, below ``sets/``, sets of them; the first is the nearest.

    Args:
        folders: each need not exist.
    """

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, spec: Path) -> Self:
        """Return a spec's catalogue: ``hosts/`` beside it, ``specs/hosts/`` of its tree, and what Seatrial brings."""
        return cls((spec.parent / "hosts", project_tree(spec) / "specs" / "hosts", BUILT_IN))

    @property
    def host_names(self) -> tuple[str, ...]:
        """The names of all hosts, sorted."""
        return _names(self.folders)

    @property
    def set_names(self) -> tuple[str, ...]:
        """The names of all sets, sorted."""
        return _names(folder / "sets" for folder in self.folders)

    def host(self, name: str) -> Host:
        """Return the host called ``name``: of a file, or a row that a set makes (``pairs-3``).

        Raises:
            SpecError: there is none.
            SpecFaults: its file has faults.
            HostError: two folders hold other contents under this name.
        """
        row = None if name in self.host_names else self._row(name)
        return row or _looked_up(name, self.folders, self.host_names, _Kind("host", read_host, _factors))

    def set(self, name: str) -> HostSet:
        """Return the set called ``name``.

        Raises:
            SpecError: there is none.
            SpecFaults: its file has faults.
            HostError: two folders hold other contents under this name.
        """
        folders = tuple(folder / "sets" for folder in self.folders)
        return _looked_up(name, folders, self.set_names, _Kind("set", read_set, _members))

    def members(self, name: str, seed: int) -> tuple[str, ...]:
        """Return the names of the hosts of the set called ``name``; ``seed`` draws those that it makes.

        Raises:
            SpecError, SpecFaults, HostError: as ``set``.
        """
        found = self.set(name)
        return (*found.hosts, *(each.name for each in rows(found, seed)))

    def _row(self, name: str) -> Host | None:
        asked = parse_row_name(name)
        if asked is None or asked[0] not in self.set_names:
            return None
        return next((each for each in rows(self.set(asked[0]), asked[2]) if each.name == name), None)

    def hosts(self) -> tuple[Host, ...]:
        """Return every host of a file, by name.

        Raises:
            SpecFaults: a file has faults.
            HostError: two folders hold other contents under one name.
        """
        return tuple(self.host(name) for name in self.host_names)


def select(spec: "EnvSpec", catalogue: Catalogue, override: str | None = None, seed: int = 0) -> tuple[Host, ...]:
    """Return the hosts to run ``spec`` on: its reference first, then the others in the order of the spec or the set.

    Args:
        spec: what was asked for.
        catalogue: where names are looked up.
        override: instead of the spec's ``hosts``: the name of a set, or names of hosts separated by commas.
        seed: draws the hosts that a set makes.

    Raises:
        SpecFaults: a name that the spec writes is unknown, or a file has faults.
        SpecError: a name in ``override`` is unknown.
        HostError: one name stands for two contents.
    """
    inline = {host.name: host for host in _inline(spec)}
    faults: list[Fault] = []
    chosen: dict[str, Host] = {}
    for name, path in [(spec.reference, ("reference",)), *_wanted(spec, catalogue, override, seed)]:
        if name in chosen:
            continue
        try:
            chosen[name] = _one(name, inline, catalogue)
        except SpecFaults as error:
            faults.extend(error.faults)
        except SpecError as error:
            if not path:
                is_unknown = name == override and name not in catalogue.host_names
                raise _unknown(name, inline, catalogue) if is_unknown else error from None
            faults.append(_written_at(spec, path).fault(error.message, error.hint))
    if faults:
        raise SpecFaults(dict.fromkeys(faults))
    return tuple(chosen.values())


def find(spec: "EnvSpec", catalogue: Catalogue, name: str) -> Host:
    """Return the host that a spec means by a name: one that it declares itself, or one of the catalogue.

    Raises:
        SpecError: there is none.
        SpecFaults: its file has faults.
        HostError: one name stands for two contents.
    """
    return _one(name, {host.name: host for host in _inline(spec)}, catalogue)


def _inline(spec: "EnvSpec") -> Iterable[InlineHost]:
    return [host for host in spec.hosts if isinstance(host, InlineHost)] if isinstance(spec.hosts, tuple) else []


def _wanted(spec: "EnvSpec", catalogue: Catalogue, override: str | None, seed: int) -> list[tuple[str, KeyPath]]:
    """Return the names of the hosts, each with the keys of the spec that name it; no keys where the caller did."""
    if override is not None:
        if override in catalogue.set_names:
            return [(name, ()) for name in catalogue.members(override, seed)]
        return [(name, ()) for name in override.split(",") if name]
    if isinstance(spec.hosts, str):
        try:
            return [(name, ("hosts",)) for name in catalogue.members(spec.hosts, seed)]
        except SpecFaults:
            raise
        except SpecError as error:
            raise SpecFaults([_written_at(spec, ("hosts",)).fault(error.message, error.hint)]) from None
    return [
        (each.name if isinstance(each, InlineHost) else each, ("hosts", index)) for index, each in enumerate(spec.hosts)
    ]


def _unknown(name: str, inline: Iterable[str], catalogue: Catalogue) -> SpecError:
    """Return what is wrong with a name that stands alone on the command line, where it may be that of a set too."""
    guess = near(name, (*catalogue.set_names, *catalogue.host_names, *inline))
    sets = ", ".join(catalogue.set_names)
    return SpecError(
        f"there is no host and no set of hosts {name!r}",
        hint=guess or f"the sets are {sets}; `seatrial hosts` lists the hosts",
    )


def _one(name: str, inline: dict[str, InlineHost], catalogue: Catalogue) -> Host:
    if name not in inline:
        return catalogue.host(name)
    host = to_host(inline[name])
    if name in catalogue.host_names and catalogue.host(name).digest != host.digest:
        other = catalogue.host(name)
        raise _two_contents(f"host {name!r}", {"the spec": _factors(host), "the catalogue": _factors(other)})
    return host


def _written_at(spec: "EnvSpec", path: KeyPath) -> Place:
    return place_of(spec.source, path) if spec.source is not None else Place(file=SourceFile(spec.path))


def _names(folders: Iterable[Path]) -> tuple[str, ...]:
    return tuple(sorted({path.stem for folder in folders for path in folder.glob("*.yaml")}))


def _looked_up(name: str, folders: tuple[Path, ...], known: tuple[str, ...], kind: _Kind[_Value]) -> _Value:
    paths = [folder / f"{name}.yaml" for folder in folders if "/" not in name and (folder / f"{name}.yaml").is_file()]
    if not paths:
        hint = near(name, known) or f"there are: {', '.join(known)}"
        raise SpecError(f"there is no {kind.name} {name!r}", hint=hint)
    first = kind.read(paths[0])
    for path in paths[1:]:
        here, there = kind.content(first), kind.content(kind.read(path))
        if here != there:
            raise _two_contents(f"{kind.name} {name!r}", {str(paths[0]): here, str(path): there})
    return first


def _two_contents(what: str, contents: Mapping[str, str]) -> HostError:
    shown = "".join(f"\n  {place}: {content}" for place, content in contents.items())
    return HostError(f"the {what} stands for two contents:{shown}", hint="rename one of them")


def _factors(host: Host) -> str:
    return ", ".join(f"{name}={level}" for name, level in host.differing.items()) or "the reference"


def _members(host_set: HostSet) -> str:
    return f"version {host_set.version}: {to_canonical_json(host_set.model_dump(include=set(_CONTENT))).decode()}"
