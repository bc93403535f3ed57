"""What the contract has and this version cannot do yet: said with its line, never passed over in silence."""

from collections.abc import Iterator

from pipeline.declare.faults import Fault, in_order
from pipeline.declare.spec import EnvSpec
from pipeline.declare.validate import KeyPath, key_place
from pipeline.declare.yaml_reader import Items, Node, Scalar, Table
from runtime.oci.platform import MACHINES
from runtime.oci.remote import is_remote

_SOURCES = ("oci:", "docker-archive:", "docker-daemon:")
_SUITE_KEYS = (("secrets", "secrets"),)
_VALUES: tuple[tuple[KeyPath, str, str], ...] = ((("suite", "network"), "outbound", "suites that reach the network"),)


def unsupported(spec: EnvSpec) -> tuple[Fault, ...]:
    """Return a fault for everything in ``spec`` that this version of Seatrial cannot do, in the order of the file.

    A spec that was made in memory has no lines to show: nothing is returned for it.
    """
    if spec.source is None:
        return ()
    found = (
        key_place(spec.source, path).fault(f"{what}: not supported by this version of Seatrial")
        for path, what in _found(spec.source)
    )
    return in_order(found)


def _found(root: Node) -> Iterator[tuple[KeyPath, str]]:
    images = _images(root)
    for key, what in _SUITE_KEYS:
        if _at(root, ("suite", key)) is not None:
            yield ("suite", key), what
    yield from _existing(root, images)
    for path, value, what in _VALUES:
        node = _at(root, path)
        if isinstance(node, Scalar) and node.text == value:
            yield path, what
    for stage in ((*image, "stages", name) for image in images for name in _names(root, (*image, "stages"))):
        yield from _owned(root, stage)
    architectures = _at(root, ("architectures",))
    for index, node in enumerate(architectures.items if isinstance(architectures, Items) else ()):
        if isinstance(node, Scalar) and node.text not in MACHINES:
            yield ("architectures", index), f"the architecture {node.text}"


def _existing(root: Node, images: tuple[KeyPath, ...]) -> Iterator[tuple[KeyPath, str]]:
    if _at(root, ("image", "from")) is not None and _at(root, ("suite", "packages")) is not None:
        yield ("suite", "packages"), "Debian packages of a suite for an image that exists already"
    for image in images:
        node = _at(root, (*image, "from"))
        if isinstance(node, Scalar) and not node.text.startswith(_SOURCES) and not is_remote(node.text):
            yield (
                (*image, "from"),
                "an image in no registry (HOST/NAME:TAG), oci:DIR, docker-archive:FILE or docker-daemon:NAME",
            )


def _images(root: Node) -> tuple[KeyPath, ...]:
    return ("image",), *(("services", name, "image") for name in _names(root, ("services",)))


def _names(root: Node, path: KeyPath) -> tuple[str, ...]:
    found = _at(root, path)
    return tuple(found.values) if isinstance(found, Table) else ()


def _owned(root: Node, stage: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield the owners of what a stage works on: its commands run as root, and no owner there reaches an image."""
    files = _at(root, (*stage, "files"))
    for index, entry in enumerate(files.items if isinstance(files, Items) else ()):
        if _at(entry, ("owner",)) is not None:
            yield (*stage, "files", index, "owner"), "an owner of what a stage works on"


def _at(node: Node | None, path: KeyPath) -> Node | None:
    for each in path:
        node = node.values.get(str(each)) if isinstance(node, Table) else None
    return node
