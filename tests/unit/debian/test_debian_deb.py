"""A .deb is read without dpkg and without trust."""

import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest
import zstandard
from debian_archive import make_ar, make_deb

from pipeline.build.ecosystems.debian.deb import newest_mtime, read_deb
from pipeline.build.ecosystems.debian.plain import plain_copies
from pipeline.declare.errors import PackageError

FIELDS = {"Package": "app", "Version": "1", "Architecture": "all"}
PACK = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.ZstdCompressor().compress}


def tar_of(*entries: tuple[str, bytes, int], pax: bool = False) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) as archive:
        for name, content, mtime in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), mtime
            archive.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


CONTROL = tar_of(("./control", b"Package: app\nVersion: 1\n", 50), ("./postinst", b"#!/bin/sh\n", 60))
DATA = tar_of(("./usr/bin/app", b"\x7fELF", 70), ("./usr/share/doc", b"text", 90))


def written(folder: Path, content: bytes) -> Path:
    path = folder / "app_1_all.deb"
    path.write_bytes(content)
    return path


def deb_of(folder: Path, parts: dict[str, bytes]) -> Path:
    return written(folder, make_ar({"debian-binary": b"2.0\n"} | parts))


@pytest.mark.parametrize("suffix", PACK)
def test_read_deb_every_compression_gives_the_same(tmp_path: Path, suffix: str) -> None:
    parts = {f"control.tar{suffix}": PACK[suffix](CONTROL), f"data.tar{suffix}": PACK[suffix](DATA)}
    path = deb_of(tmp_path, parts)
    deb = read_deb(path)
    assert deb.control == {"package": "app", "version": "1"}
    assert deb.control_files == {"control": b"Package: app\nVersion: 1\n", "postinst": b"#!/bin/sh\n"}
    with deb.open_data() as archive:
        assert [(one.name, archive.extractfile(one).read()) for one in archive] == [
            ("./usr/bin/app", b"\x7fELF"),
            ("./usr/share/doc", b"text"),
        ]
    assert newest_mtime(path) == 90


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("odd", [b"", b"x"], ids=["even", "odd"])
def test_plain_copy_has_the_same_control_data_and_data_that_is_not_compressed(tmp_path, suffix, odd):
    control = PACK[suffix](CONTROL)
    path = deb_of(tmp_path, {f"control.tar{suffix}": control, f"data.tar{suffix}": PACK[suffix](DATA + odd)})
    (tmp_path / "plain").mkdir()
    (copy,) = plain_copies({"app": path}, tmp_path / "plain").values()
    assert copy == tmp_path / "plain/app.deb"
    parts = {f"control.tar{suffix}": control, "data.tar": DATA + odd}
    assert copy.read_bytes() == make_ar({"debian-binary": b"2.0\n"} | parts)
    deb, first = read_deb(copy), read_deb(path)
    assert (deb.control_files, deb.newest) == (first.control_files, first.newest)
    of_deb, of_first = ([each.get_info() for each in one.control_headers.values()] for one in (deb, first))
    assert of_deb == of_first
    assert newest_mtime(copy) == 90


def test_package_that_is_damaged_or_large_stays_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "plain").mkdir()
    packed = lzma.compress(DATA)
    for data, limit in ((packed[:-9], len(DATA)), (packed, len(DATA) - 1)):
        monkeypatch.setattr("pipeline.build.ecosystems.debian.plain.LIMIT", limit)
        path = deb_of(tmp_path, {"control.tar.xz": lzma.compress(CONTROL), "data.tar.xz": data})
        assert plain_copies({"app": path}, tmp_path / "plain") == {"app": path}
        assert list((tmp_path / "plain").iterdir()) == []


def test_read_deb_xz_of_several_streams_with_padding_is_read_whole(tmp_path: Path) -> None:
    half = len(DATA) // 2
    data = lzma.compress(DATA[:half]) + b"\0" * 8 + lzma.compress(DATA[half:])
    with read_deb(deb_of(tmp_path, {"control.tar": CONTROL, "data.tar.xz": data})).open_data() as archive:
        assert len(archive.getnames()) == 2


def test_members_of_later_versions_of_the_format_are_passed_over(tmp_path: Path) -> None:
    parts = {"debian-binary": b"2.0\n", "_later": b"x", "control.tar": CONTROL, "_last": b"y", "data.tar": DATA}
    assert read_deb(written(tmp_path, make_ar(parts))).control["package"] == "app"


def test_newest_mtime_is_the_control_archives_where_data_is_empty(tmp_path: Path) -> None:
    assert newest_mtime(written(tmp_path, make_deb(FIELDS, mtime=1234))) == 1234


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin as an ar archive"),
        (b"!<arch>\n", "no Debian package of format 2"),
        (make_ar({"debian-binary": b"3.0\n", "control.tar": CONTROL, "data.tar": DATA}), "format 2"),
        (make_ar({"debian-binary": b"2.0", "control.tar": CONTROL, "data.tar": DATA}), "format 2"),
        (make_ar({"debian-binary": b"2.x\n", "control.tar": CONTROL, "data.tar": DATA}), "format 2"),
        (make_ar({"debian-binary": b"2.0\n", "control": CONTROL, "data.tar": DATA}), "no control.tar"),
        (make_ar({"debian-binary": b"2.0\n", "control.tar": CONTROL[:600], "data.tar": DATA}), "damaged"),
        (make_ar({"debian-binary": b"2.0\n", "control.tar": CONTROL}), "no control.tar, or no data.tar"),
        (make_ar({"debian-binary": b"2.0\n", "data.tar": DATA, "control.tar": CONTROL}), "right after it"),
        (make_ar({"debian-binary": b"2.0\n", "control.tar": CONTROL, "data.tar": DATA})[:-600], "wrong member header"),
        (make_ar({"debian-binary": b"2.0\n", "control.tar": CONTROL, "data.tar": DATA}) + b"rest", "ends inside"),
        (make_ar({"debian-binary": b"2.0\n", "control.tar.br": CONTROL, "data.tar": DATA}), "'.br' is not known"),
        (make_ar({"debian-binary": b"2.0\n", "control.tar.xz": CONTROL, "data.tar": DATA}), "is damaged"),
        (
            make_ar({"debian-binary": b"2.0\n", "control.tar.gz": gzip.compress(CONTROL)[:-9], "data.tar": DATA}),
            "damaged",
        ),
        (
            make_ar({"debian-binary": b"2.0\n", "control.tar": tar_of(("./md5sums", b"", 1)), "data.tar": DATA}),
            "no file",
        ),
        (
            make_ar({"debian-binary": b"2.0\n", "control.tar": tar_of(("./a/b", b"", 1)), "data.tar": DATA}),
            "is refused",
        ),
        (make_ar({"debian-binary": b"2.0\n", "control.tar": tar_of(("../x", b"", 1)), "data.tar": DATA}), "is refused"),
    ],
)
def test_read_deb_damaged_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(PackageError, match=message):
        read_deb(written(tmp_path, content))


def test_read_deb_control_bomb_is_refused(tmp_path: Path) -> None:
    bomb = lzma.compress(tar_of(("./control", bytes(65 << 20), 1)))
    with pytest.raises(PackageError, match="unpacks to more than 67108864 bytes"):
        read_deb(deb_of(tmp_path, {"control.tar.xz": bomb, "data.tar": DATA}))


@pytest.mark.parametrize("form", ["pax", "gnu"])
def test_read_deb_giant_extended_header_is_refused(tmp_path: Path, form: str) -> None:
    data = tar_of(("./" + "x" * (2 << 20), b"", 1), pax=form == "pax")
    with pytest.raises(PackageError, match="extended header of"):
        newest_mtime(deb_of(tmp_path, {"control.tar": CONTROL, "data.tar": data}))


def test_read_deb_cut_data_is_refused_while_members_are_taken(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 8
    data = lzma.compress(tar_of(("./a", noise, 1), ("./b", noise[::-1], 1)))
    path = deb_of(tmp_path, {"control.tar": CONTROL, "data.tar.xz": data[: len(data) // 2]})
    with pytest.raises(PackageError, match=r"data.tar.xz is damaged"):
        newest_mtime(path)
