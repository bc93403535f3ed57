"""``Workshop``: layers are made once, and a second time, where that is asked for, under conditions as unlike as can be.

A process can have another umask, time zone, locale and number of processors than the first time. Both must give the
same bytes.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from pipeline.build.parts import Part, cut
from pipeline.build.proof import require_equal
from pipeline.build.records import read_record, write_record
from runtime.backends.native.forked import beside
from runtime.backends.native.mapped import run_mapped
from runtime.canonical import Json
from runtime.data import replace
from runtime.digest import Digest
from runtime.oci.descriptor import LAYER_GZIP, PART
from runtime.oci.image import Layer
from runtime.oci.layout import Layout
from runtime.oci.pack import clamp, pack_tree
from runtime.oci.trees import Trees

FORMAT = 10
"""Of the assembly: another number where the same lock gives other bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What must not matter to a build.

    Args:
        hostname: that the commands of stages see; scripts of packages write it down, and see one name in both builds.
        umask: of this process.
        timezone: its TZ.
        locale: its LANG.
        cpus: how many it may use, at most.
    """

    hostname: str
    umask: int
    timezone: str
    locale: str
    cpus: int


CONDITIONS = (
    Conditions(hostname="seatrial", umask=0o022, timezone="UTC", locale="C.UTF-8", cpus=64),
    Conditions(hostname="another-host", umask=0o077, timezone="Asia/Kolkata", locale="tr_TR.UTF-8", cpus=1),
)
"""Of the first build and of the second, if there is one."""

Fill = Callable[[Path, Conditions], None]
"""Fills an empty folder with the files of a layer."""

Owners = Callable[[int], Mapping[bytes, str]]
"""Tells of a folder that is filled, by its descriptor, whose its files are; see ``cut``.

It is called with other ids, which may not reach our own modules: all that it takes is loaded before.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """How a tree and its layers are made.

    Args:
        fill: makes its files, under the first of ``CONDITIONS``; if it is built twice, under each of them.
        epoch: no time in it is later; seconds since 1970.
        owners: loads what tells whose its files are, by which it is cut into layers; None for one layer.
        left_out: paths that never get into it.
    """

    fill: Fill
    epoch: int
    owners: Callable[[], Owners] | None = None
    left_out: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where layers are made, and what was made there before.

    Args:
        layout: takes the blobs.
        trees: where folders for layers are.
        records: a folder that keeps what a key was built to.
        is_fresh: whether every layer is built again, twice, and compared with what was built before.
    """

    layout: Layout
    trees: Trees
    records: Path
    is_fresh: bool = False

    def layers(
        self,
        name: str,
        key: Mapping[str, Json],
        fill: Fill,
        *,
        epoch: int,
        owners: Callable[[], Owners] | None = None,
        left_out: tuple[bytes, ...] = (),
        needs: Callable[[], object] | None = None,
        is_doubted: bool = False,
    ) -> tuple[Layer, ...]:
        """Return the layers of a tree; one whose key was built here before is not built again.

        Args:
            name: which part of an image it is, for the key and for messages.
            key: all that decides its bytes.
            fill: as of ``Tree``, like the next three.
            epoch: likewise.
            owners: likewise.
            left_out: likewise.
            needs: fetches what ``fill`` takes, where it is fetched at all: two builds run beside each other.
            is_doubted: whether it is built twice in any case, as what others wrote decides its bytes.

        Raises:
            NotReproducibleError: two builds differ; the message says in what.
        """
        tree = Tree(fill=fill, epoch=epoch, owners=owners, left_out=left_out)

        def make() -> tuple[Layer, ...]:
            if needs is not None:
                needs()
            with self.swept(), self.trees.new_folder() as folder:
                is_twice = is_doubted or self.is_fresh
                made = (
                    self._twice(name, folder, tree)
                    if is_twice
                    else self.packed(name, folder, self.filled(folder, tree), tree)
                )
                self.trees.keep(folder, made)
            return made

        return self.recorded(name, key, make)

    def recorded(self, name: str, key: Mapping[str, Json], make: Callable[[], tuple[Layer, ...]]) -> tuple[Layer, ...]:
        """Return the layers of a key: those that were made for it here before, if all of them are there.

        Args:
            name: as of ``layers``, like the next one.
            key: likewise.
            make: makes them.

        Raises:
            NotReproducibleError: they are made again, and those that were made before differ.
        """
        known = self.known(name, key)
        if known and not self.is_fresh:
            return known
        made = make()
        if known:
            require_equal(name, known, made, self.layout)
        self.remember(name, key, made)
        return made

    def known(self, name: str, key: Mapping[str, Json]) -> tuple[Layer, ...]:
        """Return the layers that were made for a key here before, if all of them are there; see ``layers``."""
        found = read_record(self._record(name, key))
        return found if all(self.layout.has(each.descriptor.digest) for each in found) else ()

    def remember(self, name: str, key: Mapping[str, Json], layers: Sequence[Layer]) -> None:
        """Let ``known`` return layers for a key."""
        write_record(self._record(name, key), layers)

    def filled(self, folder: Path, tree: Tree) -> tuple[Part, ...]:
        """Fill an empty folder with what its layers will unpack to, and return the parts that it is cut into."""
        return self._filled(folder, tree, CONDITIONS[0])

    def packed(self, name: str, folder: Path, parts: Sequence[Part], tree: Tree) -> tuple[Layer, ...]:
        """Return the layers of a folder that is filled; nothing in it changes.

        Args:
            name: as of ``layers``.
            folder: as of ``filled``.
            parts: what that returned.
            tree: as of that.
        """
        with _under(CONDITIONS[0]):
            made = self._pack(folder, parts, tree)
        return made if len(made) == 1 else tuple(_marked(each, name) for each in made)

    @contextlib.contextmanager
    def swept(self) -> Iterator[None]:
        """Remove what other processes of this work left, where it fails and they were ended amid theirs."""
        try:
            yield
        except BaseException:
            self.trees.sweep()
            self.layout.sweep()
            raise

    def _twice(self, name: str, folder: Path, tree: Tree) -> tuple[Layer, ...]:
        """Build a second time at once, in a folder of its own; that one is compressed only to be shown."""

        def second(other: Path) -> tuple[tuple[Part, Digest], ...]:
            parts = self._filled(other, tree, CONDITIONS[1])
            with _under(CONDITIONS[1]):
                return _hashed(other, parts, tree)

        with self.trees.new_folder() as other:
            with beside(lambda: second(other)) as answer:
                made = self.packed(name, folder, self.filled(folder, tree), tree)
                found = answer.wait()
            if [each.diff_id for each in made] != [diff_id for _, diff_id in found]:
                require_equal(name, made, self._pack(other, [part for part, _ in found], tree), self.layout)
        return made

    def _filled(self, folder: Path, tree: Tree, conditions: Conditions) -> tuple[Part, ...]:
        with _under(conditions):
            tree.fill(folder, conditions)
            find = tree.owners() if tree.owners is not None else None

            def settle(root: int) -> tuple[Part, ...]:
                parts = cut(root, find(root), epoch=tree.epoch) if find else (Part(),)
                clamp(root, epoch=tree.epoch, left_out=tree.left_out)
                return parts

            return run_mapped(settle, directories=(folder,))

    def _record(self, name: str, key: Mapping[str, Json]) -> Path:
        return self.records / f"{Digest.of_json({'format': FORMAT, 'kind': name, **key}).hex}.json"

    def _pack(self, folder: Path, parts: Sequence[Part], tree: Tree) -> tuple[Layer, ...]:
        with contextlib.ExitStack() as stack:
            outs = [stack.enter_context(self.layout.stage()) for _ in parts]
            found = _packed(folder, parts, tree, outs)
            blobs = (self.layout.commit(each, LAYER_GZIP) for each in outs)
            return tuple(Layer(descriptor=blob, diff_id=each) for blob, each in zip(blobs, found, strict=True))


def _hashed(folder: Path, parts: Sequence[Part], tree: Tree) -> tuple[tuple[Part, Digest], ...]:
    """Return each part with the digest of its archive: of equal archives the compressed layers are equal, too."""
    return tuple(zip(parts, _packed(folder, parts, tree, [None] * len(parts)), strict=True))


def _packed(folder: Path, parts: Sequence[Part], tree: Tree, outs: Sequence[BinaryIO | None]) -> list[Digest]:
    """Pack parts of a folder: two processes take turns at them, where there are as many processors."""
    work = tuple(zip(parts, outs, strict=True))
    if len(work) == 1 or len(os.sched_getaffinity(0)) == 1:
        return _packed_here(folder, work, tree)
    with beside(lambda: _packed_here(folder, work[::2], tree)) as answer:
        odd = _packed_here(folder, work[1::2], tree)
        even = answer.wait()
    return [(odd if number % 2 else even)[number // 2] for number in range(len(work))]


def _packed_here(folder: Path, work: Sequence[tuple[Part, BinaryIO | None]], tree: Tree) -> list[Digest]:
    def pack(root: int, part: Part, out: BinaryIO | None) -> Digest:
        exclude = part.exclude.union(tree.left_out)
        return pack_tree(root, out, epoch=tree.epoch, exclude=exclude, only=part.only).diff_id

    return run_mapped(lambda root: [pack(root, *each) for each in work], directories=(folder,))


def _marked(layer: Layer, part: str) -> Layer:
    """Return a layer that says which of its neighbors it was cut from one tree with."""
    annotations = MappingProxyType({PART: part})
    return replace(layer, descriptor=replace(layer.descriptor, annotations=annotations))


@contextlib.contextmanager
def _under(conditions: Conditions) -> Iterator[None]:
    """Change this process to the conditions, and back."""
    before = {name: os.environ.get(name) for name in ("TZ", "LANG")}
    cpus = os.sched_getaffinity(0)
    umask = os.umask(conditions.umask)
    try:
        _set_environment({"TZ": conditions.timezone, "LANG": conditions.locale})
        os.sched_setaffinity(0, sorted(cpus)[: conditions.cpus])
        yield
    finally:
        os.umask(umask)
        os.sched_setaffinity(0, cpus)
        _set_environment(before)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    time.tzset()
