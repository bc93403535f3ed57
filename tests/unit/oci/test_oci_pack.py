"""The same tree gives the same bytes; what is packed comes back by unpacking, and other readers read it too."""

import gzip
import io
import os
import socket
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.digest import Digest
from runtime.errors import ImageError
from runtime.oci.archive import Limits, read_content, read_entries
from runtime.oci.descriptor import LAYER_GZIP, Descriptor
from runtime.oci.gzip import MEMBER, compress_member
from runtime.oci.pack import clamp, pack_tree
from runtime.oci.tar import END, Entry, Kind, padding, to_header
from runtime.oci.unpack import unpack_layer

EPOCH = 1_700_000_000


def pack(root: Path, **options) -> tuple[Digest, bytes]:
    out = io.BytesIO()
    return digest(root, out, **options), out.getvalue()


def digest(root: Path, out: io.BytesIO | None = None, **options) -> Digest:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return pack_tree(descriptor, out, epoch=EPOCH, **options).diff_id
    finally:
        os.close(descriptor)


def make_tree(root: Path) -> None:
    root.mkdir()
    (root / "a-b").write_bytes(b"1")
    (root / "a").mkdir()
    (root / "a/z").write_bytes(b"hello")
    (root / "a/z").chmod(0o4755)
    os.link(root / "a/z", root / "0first")
    (root / ("n" * 150)).write_bytes(b"long")
    (root / "link").symlink_to("/etc/passwd")
    (root / "empty").mkdir(mode=0o700)
    os.setxattr(root / "a-b", "user.note", b"\0=\n")
    os.utime(root / "a-b", (5, 5))


def test_pack_is_sorted_clamped_and_names_the_first_hard_link_as_the_file(tmp_path):
    make_tree(tmp_path / "t")
    _, blob = pack(tmp_path / "t")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as archive:
        members = {each.name: each for each in archive}
    assert list(members) == ["0first", "a-b", "a", "a/z", "empty", "link", "n" * 150]
    assert (members["0first"].mode, members["a/z"].linkname) == (0o4755, "0first")
    assert (members["a-b"].mtime, members["link"].mtime, members["a"].mtime) == (5, EPOCH, EPOCH)
    assert members["a-b"].pax_headers["SCHILY.xattr.user.note"] == "\0=\n"
    assert {each.uname for each in members.values()} == {""}


def test_pack_of_an_equal_tree_has_equal_bytes(tmp_path):
    make_tree(tmp_path / "t")
    make_tree(tmp_path / "u")
    assert pack(tmp_path / "t") == pack(tmp_path / "u")


def test_pack_for_the_digest_alone_has_that_of_the_archive_that_is_written(tmp_path):
    make_tree(tmp_path / "t")
    diff_id, blob = pack(tmp_path / "t")
    assert digest(tmp_path / "t") == diff_id == Digest.of(gzip.decompress(blob))


def test_pack_then_unpack_then_pack_has_equal_bytes(tmp_path):
    make_tree(tmp_path / "t")
    diff_id, blob = pack(tmp_path / "t")
    (tmp_path / "u").mkdir()
    root = os.open(tmp_path / "u", os.O_RDONLY | os.O_DIRECTORY)
    descriptor = Descriptor(media_type=LAYER_GZIP, digest=Digest.of(blob), size=len(blob))
    unpack_layer(io.BytesIO(blob), descriptor, diff_id, root)
    os.close(root)
    assert pack(tmp_path / "u") == (diff_id, blob)


def test_pack_leaves_out_what_is_excluded_and_sockets(tmp_path, monkeypatch):
    make_tree(tmp_path / "t")
    monkeypatch.chdir(tmp_path / "t")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        _, blob = pack(tmp_path / "t", exclude=(b"a", b"0first"))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as archive:
        assert archive.getnames() == ["a-b", "empty", "link", "n" * 150]


def test_pack_refuses_pipes_and_names_of_whiteouts(tmp_path):
    for name, make in (("p", os.mkfifo), (".wh.x", Path.touch)):
        root = tmp_path / name.strip(".")
        root.mkdir()
        make(root / name)
        with pytest.raises(ImageError, match=name):
            pack(root)


def test_pack_cuts_members_at_fixed_places(tmp_path):
    (tmp_path / "t").mkdir()
    content = os.urandom(1 << 16) * 150
    (tmp_path / "t/large").write_bytes(content)
    diff_id, blob = pack(tmp_path / "t")
    archive = gzip.decompress(blob)
    assert Digest.of(archive) == diff_id
    assert blob == b"".join(compress_member(archive[at : at + MEMBER]) for at in range(0, len(archive), MEMBER))
    assert blob.count(b"\x1f\x8b\x08\0\0\0\0\0\x04\xff") >= 3


def test_compressed_bytes_are_those_of_the_format():
    """A golden digest: another version of the library, or another machine, must give the same bytes."""
    content = b"".join(b"line %d of a text that compresses\n" % each for each in range(20_000))
    assert Digest.of(compress_member(content)).text == GOLDEN


GOLDEN = "sha256:461659626d8f135cccc417b8cb1bba68935b1be17854d63c012166ad8ff3f2de"

names = st.lists(
    st.binary(min_size=1, max_size=60).filter(lambda name: not set(name) & set(b"\0/") and name.strip(b".")),
    min_size=1,
    max_size=6,
)


@given(
    st.lists(
        st.builds(
            Entry,
            path=names.map(b"/".join),
            kind=st.sampled_from(list(Kind)),
            mode=st.integers(0, 0o7777),
            uid=st.sampled_from([0, 1000, 65534, 1000660000]),
            gid=st.integers(0, 65534),
            mtime=st.integers(0, 2**33 - 1),
            target=st.binary(min_size=1, max_size=300).filter(lambda target: b"\0" not in target),
        ),
        max_size=5,
    ),
    st.binary(max_size=1500),
)
def test_archive_reader_reads_what_the_writer_wrote(entries, content):
    written = []
    archive = b""
    for entry in entries:
        is_link = entry.kind in (Kind.SYMLINK, Kind.HARDLINK)
        size = len(content) if entry.kind is Kind.FILE else 0
        xattrs = {} if is_link else {"user.x": content[:50]}
        each = replace(entry, size=size, target=entry.target if is_link else b"", xattrs=xattrs)
        archive += to_header(each) + (content + padding(size) if size else b"")
        written.append(each)
    source = io.BytesIO(archive + END)
    found = []
    for entry in read_entries(source, Limits()):
        assert b"".join(read_content(source, entry.size)) == (content if entry.size else b"")
        found.append(entry)
    assert found == written


def test_tree_that_is_clamped_is_what_its_layer_unpacks_to(tmp_path):
    make_tree(tmp_path / "t")
    (tmp_path / "t/empty/file").write_bytes(b"new")
    os.utime(tmp_path / "t/a", ns=(0, 7_500_000_000))
    for name in ("left/out", "a/left"):
        (tmp_path / "t" / name).mkdir(parents=True)
        (tmp_path / "t" / name / "file").write_bytes(b"left")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "t/door"))
    left_out = (b"left/out", b"a/left", b"missing")
    diff_id, blob = pack(tmp_path / "t", exclude=left_out)
    descriptor = os.open(tmp_path / "t", os.O_RDONLY | os.O_DIRECTORY)
    clamp(descriptor, epoch=EPOCH, left_out=left_out)
    os.close(descriptor)
    (tmp_path / "u").mkdir()
    other = os.open(tmp_path / "u", os.O_RDONLY | os.O_DIRECTORY)
    described = Descriptor(media_type=LAYER_GZIP, digest=Digest.of(blob), size=len(blob))
    unpack_layer(io.BytesIO(blob), described, diff_id, other)
    os.close(other)
    assert everything(tmp_path / "t") == everything(tmp_path / "u")
    assert pack(tmp_path / "t")[0] == diff_id


def everything(root: Path) -> dict[str, tuple]:
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        size = 0 if path.is_dir() else status.st_size
        found[str(path.relative_to(root))] = (status.st_mode, size, status.st_mtime_ns, content)
    return found
