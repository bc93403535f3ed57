"""Crafted layers: each is refused for its own reason, and nothing of it is written outside of the folder."""
# Names in archives are bytes, which pathlib has not.
# ruff: noqa: PTH115, PTH116, PTH208

import gzip
import hashlib
import os
import sys
import time
from pathlib import Path

import pytest
import zstandard

from runtime.oci.descriptor import LAYER_GZIP, LAYER_ZSTD
from runtime.oci.refusal import Refusal, RefusedError

sys.path.append(str(Path(__file__).parent))

from hostile_documents import DOCUMENTS
from hostile_layers import CASES, END, GOOD, file, folder, hard, link, pax, unpack, xattr


@pytest.mark.bar("7 hostile")
@pytest.mark.parametrize("name", CASES)
def test_hostile_layer_is_refused_for_its_reason(name, tmp_path):
    case = CASES[name]
    root = tmp_path / "outer" / "root"
    root.mkdir(parents=True)
    began = time.monotonic()
    with pytest.raises(RefusedError) as caught:
        unpack(case.archive, root, **case.told)
    assert caught.value.reason is case.reason
    assert str(caught.value).endswith(f"[{case.reason}]")
    assert [each.name for each in tmp_path.iterdir()] == ["outer"]
    assert [each.name for each in (tmp_path / "outer").iterdir()] == ["root"]
    assert time.monotonic() - began < 20


def test_hostile_layers_are_all_different():
    shapes = {(hashlib.sha256(each.archive + each.blob).digest(), repr(each.told)) for each in CASES.values()}
    assert len(shapes) == len(CASES)


def test_every_refusal_has_a_fixture():
    """A check that no fixture reaches is a check that may be dead."""
    reached = {each.reason for each in CASES.values()} | {each.reason for each in DOCUMENTS.values()}
    assert reached == set(Refusal)


def test_good_layer_with_odd_but_sound_parts_is_unpacked(tmp_path):
    archive = (
        pax({b"comment": b"made by git"}, flag=b"g")
        + folder(b".")
        + folder(b"./d", mtime=5)
        + folder(b"d", mtime=7)
        + file(b"implied/a", b"1")
        + file(b"d/\xff\xfe", b"bytes", mode=0o100644)
        + hard(b"d/h", b"./implied/a")
        + link(b"absolute", b"/etc/passwd")
        + pax({b"path": b"d/" + b"n" * 255, b"mtime": b"9.5"})
        + file(b"x", b"long")
        + xattr(b"user.note", b"\0\xff")
        + file(b"d/noted")
        + bytes(10240)
    )
    unpack(archive, tmp_path)
    inside = os.fsencode(tmp_path)
    assert sorted(os.listdir(inside + b"/d")) == [b"h", b"n" * 255, b"noted", b"\xff\xfe"]
    assert (tmp_path / "implied/a").stat().st_nlink == 2
    assert os.readlink(tmp_path / "absolute") == "/etc/passwd"
    assert (tmp_path / "d").stat().st_mtime == 7
    assert os.stat(inside + b"/d/" + b"n" * 255).st_mtime == 9
    assert os.getxattr(tmp_path / "d/noted", "user.note") == b"\0\xff"


def test_many_members_and_frames_are_one_stream(tmp_path):
    for index, (media, compress) in enumerate(((LAYER_GZIP, gzip.compress), (LAYER_ZSTD, zstandard.compress))):
        (tmp_path / str(index)).mkdir()
        blob = b"".join(compress(GOOD[start : start + 300]) for start in range(0, len(GOOD), 300))
        unpack(GOOD, tmp_path / str(index), media=media, blob=blob)
        assert (tmp_path / str(index) / "d/a").read_bytes() == b"content"


def test_whiteouts_become_those_of_overlayfs(tmp_path):
    if os.geteuid():
        pytest.skip("only root, or a user namespace, may make overlayfs's whiteouts")
    archive = folder(b"d") + file(b"d/kept") + file(b"d/.wh.gone") + file(b"d/.wh..wh..opq") + END
    unpack(archive, tmp_path)
    status = (tmp_path / "d/gone").lstat()
    assert (status.st_rdev, status.st_mode & 0o170000) == (0, 0o020000)
    assert os.getxattr(tmp_path / "d", "user.overlay.opaque") == b"y"
