from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.build.proof import compare, require_equal
from pipeline.declare.errors import NotReproducibleError
from runtime.digest import Digest
from runtime.oci.descriptor import LAYER_GZIP
from runtime.oci.gzip import compress_member
from runtime.oci.image import Layer
from runtime.oci.layout import Layout
from runtime.oci.tar import END, Entry, Kind, padding, to_header

FOLDER = Entry(path=b"usr", kind=Kind.DIRECTORY, mode=0o755, uid=0, gid=0, mtime=1_700_000_000)
FILE = replace(FOLDER, path=b"usr/x.pyc", kind=Kind.FILE, mode=0o644, size=2)
LINK = replace(FOLDER, path=b"usr/z", kind=Kind.SYMLINK, target=b"x.pyc")


def layer(root: Path, *entries: Entry, content: bytes = b"ab") -> tuple[Layer, ...]:
    parts = (to_header(each) + (content + padding(len(content)) if each.size else b"") for each in entries)
    archive = b"".join(parts) + END
    descriptor = Layout(root).write(compress_member(archive), LAYER_GZIP)
    return (Layer(descriptor=descriptor, diff_id=Digest("sha256:" + sha256(archive).hexdigest())),)


CHANGES = {
    "mtime": ((FOLDER, replace(FILE, mtime=1_700_000_042)), b"ab", "usr/x.pyc, mtime 1700000000 and 1700000042"),
    "mode": ((FOLDER, replace(FILE, mode=0o600)), b"ab", "usr/x.pyc, mode 0644 and 0600"),
    "owner": ((replace(FOLDER, gid=5), FILE), b"ab", "usr, gid 0 and 5"),
    "content": ((FOLDER, FILE), b"xy", "usr/x.pyc, content fb8e20fc2e4c and 769a4e6d0003"),
    "size": ((FOLDER, replace(FILE, size=3)), b"abc", "usr/x.pyc, size 2 and 3"),
    "missing": ((FOLDER,), b"ab", "usr/x.pyc, presence present and missing"),
    "more": ((FOLDER, FILE, LINK), b"ab", "usr/z, presence missing and present"),
    "order": ((FILE, FOLDER), b"ab", "usr, order here and usr/x.pyc"),
    "attribute": ((FOLDER, replace(FILE, xattrs={"user.x": b"1"})), b"ab", "usr/x.pyc, xattrs none and user.x=31"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_compare_names_path_and_what_differs(name, tmp_path):
    entries, content, want = CHANGES[name]
    first = layer(tmp_path, FOLDER, FILE)
    second = layer(tmp_path, *entries, content=content)
    assert [str(each) for each in compare(first, second, Layout(tmp_path))] == [want]


def test_compare_of_kinds_names_both(tmp_path):
    first = layer(tmp_path, FOLDER, replace(LINK, target=b"a"))
    second = layer(tmp_path, FOLDER, LINK)
    third = layer(tmp_path, FOLDER, replace(LINK, kind=Kind.DIRECTORY, target=b""))
    assert [str(each) for each in compare(first, second, Layout(tmp_path))] == ["usr/z, target a and x.pyc"]
    assert "usr/z, kind symlink and directory" in [str(each) for each in compare(first, third, Layout(tmp_path))]


def test_require_equal_accepts_the_same_and_names_the_first_five_of_many(tmp_path):
    names = [replace(FILE, path=b"%d" % each) for each in range(8)]
    first = layer(tmp_path, *names)
    require_equal("debian", first, layer(tmp_path, *names), Layout(tmp_path))
    second = layer(tmp_path, *(replace(each, mtime=1) for each in names))
    with pytest.raises(
        NotReproducibleError, match=r"layer debian differ: 0, mtime .*; 4, mtime .*; and 3 more"
    ) as caught:
        require_equal("debian", first, second, Layout(tmp_path))
    assert caught.value.hint


def test_require_equal_names_the_blobs_that_differ_whatever_is_noted_beside_the_digests(tmp_path):
    ((same,), (one,), (other,)) = (layer(tmp_path, each) for each in (FOLDER, FILE, LINK))
    noted = replace(same, descriptor=replace(same.descriptor, annotations={"part": "usr"}))
    require_equal("debian", (same,), (noted,), Layout(tmp_path))
    with pytest.raises(NotReproducibleError) as caught:
        require_equal("debian", (same, one), (noted, other), Layout(tmp_path))
    assert caught.value.hint == (
        f"compare {one.descriptor.digest.short} and {other.descriptor.digest.short} in the store for all of it"
    )


def test_mirrored_comparison_names_the_same_paths(tmp_path):
    first, second = layer(tmp_path, FOLDER, FILE), layer(tmp_path, FOLDER, LINK, content=b"")
    one, other = (list(compare(*pair, Layout(tmp_path))) for pair in ((first, second), (second, first)))
    assert [(each.path, each.aspect, each.second, each.first) for each in other] == [
        (each.path, each.aspect, each.first, each.second) for each in one
    ]
