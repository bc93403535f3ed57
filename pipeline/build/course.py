"""``lay``: trees over one another, of which each is packed while the next one is filled.

Filling a tree keeps one processor busy, and packing it another. What lies below is not changed any more once it is
filled, and its digest is wanted only at the end. What the next trees are filled with is fetched at the same time.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from pipeline.build.parts import Part
from pipeline.build.records import parse_layers, print_layers
from pipeline.build.workshop import Owners, Tree, Workshop
from runtime.backends.native.forked import Answer, beside
from runtime.canonical import Json
from runtime.errors import SeatrialError
from runtime.oci.image import Layer
from runtime.oci.trees import Trees

T = TypeVar("T")

_AHEAD = 2
"""For how many trees things are fetched while another is filled; it takes the room that they take."""

_NICENESS = 10
"""How much nicer than the process that fills a tree are those beside it."""

Files = Mapping[str, Path]
"""What a tree is filled with, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One tree of a course.

    Args:
        name: which part of an image it is, for the key and for messages.
        key: all that decides its bytes, but what lies below.
        fetch: makes what it is filled with, in a folder that is gone afterwards; it may run in a process of its own.
        fill: fills an empty folder; it takes that, the folders below, the lowest first, and what was fetched.
        epoch: no time in it is later; seconds since 1970.
        owners: as of ``Workshop.layers``, like the next one.
        left_out: likewise.
    """

    name: str
    key: Mapping[str, Json]
    fetch: Callable[[Path], Files]
    fill: Callable[[Path, tuple[Path, ...], Files], None]
    epoch: int
    owners: Callable[[], Owners] | None = None
    left_out: tuple[bytes, ...] = ()

    def whole_key(self, below: Sequence[Layer]) -> Mapping[str, Json]:
        """Return all that decides its bytes."""
        return {"below": [each.diff_id.text for each in below], **self.key}

    def tree(self, below: tuple[Path, ...], files: Files) -> Tree:
        """Return how it is made over some folders of what was fetched."""
        return Tree(
            fill=lambda folder, _: self.fill(folder, below, files),
            epoch=self.epoch,
            owners=self.owners,
            left_out=self.left_out,
        )


def lay(steps: Sequence[Step], workshop: Workshop, below: tuple[Layer, ...] = ()) -> tuple[Layer, ...]:
    """Return the layers of a course, without those below it; a tree whose key was built here before is not built again.

    Args:
        steps: the lowest first.
        workshop: where layers are made.
        below: the layers that it is laid on.

    Raises:
        NotReproducibleError: the workshop builds everything again, and two builds differ.
        Exception: whatever ``fetch`` or ``fill`` raises.
    """
    layers = below
    if workshop.is_fresh:
        for each in steps:
            layers += _made_again(each, workshop, layers)
        return layers[len(below) :]
    left = list(steps)
    while left and (known := workshop.known(left[0].name, left[0].whole_key(layers))):
        layers += known
        del left[0]
    if left:
        with workshop.swept(), ExitStack() as stack:
            layers = _made(left, workshop, layers, stack)
    return layers[len(below) :]


def _made(steps: Sequence[Step], workshop: Workshop, layers: tuple[Layer, ...], stack: ExitStack) -> tuple[Layer, ...]:
    """Return some layers and those of trees on them, of which none was made before."""
    trees = workshop.trees
    rooms = [stack.enter_context(ExitStack()) for _ in steps]
    fetching: list[Answer[Files]] = []
    last: _Packing | None = None
    for number, (step, room) in enumerate(zip(steps, rooms, strict=True)):
        for each in range(len(fetching), min(number + 1 + _AHEAD, len(steps))):
            after = fetching[-1] if fetching else None
            fetching.append(rooms[each].enter_context(_fetching(steps[each], trees, after)))
        folder = stack.enter_context(trees.new_folder())
        try:
            files = fetching[number].wait()
            tree = step.tree((*trees.paths(layers), *((last.folder,) if last else ())), files)
            parts = workshop.filled(folder, tree)
        except BaseException as error:
            if last:
                last.save(workshop, layers, error)
            raise
        room.close()
        if last:
            layers += last.kept(workshop, layers)
        pack = partial(_printed, workshop, step, folder, parts, tree)
        is_waited_for = step is steps[-1]
        answer = stack.enter_context(beside(pack if is_waited_for else partial(_yielding, pack)))
        last = _Packing(step=step, folder=folder, answer=answer)
    return layers + last.kept(workshop, layers) if last else layers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packing:
    """A tree that is filled, and is being packed.

    Args:
        step: what it is.
        folder: has it.
        answer: its layers, as a record has them.
    """

    step: Step
    folder: Path
    answer: Answer[bytes]

    def kept(self, workshop: Workshop, below: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """Return its layers when they are there, and let others find them and the tree."""
        made = parse_layers(self.answer.wait(), self.step.name)
        workshop.trees.keep(self.folder, made)
        workshop.remember(self.step.name, self.step.whole_key(below), made)
        return made

    def save(self, workshop: Workshop, below: tuple[Layer, ...], error: BaseException) -> None:
        """Keep it where the tree above it fails, and is alone to blame; whoever stops all waits for nothing."""
        if isinstance(error, (SeatrialError, OSError)) or self.answer.is_there():
            try:
                self.kept(workshop, below)
            except (SeatrialError, OSError) as second:
                error.add_note(f"{self.step.name} was not kept: {second}")


def _yielding(function: Callable[[], T]) -> T:
    """Call a function in a process beside the one that fills a tree: it takes what that leaves of the processors."""
    os.nice(_NICENESS)
    return function()


def _printed(workshop: Workshop, step: Step, folder: Path, parts: Sequence[Part], tree: Tree) -> bytes:
    layers = print_layers(workshop.packed(step.name, folder, parts, tree))
    workshop.trees.settle(folder)
    return layers


def _made_again(step: Step, workshop: Workshop, below: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Make a tree twice, and compare; both take what was fetched once."""
    with ExitStack() as stack:
        files: dict[str, Path] = {}
        return workshop.layers(
            step.name,
            step.whole_key(below),
            lambda folder, _: step.fill(folder, workshop.trees.paths(below), files),
            epoch=step.epoch,
            owners=step.owners,
            left_out=step.left_out,
            needs=lambda: files.update(step.fetch(stack.enter_context(workshop.trees.new_folder()))),
        )


@contextlib.contextmanager
def _fetching(step: Step, trees: Trees, after: Answer[Files] | None) -> Iterator[Answer[Files]]:
    """Begin to fetch what a tree is filled with, when what is fetched before it is there; yield the answer."""

    def fetch() -> Files:
        if after:
            after.until_there()
        return _yielding(lambda: step.fetch(folder))

    with trees.new_folder() as folder, beside(fetch) as answer:
        yield answer
