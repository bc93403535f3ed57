"""Stages in a lock: written, read, and not there where a spec has none."""

import json

import pytest

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.lock import Lock, LockedTree, Platform, read_lock, write_lock
from pipeline.build.vendor import _artifacts
from pipeline.declare.errors import LockError
from runtime.digest import Digest


def package(name):
    source = f"debian:pool/main/{name[0]}/{name}/{name}_1_amd64.deb"
    artifact = Artifact(source=source, size=1, hash="sha512:" + "0" * 128)
    return LockedPackage(name=name, version="1", architecture="amd64", artifact=artifact)


LIBC, COMPILER = package("libc6"), package("gcc")
TREE = LockedTree(debian=(LIBC,), stages={"build": LockedTree(debian=(COMPILER, LIBC))})


def lock(tree):
    platforms = {"amd64": Platform(image=tree, suite=LockedTree())}
    return Lock(answers=Digest.of(b"spec"), epoch=0, locked=0, debian="bookworm", platforms=platforms)


def test_lock_with_stages_is_read_as_it_was_written(tmp_path):
    write_lock(lock(TREE), tmp_path / "a.lock.json")
    assert read_lock(tmp_path / "a.lock.json") == lock(TREE)
    assert lock(TREE).digest != lock(LockedTree(debian=(LIBC,))).digest


def test_packages_of_a_stage_are_inputs_and_no_packages_of_the_image():
    assert TREE.packages == (LIBC,)
    assert set(TREE.inputs) == {LIBC, COMPILER}


def test_lock_that_is_vendored_keeps_the_packages_of_stages():
    assert COMPILER.artifact in set(_artifacts(lock(TREE)))


def test_tree_without_stages_has_no_such_section():
    assert "stages" not in LockedTree().to_json()


@pytest.mark.parametrize(
    "changed",
    [
        [],
        "x",
        {"build": []},
        {"build": {"debian": [], "python": [], "sources": [], "stages": {"a": LockedTree().to_json()}}},
        {"build": {"debian": [], "python": [LIBC.to_json()], "sources": []}},
        {"build": {"from": {"manifest": "sha256:" + "0" * 64, "python": "", "libc": ""}}},
    ],
    ids=["list", "text", "no-tree", "stages-in-stages", "wheels", "existing"],
)
def test_stages_of_another_form_are_refused(changed, tmp_path):
    value = json.loads(json.dumps(lock(TREE).to_json()))
    value["architectures"]["amd64"]["image"]["stages"] = changed
    (tmp_path / "a.lock.json").write_text(json.dumps(value))
    with pytest.raises(LockError, match=r"stage|tree"):
        read_lock(tmp_path / "a.lock.json")
