"""``validate``: nodes to a frozen value of a pydantic type, or every fault with its line and what to write instead."""

import difflib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from pipeline.declare.faults import Fault, Place, SpecFaults, in_order
from pipeline.declare.values import Part
from pipeline.declare.yaml_reader import Items, Kind, Node, Scalar, Table, number_of, walk

KeyPath: TypeAlias = tuple[str | int, ...]
"""The keys and positions that lead to a value."""

_Model = TypeVar("_Model", bound=Part)


@dataclass(frozen=True, slots=True)
class _Mistyped:
    """A scalar that YAML takes for something no field wants: pydantic refuses it, whatever the field."""

    text: str


def validate(model: type[_Model], node: Table, as_written: Callable[[KeyPath], bool]) -> _Model:
    """Return the value of ``model`` that ``node`` holds.

    Args:
        model: what is wanted.
        node: what was written.
        as_written: tells of a path whether its scalar is taken as its characters, whatever YAML makes of them.

    Raises:
        SpecFaults: every fault that was found.
    """
    faults = [_empty(node, path) for path, each in walk(node) if _is_empty(each) and not _keeps(each, path, as_written)]
    try:
        value = model.model_validate(_to_data(node, (), as_written), by_alias=True, by_name=False)
    except ValidationError as error:
        faults.extend(_to_fault(model, node, each) for each in _told_once(model, error))
        raise SpecFaults(in_order(faults)) from None
    if faults:
        raise SpecFaults(in_order(faults))
    return value


def place_of(node: Node, path: KeyPath) -> Place:
    """Return where the value at ``path`` stands, or the nearest thing above it that is written."""
    return _find(node, path)[0].place


def key_place(node: Node, path: KeyPath) -> Place:
    """Return where the last key of ``path`` that is written stands; for an item of a list the item's own place."""
    found, key, _ = _find(node, path)
    return key or found.place


def dotted(path: KeyPath) -> str:
    """Return a path as people read it: ``image.files[0].from``."""
    text = ""
    for each in path:
        text += f"[{each}]" if isinstance(each, int) else f".{each}" if text else each
    return text


def near(wanted: str, known: typing.Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the name nearest to ``wanted``, or an empty text."""
    found = _nearest(wanted, known)
    return f"did you mean {found[0]!r}?" if found else ""


def _nearest(wanted: str, known: typing.Iterable[str]) -> list[str]:
    return difflib.get_close_matches(wanted, sorted(known), n=1, cutoff=0.6)


def _to_data(node: Node, path: KeyPath, as_written: Callable[[KeyPath], bool]) -> Any:  # noqa: ANN401 - input of pydantic
    match node:
        case Table():
            return {key: _to_data(value, (*path, key), as_written) for key, value in node.values.items()}
        case Items():
            return [_to_data(value, (*path, index), as_written) for index, value in enumerate(node.items)]
        case Scalar():
            return _scalar_data(node, taken_as_written=as_written(path))


def _scalar_data(scalar: Scalar, *, taken_as_written: bool) -> str | int | bool | _Mistyped | None:
    text = scalar.text
    if scalar.kind is Kind.TEXT or (taken_as_written and text):
        return text
    match scalar.kind:
        case Kind.NOTHING:
            return None
        case Kind.BOOLEAN:
            return text.lower() in {"yes", "true", "on"}
        case Kind.WHOLE if text.lstrip("-").isdecimal() and str(int(text[:20])) == text:
            return int(text)
        case _:  # 0644 and 1_000 are whole numbers to YAML 1.1, and not the ones that were meant
            return _Mistyped(text)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind is Kind.NOTHING


def _keeps(node: Node, path: KeyPath, as_written: Callable[[KeyPath], bool]) -> bool:
    """Tell whether ``null`` is meant as its characters, as in the level ``stdin: null``."""
    return isinstance(node, Scalar) and node.text != "" and as_written(path)


def _empty(root: Node, path: KeyPath) -> Fault:
    return key_place(root, path).fault(f"{dotted(path)} has no value", "write one, or remove the key")


def _find(node: Node, path: KeyPath) -> tuple[Node, Place | None, KeyPath]:
    """Return the deepest written node along ``path``, its key's place, and its path without pydantic's union tags."""
    key: Place | None = None
    walked: KeyPath = ()
    for each in path:
        if isinstance(node, Table) and isinstance(each, str) and each in node.values:
            key, node = node.keys[each], node.values[each]
        elif isinstance(node, Items) and isinstance(each, int) and each < len(node.items):
            node, key = node.items[each], None
        else:
            continue
        walked = (*walked, each)
    return node, key, walked


def _told_once(model: type[BaseModel], error: ValidationError) -> list[Mapping[str, Any]]:
    """Return the errors but those of keys that are missing only because they are misspelled."""
    errors: list[Mapping[str, Any]] = [*error.errors(include_url=False)]
    misspelled = {
        (tuple(each["loc"][:-1]), meant)
        for each in errors
        if each["type"] == "extra_forbidden"
        for meant in _nearest(str(each["loc"][-1]), _keys_of(model, tuple(each["loc"][:-1])))
    }
    return [
        each
        for each in errors
        if each["type"] != "missing" or (tuple(each["loc"][:-1]), each["loc"][-1]) not in misspelled
    ]


def _to_fault(model: type[BaseModel], root: Table, error: Mapping[str, Any]) -> Fault:
    location: KeyPath = tuple(error["loc"])
    node, key, path = _find(root, location)
    name = dotted(path)
    match error["type"]:
        case "extra_forbidden":
            known = [*_keys_of(model, location[:-1])]
            inside = f" in {dotted(path[:-1])}" if len(path) > 1 else ""
            hint = near(str(location[-1]), known) or "known keys: " + ", ".join(known)
            return (key or node.place).fault(f"unknown key {location[-1]!r}{inside}", hint)
        case "missing":
            wanted = dotted((*path, location[-1]))
            return (key or node.place).fault(f"{wanted} is missing", f"add the key {str(location[-1])!r}")
        case _ if _is_empty(node):
            return _empty(root, path)
        case _ if path and location[-1:] == ("[key]",):
            return node.place.fault(f"in {name}: {_plain(error)}")
        case _:
            return node.place.fault(*_wrong_value(name, node, error))


def _wrong_value(  # noqa: PLR0911 - one case an error of pydantic
    name: str, node: Node, error: Mapping[str, Any]
) -> tuple[str, str]:
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return f"{name}: {_plain(error)}", ""
        case "string_type":
            return _not_text(name, node)
        case "int_type" | "bool_type":
            what = "a whole number" if error["type"] == "int_type" else "true or false"
            bare = isinstance(node, Scalar) and node.text.isascii() and node.text.isdigit() and node.kind is Kind.TEXT
            hint = f"write it without quotes: {node.text}" if bare and isinstance(node, Scalar) else ""
            return f"{name} must be {what}, and is {_kind(node)}", hint
        case "tuple_type" | "list_type":
            hint = f"write [{node.text}]" if isinstance(node, Scalar) and len(node.text) < 40 else ""
            return f"{name} must be a list, and is {_kind(node)}", hint
        case "model_type" | "dict_type" | "mapping_type" | "model_attributes_type":
            return f"{name} must be a mapping, and is {_kind(node)}", ""
        case "enum" | "literal_error":
            shown = _shown(node)
            choices = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            return f"{name} is {shown}; it can be {', '.join(choices)}", near(shown.strip("'"), choices)
        case "too_short" | "string_too_short":
            return f"{name} is empty", "write at least one" if error["type"] == "too_short" else ""
        case "greater_than_equal" | "less_than_equal":
            least, most = context.get("ge"), context.get("le")
            bound = f"at least {least}" if least is not None else f"at most {most}"
            return f"{name} is {_shown(node)}; it must be {bound}", ""
        case _:
            return f"{name}: {_plain(error)}", ""


def _not_text(name: str, node: Node) -> tuple[str, str]:
    if not isinstance(node, Scalar):
        return f"{name} must be text, and is {_kind(node)}", ""
    hint = f'write it in quotes: "{node.text}"'
    match node.kind:
        case Kind.WHOLE | Kind.NUMBER:
            return f"{name} is the number {number_of(node.text)} to YAML", hint
        case Kind.BOOLEAN:
            value = "true" if node.text.lower() in {"yes", "true", "on"} else "false"
            return f"{name} is the boolean {value} to YAML", hint
        case Kind.DATE | Kind.NOTHING | Kind.TEXT:
            return f"{name} is {'a' if node.kind is Kind.DATE else 'no'} {node.kind} to YAML", hint


def _kind(node: Node) -> str:
    match node:
        case Table():
            return "a mapping"
        case Items():
            return "a list"
        case Scalar():
            return {Kind.TEXT: "text", Kind.NOTHING: "empty"}.get(node.kind, f"a {node.kind}")


def _shown(node: Node) -> str:
    if not isinstance(node, Scalar):
        return _kind(node)
    return repr(node.text) if node.kind is Kind.TEXT else node.text


def _plain(error: Mapping[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def _keys_of(model: type[BaseModel], location: KeyPath) -> typing.Iterator[str]:
    """Yield the keys that the mapping at ``location`` may have, in the order of its type."""
    here: Any = model
    for each in location:
        here = _step(here, each)
    found = _first_model(here)
    if found is not None:
        for name, field in found.model_fields.items():
            yield field.alias or name


def _step(kind: Any, key: str | int) -> Any:  # noqa: ANN401 - annotations have no common type
    if isinstance(key, str) and key.startswith("<"):
        return next((member for member in _members(kind) if Tag(key) in getattr(member, "__metadata__", ())), kind)
    for member in _members(kind):
        bare = get_args(member)[0] if get_origin(member) is typing.Annotated else member
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            fields = {field.alias or name: field.annotation for name, field in bare.model_fields.items()}
            return fields.get(str(key))
        if get_origin(bare) in {tuple, Mapping}:
            arguments = get_args(bare)
            return arguments[0] if get_origin(bare) is tuple else arguments[1]
    return None


def _first_model(kind: Any) -> type[BaseModel] | None:  # noqa: ANN401 - annotations have no common type
    for member in _members(kind):
        bare = get_args(member)[0] if get_origin(member) is typing.Annotated else member
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            return bare
    return None


def _members(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - annotations have no common type
    """Return the members of a union, or the type alone; an annotation around a union is looked through."""
    inner = get_args(kind)[0] if get_origin(kind) is typing.Annotated else kind
    is_union = get_origin(inner) in {typing.Union, types.UnionType}
    return get_args(inner) if is_union else (kind,)
