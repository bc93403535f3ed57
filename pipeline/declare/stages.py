"""Which stages ``files`` take from: every name must be that of a stage, and every stage must be taken from."""

from collections.abc import Iterable, Iterator, Mapping

from pipeline.declare.faults import Fault
from pipeline.declare.image import FilesEntry, Stage, StageFiles
from pipeline.declare.validate import KeyPath, dotted, key_place, near
from pipeline.declare.yaml_reader import Items, Node, Scalar, Table


def needed_stages(entries: Iterable[FilesEntry], stages: Mapping[str, Stage]) -> tuple[str, ...]:
    """Return the names of the stages that some files come from, with those that these take from, sorted.

    Args:
        entries: of ``files``.
        stages: the stages of the image, by name.
    """
    found: set[str] = set()
    left = [each.stage for each in entries if isinstance(each, StageFiles)]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [each.stage for each in stages[name].files if isinstance(each, StageFiles)]
    return tuple(sorted(found))


def stage_faults(root: Table) -> Iterator[Fault]:
    """Yield a fault for each name that is no stage's, or not of one above, and for each stage that nobody takes from.

    They are found over nodes, so that other faults hide none.
    """
    yield from _of_image(root, ("image",), suite=("suite",))
    services = root.values.get("services")
    for name in services.values if isinstance(services, Table) else ():
        yield from _of_image(root, ("services", name, "image"), suite=None)
    if not _tables(root, ("image", "stages")):
        yield from (_unknown(path, node, ()) for path, node in _named(root, ("suite",)))


def _of_image(root: Table, image: KeyPath, suite: KeyPath | None) -> Iterator[Fault]:
    stages = _tables(root, (*image, "stages"))
    names, taken = tuple(stages), set[str]()
    for above, name in enumerate(names):
        for path, node in _named(root, (*image, "stages", name)):
            taken |= {node.text} - {name}
            if node.text in names[above:]:
                message = f"{dotted(path)}: the stage {node.text!r} does not stand above {name!r}"
                yield node.place.fault(message, "stages are made in their order: write what others need first")
            elif node.text not in names:
                yield _unknown(path, node, names)
    parts = (image, suite) if suite and stages else (image,)
    for path, node in (found for part in parts for found in _named(root, part)):
        taken.add(node.text)
        if node.text not in names:
            yield _unknown(path, node, names)
    for name in names:
        if name not in taken:
            message = f"nothing is taken from the stage {name!r}, so it would never run"
            place = key_place(root, (*image, "stages", name))
            yield place.fault(message, f"add {{stage: {name}, from: /out, to: …}} to 'files', or remove it")


def _unknown(path: KeyPath, node: Scalar, names: tuple[str, ...]) -> Fault:
    known = f"the stages are: {', '.join(names)}" if names else "add it to 'stages' of 'image'"
    return node.place.fault(f"{dotted(path)}: there is no stage {node.text!r}", near(node.text, names) or known)


def _named(root: Table, part: KeyPath) -> Iterator[tuple[KeyPath, Scalar]]:
    """Yield the names of stages in the ``files`` of a part, with their keys."""
    files = _at(root, (*part, "files"))
    for index, entry in enumerate(files.items if isinstance(files, Items) else ()):
        name = entry.values.get("stage") if isinstance(entry, Table) else None
        if isinstance(name, Scalar):
            yield (*part, "files", index, "stage"), name


def _tables(root: Table, path: KeyPath) -> Mapping[str, Node]:
    found = _at(root, path)
    return found.values if isinstance(found, Table) else {}


def _at(node: Node | None, path: KeyPath) -> Node | None:
    for each in path:
        node = node.values.get(str(each)) if isinstance(node, Table) else None
    return node
