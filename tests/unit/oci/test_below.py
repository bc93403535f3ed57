"""What unpacked layers show together: the nearest one, what it hides, and no link followed."""

import os
import stat

import pytest

from runtime.oci.below import Below
from runtime.oci.folder import OPAQUE


@pytest.fixture
def below(tmp_path):
    """Return a function that makes layers, the nearest first: ``-name`` is a whiteout, ``!name/`` hides others."""
    opened = []

    def lay(*layers):
        for number, paths in enumerate(layers):
            root = tmp_path / f"layer{number}"
            root.mkdir()
            for each in paths:
                path = root / each.replace("-", "").lstrip("!").rstrip("/").partition(">")[0]
                if "-" in each:
                    os.mknod(path, stat.S_IFCHR, 0)
                elif ">" in each:
                    path.symlink_to(each.partition(">")[2])
                elif each.endswith("/"):
                    path.mkdir()
                else:
                    path.write_text(f"{number}")
                if each.startswith("!"):
                    os.setxattr(path, OPAQUE, b"y")
            opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
        return Below(opened)

    yield lay
    for each in opened:
        os.close(each)


def test_nearest_layer_that_has_a_path_is_seen(below):
    found = below(["a/", "a/x"], ["a/", "a/x", "a/y"])
    assert [found.read(path, limit=9) for path in (b"a/x", b"a/y", b"a/z")] == [b"0", b"1", None]
    assert len(found.folder(b"a")) == 2
    assert found.names(b"a") == {"x", "y"}
    assert found.names(b"a/x") == set()


@pytest.mark.parametrize("nearest", [["a/", "a/-x"], ["!a/"], ["-a"], ["a"], ["a>b"]])
def test_what_a_layer_hides_is_not_seen(below, nearest):
    found = below(nearest, ["a/", "a/x"])
    assert found.status(b"a/x") is None
    assert found.read(b"a/x", limit=9) is None
    assert found.names(b"a") == set()


def test_links_are_told_and_not_followed(below):
    found = below(["a/", "a/x", "l>a", "m>a/x"])
    assert (found.link(b"l"), found.link(b"a"), found.link(b"z")) == (b"a", b"", b"")
    assert (found.folder(b"l"), found.status(b"l/x"), found.read(b"m", limit=9)) == ((), None, None)


def test_file_that_is_too_large_is_not_read(below):
    assert below(["x"]).read(b"x", limit=0) is None
