"""``read_spec`` and ``read_specs``: the faults of all files at once, or every spec."""

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import TypeAdapter

from pipeline.declare.dependencies import dependency_files
from pipeline.declare.faults import Fault, SpecFaults, in_order
from pipeline.declare.host_file import inline_faults
from pipeline.declare.spec import EnvSpec
from pipeline.declare.stages import stage_faults
from pipeline.declare.tree import refusal
from pipeline.declare.validate import KeyPath, place_of, validate
from pipeline.declare.values import FORMAT, Name
from pipeline.declare.yaml_reader import Node, Scalar, Table, read_yaml, walk

BASE_MARK = "_"
"""A file whose name begins so is a base for ``extends``, never a spec."""

_AS_WRITTEN = frozenset({"epoch", "mode", "owner"})
_FREE_KEYS = frozenset({"env", "labels"})


def read_spec(path: Path) -> EnvSpec:
    """Return the spec in the file ``path``.

    Raises:
        SpecFaults: every fault in it, in its base, and in what it names.
    """
    if path.name.startswith(BASE_MARK):
        hint = f"a file whose name begins with {BASE_MARK!r} is only a base for 'extends'"
        raise SpecFaults([Fault(path=path, message="is no spec", hint=hint)])
    node = _extended(read_yaml(path), path)
    _refuse_other_format(node)
    faults = [*_file_faults(path, node), *inline_faults(node), *stage_faults(node)]
    try:
        spec = validate(EnvSpec, node, is_as_written).placed(path, node)
    except SpecFaults as error:
        raise SpecFaults(in_order([*faults, *error.faults])) from None
    faults.extend(_name_faults(spec, node))
    if faults:
        raise SpecFaults(in_order(faults))
    dependency_files(spec)
    return spec


def read_specs(paths: Iterable[str | Path]) -> tuple[EnvSpec, ...]:
    """Return the specs that ``paths`` name, in that order, each once.

    Args:
        paths: files, or patterns with ``*``, ``?`` or ``[…]``; patterns skip bases and are sorted.

    Raises:
        SpecFaults: the faults of all of them; no file at all; two specs of the same name.
    """
    faults: list[Fault] = []
    specs: list[EnvSpec] = []
    named = dict.fromkeys(_expanded(paths, faults))
    # A shell writes out envs/*.yaml itself: a base among other files is skipped as in a pattern of ours.
    for path in [path for path in named if not path.name.startswith(BASE_MARK)] or named:
        try:
            specs.append(read_spec(path))
        except SpecFaults as error:
            faults.extend(error.faults)
    faults.extend(_same_names(specs))
    if faults:
        raise SpecFaults(faults)
    return tuple(specs)


def is_as_written(path: KeyPath) -> bool:
    """Tell whether the scalar at ``path`` of a spec is its characters: factor levels, dates, modes and owners are."""
    parent = path[-2] if len(path) > 1 else None
    return parent == "factors" or (path[-1:] != () and path[-1] in _AS_WRITTEN and parent not in _FREE_KEYS)


def _expanded(paths: Iterable[str | Path], faults: list[Fault]) -> Iterator[Path]:
    for each in paths:
        if not glob.has_magic(str(each)) or Path(each).exists():
            yield Path(each)
            continue
        matching = sorted(glob.glob(str(each)))  # noqa: PTH207 - the pattern may be absolute, which Path.glob refuses
        found = [path for path in map(Path, matching) if not path.name.startswith(BASE_MARK)]
        if not found:
            faults.append(
                Fault(path=Path(each), message="no specs found", hint="to write the first one: seatrial init")
            )
        yield from found


def _extended(node: Table, path: Path) -> Table:
    """Return the tree of the file with its base's keys beneath its own."""
    named = node.values.get("extends")
    if named is None:
        return node
    if not isinstance(named, Scalar) or "/" in named.text or not named.text:
        raise SpecFaults([named.place.fault("extends must name a file beside this one", "write its name alone")])
    reason = refusal(path, named.text)
    if reason:
        raise SpecFaults([named.place.fault(f"extends: {reason}")])
    base = read_yaml(path.parent / named.text)
    if "extends" in base.values:
        raise SpecFaults(
            [base.keys["extends"].fault("a base extends no other file", "one level is read: merge the two")]
        )
    return _merged(base, node)


def _merged(base: Table, over: Table) -> Table:
    values: dict[str, Node] = dict(base.values)
    for key, value in over.values.items():
        below = values.get(key)
        values[key] = _merged(below, value) if isinstance(below, Table) and isinstance(value, Table) else value
    return Table(place=over.place, values=values, keys={**base.keys, **over.keys})


def _refuse_other_format(node: Table) -> None:
    """A newer format may hold any key: its number is the only fault to tell."""
    number = node.values.get("seatrial")
    if isinstance(number, Scalar) and number.text.isdecimal() and int(number.text[:9]) > FORMAT:
        message = f"format {number.text} is newer than the one that this Seatrial reads ({FORMAT})"
        raise SpecFaults([number.place.fault(message, "install a newer Seatrial, from where this one came")])


def _name_faults(spec: EnvSpec, node: Table) -> Iterator[Fault]:
    if "name" not in node.values:
        try:
            TypeAdapter(Name).validate_python(spec.name)
        except ValueError:
            message = f"the file's name gives no name to the environment: {spec.name!r}"
            yield node.place.fault(message, "add 'name:' with lower-case letters, digits, '.', '_' and '-'")


def _file_faults(spec: Path, root: Table) -> Iterator[Fault]:
    """Yield a fault for each local path that cannot be used; over nodes, so that other faults hide none."""
    for path, node in walk(root):
        if isinstance(node, Scalar) and _is_local(root, path) and node.text:
            reason = refusal(spec, node.text)
            if reason:
                yield node.place.fault(reason, _hint_of(reason))


def _hint_of(reason: str) -> str:
    if "out of the" in reason:
        return "files come from the project's own tree"
    return "a pipe, a socket and a device cannot be read as one" if "neither" in reason else ""


def _is_local(root: Table, path: KeyPath) -> bool:
    match path[-3:]:
        case ("files", int(), "from"):
            entry = next(node for at, node in walk(root) if at == path[:-1])
            return isinstance(entry, Table) and "stage" not in entry.values
        case (_, "python" | "node", "requirements" | "project") | (_, "debian", "keys"):
            return True
        case _:
            return False


def _same_names(specs: Iterable[EnvSpec]) -> Iterator[Fault]:
    first: dict[str, EnvSpec] = {}
    for spec in specs:
        other = first.setdefault(spec.name, spec)
        if other is not spec and spec.source is not None:
            place = place_of(spec.source, ("name",))
            yield place.fault(f"the name {spec.name!r} is that of {other.path} too", "give one of them another 'name:'")
