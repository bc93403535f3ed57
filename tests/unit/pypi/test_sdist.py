import io
import tarfile

import pytest

from pipeline.build.ecosystems.pypi.sdist import newest_time, unpack_sdist
from pipeline.declare.errors import PackageError


def member(name, kind=tarfile.REGTYPE, *, content=b"", link="", mode=0o644):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime, info.size = kind, link, mode, 1_700_000_000, len(content)
    return info, content


def archive(folder, *members):
    path = folder / "shop-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for info, content in members:
            file.addfile(info, io.BytesIO(content))
    return path


def unpack(folder, *members, **options):
    (folder / "root").mkdir(exist_ok=True)
    return unpack_sdist(archive(folder, *members), folder / "root", **options)


def test_unpack_sdist_strips_top_folder_and_sets_modes(tmp_path):
    laid = unpack(
        tmp_path,
        member("shop-1.0", tarfile.DIRTYPE),
        member("shop-1.0/run", content=b"x", mode=0o4711),
        member("shop-1.0/tests/test_a.py", content=b"y", mode=0o600),
        to="app",
    )
    assert laid == ("run", "tests/test_a.py")
    run = tmp_path / "root" / "app" / "run"
    assert run.stat().st_mode & 0o7777 == 0o755
    assert run.stat().st_mtime == 1_700_000_000
    assert (tmp_path / "root/app/tests/test_a.py").stat().st_mode & 0o7777 == 0o644
    assert newest_time(tmp_path / "shop-1.0.tar.gz") == 1_700_000_000


def test_unpack_sdist_with_only_takes_what_matches(tmp_path):
    files = [member("s-1/tests/a.py"), member("s-1/src/b.py"), member("s-1/setup.py")]
    assert unpack(tmp_path, *files, only=("tests", "*.py")) == ("setup.py", "tests/a.py")


def test_unpack_sdist_with_pattern_that_matches_nothing_names_what_is_there(tmp_path):
    with pytest.raises(PackageError, match="matches 'test'") as caught:
        unpack(tmp_path, member("s-1/tests/a.py"), only=("test",))
    assert "tests" in caught.value.hint


def test_unpack_sdist_keeps_link_inside_and_copies_hard_link(tmp_path):
    unpack(
        tmp_path,
        member("s-1/a", content=b"x"),
        member("s-1/d/soft", tarfile.SYMTYPE, link="../a"),
        member("s-1/hard", tarfile.LNKTYPE, link="s-1/a"),
    )
    assert (tmp_path / "root/d/soft").readlink().as_posix() == "../a"
    assert (tmp_path / "root/hard").read_bytes() == b"x"
    assert (tmp_path / "root/hard").stat().st_nlink == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (member("../evil"), "no plain path"),
        (member("/etc/evil"), "no plain path"),
        (member("s-1/../../evil"), "no plain path"),
        (member("other/x"), "two top folders"),
        (member("s-1/l", tarfile.SYMTYPE, link="../../evil"), "out of the archive"),
        (member("s-1/l", tarfile.SYMTYPE, link="/etc/passwd"), "out of the archive"),
        (member("s-1/l", tarfile.LNKTYPE, link="/etc/passwd"), "no file of it"),
        (member("s-1/dev", tarfile.CHRTYPE), "a device"),
        (member("s-1/fifo", tarfile.FIFOTYPE), "a device"),
        (member("s-1/first"), "in it twice"),
    ],
)
def test_hostile_sdist_is_refused(tmp_path, bad, reason):
    with pytest.raises(PackageError, match=reason):
        unpack(tmp_path, member("s-1/first", content=b"1"), bad)
    assert not (tmp_path / "evil").exists()


def test_sdist_that_writes_through_its_own_link_is_refused(tmp_path):
    with pytest.raises(PackageError, match="is no folder"):
        unpack(tmp_path, member("s-1/d", tarfile.SYMTYPE, link="."), member("s-1/d/x"))


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00broken"])
def test_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "x.tar.gz").write_bytes(content)
    (tmp_path / "root").mkdir()
    with pytest.raises(PackageError):
        unpack_sdist(tmp_path / "x.tar.gz", tmp_path / "root")


def test_sdist_cut_short_is_refused(tmp_path):
    path = archive(tmp_path, member("s-1/a", content=bytes(range(256)) * 2000))
    path.write_bytes(path.read_bytes()[:-200])
    (tmp_path / "root").mkdir()
    with pytest.raises(PackageError):
        unpack_sdist(path, tmp_path / "root")
