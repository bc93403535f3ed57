"""Files that a spec names by a URL: pinned by its own hash, laid as they are or unpacked, and hostile ones refused."""

import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.build.ecosystems.url.lay import lay_url
from pipeline.build.ecosystems.url.lock import file_name, lock_url
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import read_sources
from pipeline.declare.errors import FetchError, LockError, PackageError
from pipeline.declare.image import UrlFile

URL = "https://user:word@example.org/dl/tool.tar.gz?key=1#part"
TIME = 1_700_000_000
EPOCH = 1_750_000_000


def entry(content=b"", url=URL, **keys):
    digits = hashlib.sha256(content).hexdigest()
    return UrlFile.model_validate({"url": url, "sha256": digits, "to": "/opt/tool", **keys})


@pytest.fixture
def fetcher(tmp_path):
    with Fetcher(tmp_path / "cache", read_sources({}, tmp_path), pause=lambda _: None) as found:
        yield found


@pytest.fixture
def served(tmp_path, fetcher, monkeypatch):
    """Serve some bytes for whatever is asked: what the connections read is a file."""

    def serve(content):
        path = tmp_path / "served"
        path.write_bytes(content)
        opened = fetcher.connections.open
        monkeypatch.setattr(fetcher.connections, "open", lambda _: opened(path.as_uri()))

    return serve


def test_lock_has_size_and_hash_and_no_credentials(fetcher, served):
    served(b"tool")
    locked = lock_url(entry(b"tool"), fetcher, ())
    assert locked.to_json() == {
        "name": "tool.tar.gz",
        "version": "",
        "architecture": "",
        "source": "url:https://example.org/dl/tool.tar.gz",
        "size": 4,
        "hash": f"sha256:{hashlib.sha256(b'tool').hexdigest()}",
    }
    assert fetcher.cache.find(locked.artifact).read_bytes() == b"tool"


def test_file_that_was_locked_or_fetched_before_is_not_asked_for_again(fetcher, served):
    served(b"tool")
    locked = lock_url(entry(b"tool"), fetcher, ())
    served(b"other")
    assert lock_url(entry(b"tool"), fetcher, ()) == lock_url(entry(b"tool"), fetcher, (locked,)) == locked


def test_file_with_another_hash_is_refused_and_not_kept(fetcher, served):
    served(b"other")
    with pytest.raises(FetchError, match="file-hash") as refused:
        lock_url(entry(b"tool"), fetcher, ())
    assert "https://example.org/dl/tool.tar.gz" in refused.value.message
    assert "word" not in refused.value.message
    assert "sha256:" in refused.value.hint
    assert [each for each in (fetcher.cache.folder).rglob("*") if each.is_file()] == []


def test_file_that_is_longer_than_any_is_given_up(fetcher, served):
    served(b"tool")
    with pytest.raises(FetchError, match="file-long"):
        fetcher.pin("url:https://example.org/x", f"sha256:{'0' * 64}", "https://example.org/x", most=3)


def test_url_that_no_lock_can_name_is_refused(fetcher):
    with pytest.raises(LockError, match="no lock can name"):
        lock_url(entry(url="https://example.org/a/../b"), fetcher, ())


@pytest.mark.parametrize(
    ("url", "name"),
    [(URL, "tool.tar.gz"), ("https://example.org/a%20b", "a b"), ("https://example.org/", "example.org")],
)
def test_file_has_the_name_at_the_end_of_its_url(url, name):
    assert file_name(entry(url=url)) == name


def laid(tmp_path, content, **keys):
    file, root = tmp_path / "file", tmp_path / "root"
    file.write_bytes(content)
    root.mkdir(exist_ok=True)
    return lay_url(file, root, entry(content, **keys), epoch=EPOCH), root


def test_file_is_laid_as_it_is(tmp_path):
    paths, root = laid(tmp_path, b"tool")
    assert paths == ("opt/tool",)
    assert (root / "opt/tool").read_bytes() == b"tool"
    assert ((root / "opt/tool").stat().st_mode & 0o7777, (root / "opt/tool").stat().st_mtime) == (0o644, EPOCH)


def test_place_at_the_top_takes_the_file_under_its_name_with_the_mode_that_is_asked_for(tmp_path):
    paths, root = laid(tmp_path, b"tool", to="/", mode="0755")
    assert paths == ("tool.tar.gz",)
    assert (root / "tool.tar.gz").stat().st_mode & 0o7777 == 0o755


def member(name, kind=tarfile.REGTYPE, content=b"x", link="", mode=0o644):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime = kind, link, mode, TIME
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    return info, content


def tar(*members, how="w:gz"):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode=how) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return raw.getvalue()


def packed(*members):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, b"x")
    return raw.getvalue()


@pytest.mark.parametrize("how", ["w:gz", "w:bz2", "w:xz", "w"])
def test_archive_of_tar_is_unpacked_with_all_of_its_folders(tmp_path, how):
    members = [member("./", tarfile.DIRTYPE), member("./tool-1/bin/run", mode=0o711), member("./tool-1/bin/data")]
    members += [member("tool-1/run", tarfile.SYMTYPE, link="bin/run"), member("top", tarfile.SYMTYPE, link="tool-1")]
    paths, root = laid(tmp_path, tar(*members, how=how), unpack=True, to="/opt")
    names = ["opt/tool-1/bin/data", "opt/tool-1/bin/run", "opt/tool-1/run", "opt/top"]
    assert list(paths) == names
    modes = [(root / each).stat().st_mode & 0o7777 for each in names[:2]]
    assert (modes, (root / names[0]).stat().st_mtime) == ([0o644, 0o755], TIME)
    assert (root / "opt/top").readlink() == Path("tool-1")


def test_archive_of_zip_is_unpacked(tmp_path):
    paths, root = laid(tmp_path, packed(("tool/run", 0o100755), ("tool/data", 0), ("tool/", 0o40755)), unpack=True)
    assert paths == ("opt/tool/tool/data", "opt/tool/tool/run")
    assert [(root / each).stat().st_mode & 0o7777 for each in paths] == [0o644, 0o755]


@pytest.mark.parametrize("make", [lambda: tar(member("a/x"), member("b/y")), lambda: packed(("a/x", 0), ("b/y", 0))])
def test_part_of_an_archive_is_taken(tmp_path, make):
    paths, _ = laid(tmp_path, make(), unpack=True, only=["b"], mode="0600")
    assert paths == ("opt/tool/b/y",)
    with pytest.raises(PackageError, match="matches 'c'"):
        laid(tmp_path, make(), unpack=True, only=["c"])


def test_part_of_what_is_no_archive_is_refused():
    with pytest.raises(ValueError, match="unpack: true"):
        entry(only=["a"])


HOSTILE = {
    "tar-above": (tar(member("../evil")), "no plain path"),
    "tar-absolute": (tar(member("/etc/evil")), "no plain path"),
    "tar-link-above": (tar(member("a/l", tarfile.SYMTYPE, link="../../evil")), "out of the archive"),
    "tar-link-absolute": (tar(member("l", tarfile.SYMTYPE, link="/etc/passwd")), "out of the archive"),
    "tar-hard-link": (tar(member("l", tarfile.LNKTYPE, link="/etc/passwd")), "no file of it"),
    "tar-through-its-link": (tar(member("d", tarfile.SYMTYPE, link="."), member("d/x")), "is no folder"),
    "tar-device": (tar(member("dev", tarfile.CHRTYPE)), "a device"),
    "tar-twice": (tar(member("a"), member("a", content=b"y")), "in it twice"),
    "tar-cut": (tar(member("a", content=os.urandom(9000)))[:-4000], "damaged|no archive"),
    "zip-above": (packed(("../evil", 0)), "no plain path"),
    "zip-link": (packed(("l", 0o120777)), "link or a device"),
    "zip-twice": (packed(("a", 0), ("./a", 0)), "in it twice"),
    "zip-cut": (packed(("a", 0))[:-3] + b"xyz", "damaged|no archive"),
    "no-archive": (b"<html>not found</html>", "no archive of tar, nor a ZIP"),
    "empty": (b"", "no archive of tar, nor a ZIP"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive_is_refused(tmp_path, name):
    content, reason = HOSTILE[name]
    with pytest.raises(PackageError, match=reason):
        laid(tmp_path, content, unpack=True)
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "root" / "evil").exists()
