"""Layers that were cut from one tree are unpacked into one folder; it is the tree that they were cut from."""

import io
import os
from contextlib import nullcontext
from types import MappingProxyType

import pytest

from runtime.digest import Digest
from runtime.oci.descriptor import LAYER_GZIP, PART, Descriptor
from runtime.oci.image import Layer
from runtime.oci.pack import pack_tree
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.trees import Trees

EPOCH = 1_700_000_000
FILES = {"usr/bin/tool": b"#!", "usr/lib/one": b"1", "usr/lib/two": b"2", "etc/list": b"one two"}


class Blobs:
    """A store in memory."""

    def __init__(self):
        self.content = {}

    def open(self, digest):
        return nullcontext(io.BytesIO(self.content[digest]))

    def keep(self, root, part="", **options):
        out = io.BytesIO()
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        packed = pack_tree(descriptor, out, epoch=EPOCH, **options)
        os.close(descriptor)
        digest = Digest.of(out.getvalue())
        self.content[digest] = out.getvalue()
        annotations = MappingProxyType({PART: part} if part else {})
        described = Descriptor(media_type=LAYER_GZIP, digest=digest, size=len(out.getvalue()), annotations=annotations)
        return Layer(descriptor=described, diff_id=packed.diff_id)


def direct(function, /, *, directories):
    opened = [os.open(each, os.O_RDONLY | os.O_DIRECTORY) for each in directories]
    try:
        return function(*opened)
    finally:
        for each in opened:
            os.close(each)


@pytest.fixture
def blobs():
    return Blobs()


@pytest.fixture
def trees(blobs, tmp_path):
    return Trees(tmp_path / "trees", blobs, direct, owner=(os.geteuid(), os.getegid()))


@pytest.fixture
def tree(tmp_path):
    for path, content in FILES.items():
        (tmp_path / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / path).write_bytes(content)
    (tmp_path / "tree/usr/lib").chmod(0o750)
    return tmp_path / "tree"


def parts(blobs, tree, part="debian"):
    first, second = frozenset({b"usr/lib/one"}), frozenset({b"usr/lib/two", b"usr/bin/tool"})
    return (
        blobs.keep(tree, part, only=first),
        blobs.keep(tree, part, only=second),
        blobs.keep(tree, part, exclude=first | second),
    )


def test_parts_of_one_tree_are_unpacked_as_that_tree(blobs, trees, tree):
    layers = parts(blobs, tree)
    assert not trees.hold(layers)
    (joined,) = trees.paths(layers)
    assert blobs.keep(joined) == blobs.keep(tree)
    assert trees.hold(layers)
    assert trees.paths(layers) == (joined,)


def test_other_layers_have_folders_of_their_own(blobs, trees, tree):
    plain = parts(blobs, tree, "")
    assert len(set(trees.paths(plain))) == len(plain)
    below, above = parts(blobs, tree)[:2], parts(blobs, tree, "python")[1:]
    assert len(trees.paths((*below, *above, plain[0]))) == 3


def test_parts_that_have_a_path_in_common_are_refused(blobs, trees, tree):
    layer = blobs.keep(tree, "debian")
    again = blobs.keep(tree, "debian", only=frozenset({b"usr/lib/one"}))
    with pytest.raises(RefusedError) as refused:
        trees.paths((layer, again))
    assert refused.value.reason is Refusal.NAME_DUPLICATE
    assert not trees.hold((layer, again))


def test_folder_that_was_packed_is_kept_and_never_unpacked(blobs, trees):
    with trees.new_folder() as folder:
        (folder / "file").write_bytes(b"made")
        layer = blobs.keep(folder)
        trees.keep(folder, (layer,))
    blobs.content.clear()
    assert (trees.path((layer,)) / "file").read_bytes() == b"made"
    with trees.new_folder() as folder:
        trees.keep(folder, (layer,))  # it is there already
    assert [each.name for each in trees.path((layer,)).parent.iterdir() if not each.name.startswith(".")] == [
        layer.diff_id.hex
    ]
