"""``Node``: YAML with the line and column of every key and value.

Built from the parser's events, so that depth and size are judged before anything is nested, and nothing is constructed:
no tag runs code, no key is lost, and a scalar keeps the characters that were written.
"""

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from pipeline.declare.faults import Fault, Place, SourceFile, SpecFaults

MAX_SIZE = 1 << 20
"""Bytes of a file."""
MAX_DEPTH = 50
"""Levels of nesting."""
MAX_NODES = 10_000
"""Values, keys not counted, after every alias was written out: it is what an alias bomb multiplies."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Any = yaml.resolver.Resolver()
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")


class Kind(StrEnum):
    """What YAML 1.1 takes a scalar for."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    NOTHING = "nothing"


_KINDS = {
    "tag:yaml.org,2002:int": Kind.WHOLE,
    "tag:yaml.org,2002:float": Kind.NUMBER,
    "tag:yaml.org,2002:bool": Kind.BOOLEAN,
    "tag:yaml.org,2002:timestamp": Kind.DATE,
    "tag:yaml.org,2002:null": Kind.NOTHING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A scalar: ``text`` is what was written, quotes and escapes resolved; ``kind`` what YAML takes it for."""

    place: Place
    text: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A sequence."""

    place: Place
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A mapping: key → value, and key → the place of the key, in the order of the file."""

    place: Place
    values: Mapping[str, "Node"]
    keys: Mapping[str, Place]


Node: TypeAlias = Scalar | Items | Table


def read_yaml(path: Path) -> Table:
    """Return the one mapping that the file holds.

    Raises:
        SpecFaults: it cannot be read, is no YAML, or uses what specs do not: tags, merge keys, duplicate keys, several
            documents, more than MAX_SIZE bytes, MAX_DEPTH levels or MAX_NODES values.
    """
    return parse_yaml(_content(path), path)


def parse_yaml(content: bytes, path: Path) -> Table:
    """Return the one mapping that ``content`` holds; ``path`` is what faults are said of.

    Raises:
        SpecFaults: as ``read_yaml`` does.
    """
    file = SourceFile(path, _decode(content, path))
    builder = _Builder(file)
    try:
        for event in yaml.parse(file.text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise SpecFaults([*builder.faults, _syntax_fault(error, file)]) from None
    except yaml.YAMLError as error:
        raise SpecFaults([*builder.faults, Fault(path=path, message=f"no YAML: {error}")]) from None
    root = builder.root
    if not isinstance(root, Table):
        place = root.place if root else Place(file=file)
        builder.faults.append(place.fault("the file must hold a mapping of keys to values", "begin with 'seatrial: 1'"))
    if builder.faults or not isinstance(root, Table):
        raise SpecFaults(builder.faults)
    return root


def number_of(text: str) -> str:
    """Return the number that YAML 1.1 makes of a scalar: '3.10' is 3.1, '0644' is 420; a long one stays as it is."""
    return str(yaml.safe_load(text)) if len(text) < 40 else text


def _content(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
            raise SpecFaults([Fault(path=path, message=f"is {what}; a YAML file is wanted")])
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "to write a first spec: seatrial init" if isinstance(error, FileNotFoundError) else ""
        raise SpecFaults([Fault(path=path, message=f"cannot be read: {reason}", hint=hint)]) from None
    except ValueError as error:  # a NUL in the name
        raise SpecFaults([Fault(path=path, message=f"cannot be read: {error}")]) from None
    return content


def _decode(content: bytes, path: Path) -> str:
    if len(content) > MAX_SIZE:
        raise SpecFaults([Fault(path=path, message=f"holds more than {MAX_SIZE} bytes, the most that is read")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = content[: error.start].decode("utf-8-sig")
        place = _place_at(SourceFile(path, content.decode("utf-8-sig", "replace")), len(good))
        message = f"the byte 0x{content[error.start]:02x} is no UTF-8"
        raise SpecFaults([place.fault(message, "save the file as UTF-8")]) from None
    found = _CONTROL.search(text)
    if found:
        place = _place_at(SourceFile(path, text), found.start())
        raise SpecFaults(
            [place.fault(f"the control character U+{ord(found[0]):04X} has no place in YAML", "remove it")]
        )
    return text


def _place_at(file: SourceFile, offset: int) -> Place:
    before = re.split("\r\n|[\r\n\x85\u2028\u2029]", file.text[:offset])
    return Place(file=file, line=len(before), column=len(before[-1]) + 1)


def _syntax_fault(error: yaml.MarkedYAMLError, file: SourceFile) -> Fault:
    mark: Any = error.problem_mark or error.context_mark
    place = Place(file=file, line=mark.line + 1, column=mark.column + 1) if mark else Place(file=file)
    indent = file.line(place.line)[: place.column]
    if "\t" in indent and not indent.strip():
        return place.fault("a tab in the indentation", "YAML indents by spaces")
    begun: Any = error.context_mark
    context = f" {error.context}" if error.context else ""
    if context and begun and begun.line + 1 != place.line:
        context += f" that begins in line {begun.line + 1}"
    return place.fault(f"no YAML: {error.problem}{context}")


@dataclass(slots=True)
class _Frame:
    """A sequence or mapping under construction."""

    place: Place
    is_table: bool
    anchor: str | None
    size: int = 1
    items: list[Node] = field(default_factory=list)
    values: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    key: str | None = None
    refused: bool = False  # the key was a fault: its value is read and dropped

    def node(self) -> Node:
        if self.is_table:
            return Table(place=self.place, values=self.values, keys=self.keys)
        return Items(place=self.place, items=tuple(self.items))


class _Builder:
    """Makes nodes of events; faults that leave the rest readable are collected, others are raised."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.root: Node | None = None
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        place = self._place(event)
        tag = getattr(event, "tag", None)
        if tag not in {None, "!"} and not isinstance(event, yaml.DocumentStartEvent):
            self.faults.append(place.fault(f"the tag {tag!r} has no meaning here", "write text in quotes"))
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise SpecFaults([*self.faults, place.fault("a second document", "write one file a spec")])
            case yaml.ScalarEvent():
                self._scalar(event, place)
            case yaml.AliasEvent():
                self._alias(event, place)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._open(event, place)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                frame = self._frames.pop()
                self._add(frame.node(), frame.size, frame.anchor)
            case _:
                pass

    def _place(self, event: yaml.Event) -> Place:
        start: Any = event.start_mark
        end: Any = event.end_mark
        line, column = start.line + 1, start.column + 1
        on_line = end.column - start.column if end.line == start.line else len(self.file.line(line)) - start.column
        is_open = isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent)
        return Place(file=self.file, line=line, column=column, length=1 if is_open else max(1, on_line))

    def _waits_for_key(self) -> bool:
        return bool(self._frames) and self._frames[-1].is_table and self._frames[-1].key is None

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> None:
        tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)
        kind = _KINDS.get(tag, Kind.TEXT)
        if self._waits_for_key():
            self._key(event.value, kind, place, is_merge=tag == "tag:yaml.org,2002:merge")
        else:
            self._add(Scalar(place=place, text=event.value, kind=kind), 1, event.anchor)

    def _key(self, text: str, kind: Kind, place: Place, *, is_merge: bool) -> None:
        frame = self._frames[-1]
        if is_merge:
            self.faults.append(
                place.fault("merge keys are not read", "name the file with the common keys by 'extends'")
            )
        elif kind is not Kind.TEXT:
            self.faults.append(place.fault(f"the key {text} is a {kind} to YAML", f'write it in quotes: "{text}"'))
        elif text in frame.keys:
            first = frame.keys[text]
            self.faults.append(
                place.fault(f"the key {text!r} stands here and in line {first.line}", "keep one of them")
            )
        else:
            frame.key, frame.keys[text] = text, place
            return
        frame.key, frame.refused = "", True

    def _alias(self, event: yaml.AliasEvent, place: Place) -> None:
        if event.anchor not in self._anchors:
            self.faults.append(place.fault(f"the alias *{event.anchor} names nothing that stands before it"))
            raise SpecFaults(self.faults)
        node, size = self._anchors[event.anchor]
        if self._waits_for_key():
            self.faults.append(place.fault("an alias cannot be a key", "write the key itself"))
            self._frames[-1].key, self._frames[-1].refused = "", True
        else:
            self._add(node, size, None)
            self._count(place)

    def _open(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent, place: Place) -> None:
        if self._waits_for_key():
            raise SpecFaults([*self.faults, place.fault("a key must be text", "put braces of a template in quotes")])
        if len(self._frames) >= MAX_DEPTH:
            raise SpecFaults([*self.faults, place.fault(f"nested deeper than {MAX_DEPTH} levels")])
        self._frames.append(_Frame(place, isinstance(event, yaml.MappingStartEvent), event.anchor))

    def _add(self, node: Node, size: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        frame.size += size
        if not frame.is_table:
            frame.items.append(node)
        elif frame.key is not None:
            if not frame.refused:
                frame.values[frame.key] = node
            frame.key, frame.refused = None, False
        self._count(node.place)

    def _count(self, place: Place) -> None:
        if sum(frame.size for frame in self._frames) > MAX_NODES:
            hint = "write out what the aliases stand for" if self._anchors else "split the file"
            raise SpecFaults([*self.faults, place.fault(f"more than {MAX_NODES} values, aliases written out", hint)])


def walk(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Yield every node with the keys and positions that lead to it, parents first."""
    yield path, node
    match node:
        case Table():
            for key, value in node.values.items():
                yield from walk(value, (*path, key))
        case Items():
            for index, value in enumerate(node.items):
                yield from walk(value, (*path, index))
        case Scalar():
            pass
