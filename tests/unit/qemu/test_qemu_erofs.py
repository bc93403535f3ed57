import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from erofs_reader import Image

from runtime.backends.qemu.erofs import BLOCK, Node, plot

NAMES = st.binary(min_size=1, max_size=255).filter(lambda name: b"/" not in name and b"\0" not in name)
XATTRS = st.dictionaries(st.sampled_from(["user.a", "trusted.overlay.opaque", "security.capability"]), st.binary())


def image_of(root: Node, content: bytes = b"") -> Image:
    plotted = plot(root)
    raw = bytearray(plotted.head.ljust(plotted.size, b"\0"))
    for node, start in plotted.files:
        raw[start : start + node.size] = content[: node.size]
    return Image(bytes(raw))


def folder(**entries: Node) -> Node:
    return Node(mode=stat.S_IFDIR | 0o755, entries={name.encode(): each for name, each in entries.items()})


@given(st.dictionaries(NAMES, st.tuples(st.integers(0, 9000), XATTRS), max_size=300))
def test_every_name_of_a_folder_is_found_with_its_content_and_attributes(files):
    content = bytes(range(256)) * 36
    nodes = {
        name: Node(mode=stat.S_IFREG | 0o644, uid=7, gid=8, mtime=5_000_000_001, size=size, xattrs=xattrs)
        for name, (size, xattrs) in files.items()
        if name not in (b".", b"..")
    }
    found = image_of(Node(mode=stat.S_IFDIR | 0o700, entries=dict(nodes)), content).paths()
    assert found.keys() == {b"."} | {b"./" + name for name in nodes}
    for name, node in nodes.items():
        one = found[b"./" + name]
        assert (one["content"], one["xattrs"]) == (content[: node.size], node.xattrs)
        assert (one["owner"], one["mtime"], one["links"]) == ((7, 8), 5_000_000_001, 1)


def test_hard_links_are_one_file_with_two_names():
    file = Node(mode=stat.S_IFREG | 0o644, size=1)
    found = image_of(folder(a=file, b=folder(c=file)), b"x").paths()
    assert found[b"./a"]["number"] == found[b"./b/c"]["number"]
    assert found[b"./a"]["links"] == 2


def test_link_and_whiteout_are_what_they_were():
    link = Node(mode=stat.S_IFLNK | 0o777, target=b"../target")
    found = image_of(folder(link=link, gone=Node(mode=stat.S_IFCHR))).paths()
    assert (found[b"./link"]["mode"], found[b"./link"]["content"]) == (stat.S_IFLNK | 0o777, b"../target")
    assert found[b"./gone"]["mode"] == stat.S_IFCHR


def test_folder_knows_itself_the_one_above_and_its_links():
    image = image_of(folder(a=folder(b=folder())))
    found = image.paths()
    below = image.entries(found[b"./a"]["number"])
    assert (below[b"."], below[b".."]) == (found[b"./a"]["number"], found[b"."]["number"])
    assert found[b"./a"]["links"] == 3


def test_inode_with_its_attributes_crosses_no_block():
    files = {f"f{number}": Node(mode=stat.S_IFREG, xattrs={"user.a": bytes(number)}) for number in range(200)}
    found = image_of(folder(**files)).paths()
    for one in found.values():
        at = one["number"] * 32 % BLOCK
        size = 64 + (12 + sum(len(value) + 16 for value in one["xattrs"].values()) if one["xattrs"] else 0)
        assert at + min(size, 64) <= BLOCK


def test_equal_trees_have_equal_images():
    first, second = (folder(**{name: folder() for name in order}) for order in ("abc", "cba"))
    assert plot(first).size == plot(second).size
    assert image_of(first).paths().keys() == image_of(second).paths().keys()


@pytest.mark.parametrize(
    "xattrs",
    [{"system.posix_acl_access": b""}, {"user." + "n" * 256: b""}, {"user.a": bytes(1 << 16)}],
    ids=["kind", "name", "value"],
)
def test_attribute_that_the_format_has_not_is_refused(xattrs):
    with pytest.raises(ValueError, match="cannot hold the attribute"):
        plot(Node(mode=stat.S_IFDIR, xattrs=xattrs))
