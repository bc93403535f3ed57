"""Files come from the cache by hash, or from the first place that has the right bytes; here all places are folders."""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.build.artifact import Artifact
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import Sources
from pipeline.declare.errors import FetchError, MissingError
from pipeline.registry.access import Access, proxy_of
from runtime.oci.temporary import new_file


def artifact_of(content: bytes, name: str = "pool/a/app_1_all.deb", algorithm: str = "sha256") -> Artifact:
    return Artifact(
        source=f"debian:{name}",
        size=len(content),
        hash=f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}",
        sha256=hashlib.sha256(content).hexdigest(),
    )


@pytest.fixture
def mirrors(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "near", tmp_path / "far"


@pytest.fixture
def fetcher(tmp_path: Path, mirrors: tuple[Path, Path]) -> Iterator[Fetcher]:
    sources = Sources(debian={"debian": tuple(path.as_uri() for path in mirrors)})
    with Fetcher(tmp_path / "cache", sources, pause=lambda _: None) as opened:
        yield opened


def put(mirror: Path, artifact: Artifact, content: bytes) -> Path:
    path = mirror / artifact.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_fetch_second_time_needs_no_mirror(fetcher: Fetcher, mirrors: tuple[Path, Path], algorithm: str) -> None:
    artifact = artifact_of(b"bytes", algorithm=algorithm)
    source = put(mirrors[0], artifact, b"bytes")
    first = fetcher.fetch(artifact)
    source.unlink()
    assert first.read_bytes() == b"bytes"
    assert fetcher.fetch(artifact) == first


@pytest.mark.parametrize("wrong", [b"bytez", b"byte", b"bytes and more"])
def test_fetch_mirror_with_wrong_bytes_is_passed_over(
    fetcher: Fetcher, mirrors: tuple[Path, Path], tmp_path: Path, wrong: bytes
) -> None:
    artifact = artifact_of(b"bytes")
    put(mirrors[0], artifact, wrong)
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(artifact)
    assert "locked" in caught.value.message
    assert not isinstance(caught.value, MissingError)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    put(mirrors[1], artifact, b"bytes")
    assert fetcher.fetch(artifact).read_bytes() == b"bytes"


def test_fetch_second_hash_that_differs_is_refused(fetcher: Fetcher, mirrors: tuple[Path, Path]) -> None:
    right = artifact_of(b"bytes", algorithm="sha512")
    lying = Artifact(source=right.source, size=right.size, hash=right.hash, sha256="0" * 64)
    put(mirrors[0], lying, b"bytes")
    with pytest.raises(FetchError, match="sha256:0000"):
        fetcher.fetch(lying)


def test_fetch_gone_everywhere_names_artifact_and_next_step(fetcher: Fetcher) -> None:
    with pytest.raises(MissingError, match=r"cannot fetch debian:pool/a/app_1_all\.deb: file:///") as caught:
        fetcher.fetch(artifact_of(b"bytes"))
    assert caught.value.hint == "seatrial lock --upgrade app"


@pytest.mark.parametrize("changed", [b"byteX", b"by"])
def test_fetch_changed_cache_file_is_fetched_again(
    fetcher: Fetcher, mirrors: tuple[Path, Path], changed: bytes
) -> None:
    artifact = artifact_of(b"bytes")
    put(mirrors[0], artifact, b"bytes")
    path = fetcher.fetch(artifact)
    before = path.stat()
    path.write_bytes(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert fetcher.fetch(artifact).read_bytes() == b"bytes"


def test_fetch_cache_file_without_its_stamp_is_hashed(fetcher: Fetcher, mirrors: tuple[Path, Path]) -> None:
    artifact = artifact_of(b"bytes")
    source = put(mirrors[0], artifact, b"bytes")
    path = fetcher.fetch(artifact)
    stamp = path.with_name(f"{path.name}.stamp")
    stamp.unlink()
    source.unlink()
    assert fetcher.fetch(artifact) == path
    assert stamp.exists()


def test_fetch_all_keeps_order_and_reports_each_file_once(fetcher: Fetcher, mirrors: tuple[Path, Path]) -> None:
    contents = [bytes([number]) * 10 for number in range(20)]
    artifacts = [artifact_of(content, f"pool/p{number}_1.deb") for number, content in enumerate(contents)]
    for artifact, content in zip(artifacts, contents, strict=True):
        put(mirrors[0], artifact, content)
    fetcher.fetch(artifacts[3])
    seen: list[Artifact] = []
    paths = fetcher.fetch_all([*artifacts, artifacts[0]], seen.append)
    assert [path.read_bytes() for path in paths] == [*contents, contents[0]]
    assert sorted(one.source for one in seen) == sorted(one.source for one in artifacts)
    assert threading.active_count() == 1


def test_fetch_all_one_missing_file_fails_the_whole(fetcher: Fetcher, mirrors: tuple[Path, Path]) -> None:
    there, gone = artifact_of(b"a", "pool/a_1.deb"), artifact_of(b"b", "pool/b_1.deb")
    put(mirrors[0], there, b"a")
    with pytest.raises(MissingError, match=r"debian:pool/b_1\.deb"):
        fetcher.fetch_all([there, gone])


def test_fetch_other_archive_is_located_by_its_ecosystem(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"wheel")
    artifact = Artifact(source="pypi:x.whl", size=5, hash=f"sha256:{hashlib.sha256(b'wheel').hexdigest()}")

    def locate(wanted: Artifact, _: Fetcher) -> tuple[str, ...]:
        return ((tmp_path / wanted.path).as_uri(),)

    sources = Sources(debian={})
    with Fetcher(tmp_path / "cache", sources, locate={"pypi": locate}) as fetcher:
        assert fetcher.fetch(artifact).read_bytes() == b"wheel"
    with Fetcher(tmp_path / "empty", sources) as fetcher, pytest.raises(FetchError, match="knows the archive 'pypi'"):
        fetcher.fetch(artifact)


def test_read_longer_than_the_limit_is_refused(fetcher: Fetcher, tmp_path: Path) -> None:
    path = tmp_path / "index"
    path.write_bytes(b"x" * 11)
    assert fetcher.read(path.as_uri(), 11) == b"x" * 11
    with pytest.raises(FetchError, match="longer than the 10 bytes"):
        fetcher.read(path.as_uri(), 10)


def test_cache_sweep_removes_what_nobody_is_writing(fetcher: Fetcher, tmp_path: Path) -> None:
    partial = tmp_path / "cache" / "partial"
    partial.mkdir(parents=True)
    (partial / ".new-left").touch()
    with new_file(partial) as file:
        assert fetcher.cache.sweep() == 1
        assert [path.name for path in partial.iterdir()] == [Path(file.name).name]
    assert list(partial.iterdir()) == []


def test_cache_note_is_kept_and_replaced(fetcher: Fetcher) -> None:
    assert fetcher.cache.recall("a") == b""
    fetcher.cache.remember("a", b"1")
    fetcher.cache.remember("a", b"2")
    assert fetcher.cache.recall("a") == b"2"


@pytest.mark.parametrize(
    ("url", "proxies", "expected"),
    [
        ("https://a.example/x", {"https": "http://p:1", "http": "http://q:1"}, "http://p:1"),
        ("https://a.example/x", {"all": "p:1"}, "http://p:1"),
        ("https://a.example/x", {"https": "http://p:1", "no": "localhost, .example"}, ""),
        ("https://a.example/x", {"https": "http://p:1", "no": "ample"}, "http://p:1"),
        ("http://deb/debian/x", {"apt": "http://apt:1"}, "http://apt:1"),
        ("http://other/x", {"apt": "http://apt:1"}, ""),
        ("https://a.example/x", {"apt": "http://apt:1"}, ""),
    ],
)
def test_proxy_is_the_machines_own(url: str, proxies: dict[str, str], expected: str) -> None:
    assert proxy_of(url, Access(archives=("http://deb/debian",), proxies=proxies)) == expected


def test_fetch_into_a_cache_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    artifact = artifact_of(b"bytes")
    put(tmp_path / "mirror", artifact, b"bytes")
    sources = Sources(debian={"debian": ((tmp_path / "mirror").as_uri(),)})
    with Fetcher(tmp_path / "cache", sources) as fetcher, pytest.raises(FetchError, match="cannot write to the cache"):
        fetcher.fetch(artifact)
