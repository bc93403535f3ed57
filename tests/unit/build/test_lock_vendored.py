"""A lock's key ``vendored``: where its bytes are kept, and no part of what it says."""

import dataclasses
import hashlib

import pytest

from pipeline.build.artifact import LockedPackage
from pipeline.build.fetch import Fetcher
from pipeline.build.lock import Existing, Lock, LockedTree, Platform
from pipeline.build.sources import Sources
from pipeline.build.vendor import _by_hash, _files, place_of
from pipeline.declare.errors import LockError
from runtime.canonical import to_canonical_json
from runtime.digest import Digest

REFERENCE = f"registry.example.org/kept@sha256:{'a' * 64}"


def lock(tree=None):
    platform = Platform(image=tree or LockedTree(), suite=LockedTree())
    return Lock(answers=Digest.of(b"x"), epoch=1, locked=2, debian="trixie", platforms={"amd64": platform})


def test_lock_that_was_vendored_is_read_back_and_has_the_same_digest():
    kept = dataclasses.replace(lock(), vendored=REFERENCE)
    assert Lock.from_json(kept.to_json()) == kept
    assert kept.digest == lock().digest


def test_lock_that_was_not_vendored_has_no_such_key():
    assert "vendored" not in lock().to_json()
    assert Lock.from_json(lock().to_json()).vendored == ""


@pytest.mark.parametrize(
    "wrong",
    [1, None, "registry.example.org/kept:1", "kept", f"../k@sha256:{'a' * 64}", "registry.example.org/kept@sha256:"],
    ids=["number", "null", "tag", "no-host", "no-name", "short-digest"],
)
def test_vendored_of_another_form_is_refused(wrong):
    with pytest.raises(LockError, match="vendored"):
        Lock.from_json({**lock().to_json(), "vendored": wrong})


@pytest.mark.parametrize("wrong", ["kept", REFERENCE, "registry.example.org/Kept:1"], ids=["no-host", "digest", "case"])
def test_place_that_cannot_be_written_is_refused(wrong):
    with pytest.raises(LockError):
        place_of(wrong)


def test_lock_that_names_an_image_that_exists_is_refused():
    made = lock(LockedTree(existing=Existing(manifest=Digest.of(b"image"))))
    with pytest.raises(LockError, match="exists already"):
        _files(made, None)


def package(source):
    raw = source.encode()
    return LockedPackage.from_json(
        {"name": "app", "version": "1", "architecture": "all", "source": source, "size": len(raw), "hash": strong(raw)}
    )


def strong(raw):
    return f"sha512:{hashlib.sha512(raw).hexdigest()}"


def test_file_pinned_by_another_hash_is_found_by_it(tmp_path):
    one, other = package("debian:pool/b.deb"), package("debian:pool/a.deb")
    (tmp_path / "pool").mkdir()
    for each in (one, other):
        (tmp_path / each.artifact.path).write_bytes(each.artifact.source.encode())
    with Fetcher(tmp_path / "cache", Sources(debian={"debian": (tmp_path.as_uri(),)})) as fetcher:
        fetcher.indexes["debian:dists/trixie/InRelease"] = b"signed"
        files = _files(lock(LockedTree(debian=(one, other, one))), fetcher)
    titles = [each.descriptor.annotations["org.opencontainers.image.title"] for each in files]
    assert titles == ["debian/pool/a.deb", "debian/pool/b.deb", "debian/dists/trixie/InRelease"]
    found = _by_hash(to_canonical_json({"layers": [each.descriptor.to_json() for each in files]}))
    assert found[one.artifact.hash].digest == Digest.of(b"debian:pool/b.deb")
    assert found[other.artifact.hash].digest == Digest.of(b"debian:pool/a.deb")
