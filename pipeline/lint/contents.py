"""``Contents``: all layers of an image as one tree, laid out nowhere."""

import os
import posixpath
from functools import cached_property

from runtime.data import dataclass
from runtime.oci.image import Image
from runtime.oci.refusal import RefusedError
from runtime.oci.tar import Entry, Kind
from runtime.oci.unpack import OPAQUE_WHITEOUT, WHITEOUT

_HOPS = 40  # Linux MAXSYMLINKS
_DEEPEST = 256
_WHITEOUT, _OPAQUE = os.fsdecode(WHITEOUT), os.fsdecode(OPAQUE_WHITEOUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One path of one layer.

    Args:
        path: without a slash in front; the root is empty.
        entry: its header.
        layer: 1 is the lowest.
        content: as far as a rule asked for it; empty otherwise.
    """

    path: str
    entry: Entry
    layer: int
    content: bytes = b""

    @property
    def name(self) -> str:
        """The last component."""
        return posixpath.basename(self.path)

    @property
    def is_file(self) -> bool:
        """Whether it is a file, under whichever of its names."""
        return self.entry.kind in (Kind.FILE, Kind.HARDLINK)

    @property
    def target(self) -> str:
        """Of a link."""
        return os.fsdecode(self.entry.target)

    @property
    def text(self) -> str:
        """What was kept, as text."""
        return self.content.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A path that a later layer deletes or replaces; its bytes ship all the same."""

    node: Node
    by: int
    is_deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLayer:
    """One layer as its archive has it.

    Args:
        number: 1 is the lowest.
        nodes: in the order of the archive, whiteouts too.
        refused: why the rest of it was not read; None if it was.
    """

    number: int
    nodes: tuple[Node, ...]
    refused: RefusedError | None = None


class Contents:
    """What an image holds.

    Args:
        image: whose configuration it is.
        layers: as read, the lowest first.
        now: seconds since 1970.
    """

    def __init__(self, image: Image, layers: tuple[ReadLayer, ...], now: int) -> None:
        self.image = image
        self.layers = layers
        self.now = now
        self.tree: dict[str, Node] = {}
        self.hidden: list[Hidden] = []
        self.lost: list[Node] = []
        """Whiteouts of what no lower layer has."""
        self._ever: set[str] = set()  # what any layer has had, and the folders above it
        for layer in layers:
            self._add(layer)

    def get(self, path: str) -> Node | None:
        """Return what a path leads to, links followed inside of the tree; None if there is nothing."""
        real = self.resolve(path)
        return None if real is None else self.tree.get(real)

    def has(self, path: str) -> bool:
        """Tell whether a path leads to something."""
        real = self.resolve(path)
        return real is not None and (real in self.tree or real in self._folders)

    def resolve(self, path: str) -> str | None:
        """Return the path without links in it; None if it goes round in circles."""
        waiting = [each for each in reversed(path.split("/")) if each]
        done: list[str] = []
        hops = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                del done[-1:]
            if part in (".", ".."):
                continue
            node = self.tree.get("/".join((*done, part)))
            if node is None or node.entry.kind is not Kind.SYMLINK:
                done.append(part)
                continue
            hops += 1
            if hops > _HOPS or len(done) + len(waiting) > _DEEPEST:
                return None
            done = [] if node.target.startswith("/") else done
            waiting += [each for each in reversed(node.target.split("/")) if each]
        return "/".join(done)

    def text(self, path: str) -> str:
        """Return the kept text of a file, empty if there is none."""
        node = self.get(path)
        return node.text if node else ""

    @cached_property
    def _folders(self) -> frozenset[str]:
        """Every folder, those without an entry too."""
        found: set[str] = {""}
        for path in self.tree:
            found.update(new_folders(path, found))
        return frozenset(found)

    def _add(self, layer: ReadLayer) -> None:
        here = {each.path: each for each in layer.nodes if not each.name.startswith(_WHITEOUT)}
        opaque, deleted = self._whiteouts(layer)
        replaced = {path for path, node in here.items() if node.entry.kind is not Kind.DIRECTORY}
        cut = deleted | opaque | (replaced & self._ever)
        for path, node in list(self.tree.items()) if cut or here.keys() & self.tree.keys() else ():
            is_below = bool(cut) and not cut.isdisjoint(_ancestors(path))
            is_replaced = path in here and (path in replaced or node.entry.kind is not Kind.DIRECTORY)
            if path in deleted or is_below or is_replaced:
                self.hidden.append(Hidden(node=node, by=layer.number, is_deleted=path not in here))
                del self.tree[path]
        self.tree.update(here)
        for path in here:
            self._ever.update(new_folders(path, self._ever), (path,))

    def _whiteouts(self, layer: ReadLayer) -> tuple[set[str], set[str]]:
        """Return the folders that a layer empties, and the paths that it deletes; note those that never were."""
        opaque: set[str] = set()
        deleted: set[str] = set()
        for node in (each for each in layer.nodes if each.name.startswith(_WHITEOUT)):
            folder = posixpath.dirname(node.path)
            if node.name == _OPAQUE:
                opaque.add(folder)
                continue
            hides = posixpath.join(folder, node.name.removeprefix(_WHITEOUT))
            deleted.add(hides)
            if hides not in self._ever:
                self.lost.append(node)
        return opaque, deleted


def new_folders(path: str, known: set[str]) -> list[str]:
    """Return the folders above a path that are not known yet."""
    found = []
    while path and (path := posixpath.dirname(path)) not in known:
        found.append(path)
    return found


def _ancestors(path: str) -> list[str]:
    """Return the folders above a path, the root too."""
    return ["", *(path[:at] for at, each in enumerate(path) if each == "/")]
