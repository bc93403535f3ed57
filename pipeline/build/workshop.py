"""``Workshop``: layers are made once, and a second time, where that is asked for, under conditions as unlike as can be.

A process can have another umask, time zone, locale and number of processors than the first time. Both must give the
same bytes.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, TypeVar

from pipeline.build.parts import Part, cut
from pipeline.build.proof import require_equal
from runtime.backends.native.forked import beside
from runtime.backends.native.mapped import run_mapped
from runtime.canonical import Json
from runtime.data import replace
from runtime.digest import Digest
from runtime.oci.descriptor import LAYER_GZIP, PART, Descriptor
from runtime.oci.image import Layer
from runtime.oci.layout import Layout
from runtime.oci.pack import clamp, pack_tree
from runtime.oci.temporary import write_whole
from runtime.oci.trees import Trees

T = TypeVar("T")

FORMAT = 6
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
class _Wanted:
    """What is built; see ``Workshop.layers``."""

    fill: Fill
    epoch: int
    owners: Callable[[], Owners] | None
    left_out: tuple[bytes, ...]


Pack = Callable[[Path, Sequence[Part], _Wanted], tuple[T, ...]]
"""Makes something of each part of a folder that is filled."""


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
            fill: makes its files, under the first of ``CONDITIONS``; if it is built twice, under each of them.
            epoch: no time in it is later; seconds since 1970.
            owners: loads what tells whose its files are, by which it is cut into layers; None for one layer.
            left_out: paths that never get into it.
            needs: fetches what ``fill`` takes, where it is fetched at all: two builds run beside each other.
            is_doubted: whether it is built twice in any case, as what others wrote decides its bytes.

        Raises:
            NotReproducibleError: two builds differ; the message says in what.
        """
        wanted = _Wanted(fill=fill, epoch=epoch, owners=owners, left_out=left_out)

        def make() -> tuple[Layer, ...]:
            if needs is not None:
                needs()
            try:
                return self._make(name, wanted, is_twice=is_doubted or self.is_fresh)
            except BaseException:
                self.trees.sweep()  # what another process left, which was ended amid its work as this one failed
                self.layout.sweep()
                raise

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
        record = self.records / f"{Digest.of_json({'format': FORMAT, 'kind': name, **key}).hex}.json"
        known = _read_record(record)
        is_known = bool(known) and all(self.layout.has(each.descriptor.digest) for each in known)
        if is_known and not self.is_fresh:
            return known
        made = make()
        if is_known:
            require_equal(name, known, made, self.layout)
        _write_record(record, made)
        return made

    def _make(self, name: str, wanted: _Wanted, *, is_twice: bool) -> tuple[Layer, ...]:
        with self.trees.new_folder() as folder:
            if is_twice:
                first = self._make_twice(name, folder, wanted)
            else:
                first = self._build(folder, wanted, CONDITIONS[0], self._pack)
            made = first if len(first) == 1 else tuple(_marked(each, name) for each in first)
            run_mapped(lambda root: clamp(root, epoch=wanted.epoch, left_out=wanted.left_out), directories=(folder,))
            self.trees.keep(folder, made)
        return made

    def _make_twice(self, name: str, folder: Path, wanted: _Wanted) -> tuple[Layer, ...]:
        """Build a second time at once, in a folder of its own; that one is compressed only to be shown."""
        with self.trees.new_folder() as other:
            with beside(lambda: self._build(other, wanted, CONDITIONS[1], _hashed)) as wait:
                first = self._build(folder, wanted, CONDITIONS[0], self._pack)
                second = wait()
            if [each.diff_id for each in first] != [diff_id for _, diff_id in second]:
                require_equal(name, first, self._pack(other, [part for part, _ in second], wanted), self.layout)
        return first

    def _build(self, folder: Path, wanted: _Wanted, conditions: Conditions, pack: Pack[T]) -> tuple[T, ...]:
        """Fill a folder under some conditions, and return what ``pack`` makes of each of its parts."""
        with _under(conditions):
            wanted.fill(folder, conditions)
            parts: tuple[Part, ...] = (Part(),)
            if wanted.owners is not None:
                find = wanted.owners()
                parts = run_mapped(lambda root: cut(root, find(root), epoch=wanted.epoch), directories=(folder,))
            return pack(folder, parts, wanted)

    def _pack(self, folder: Path, parts: Sequence[Part], wanted: _Wanted) -> tuple[Layer, ...]:
        with contextlib.ExitStack() as stack:
            outs = [stack.enter_context(self.layout.stage()) for _ in parts]
            found = _packed(folder, parts, wanted, outs)
            blobs = (self.layout.commit(each, LAYER_GZIP) for each in outs)
            return tuple(Layer(descriptor=blob, diff_id=each) for blob, each in zip(blobs, found, strict=True))


def _hashed(folder: Path, parts: Sequence[Part], wanted: _Wanted) -> tuple[tuple[Part, Digest], ...]:
    """Return each part with the digest of its archive: of equal archives the compressed layers are equal, too."""
    return tuple(zip(parts, _packed(folder, parts, wanted, [None] * len(parts)), strict=True))


def _packed(folder: Path, parts: Sequence[Part], wanted: _Wanted, outs: Sequence[BinaryIO | None]) -> list[Digest]:
    """Pack parts of a folder, all in one process."""

    def pack(root: int, part: Part, out: BinaryIO | None) -> Digest:
        exclude = part.exclude.union(wanted.left_out)
        return pack_tree(root, out, epoch=wanted.epoch, exclude=exclude, only=part.only).diff_id

    return run_mapped(lambda root: [pack(root, *each) for each in zip(parts, outs, strict=True)], directories=(folder,))


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


def _read_record(path: Path) -> tuple[Layer, ...]:
    try:
        return _from_json(json.loads(path.read_bytes()), str(path))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _write_record(path: Path, layers: Sequence[Layer]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    found = [{"descriptor": each.descriptor.to_json(), "diff_id": each.diff_id.text} for each in layers]
    write_whole(path, json.dumps({"layers": found}).encode())


def _from_json(found: Any, where: str) -> tuple[Layer, ...]:  # noqa: ANN401 - JSON
    return tuple(
        Layer(descriptor=Descriptor.parse(each["descriptor"], where), diff_id=Digest(each["diff_id"]))
        for each in found["layers"]
    )
