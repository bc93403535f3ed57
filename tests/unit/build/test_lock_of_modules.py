"""Packages of npm in a lock: written, read, and not there where a spec has none."""

import json

import pytest

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.lock import Lock, LockedTree, Platform, read_lock, write_lock
from pipeline.build.modules import LockedModule
from pipeline.declare.errors import LockError
from runtime.digest import Digest

MODULE = LockedModule(
    package=LockedPackage(
        name="@s/a",
        version="1.0.0",
        architecture="",
        artifact=Artifact(source="npm:@s/a@1.0.0", size=1, hash="sha512:" + "0" * 128),
    ),
    paths=("node_modules/@s/a",),
)


def lock(tree):
    platforms = {"amd64": Platform(image=tree, suite=LockedTree())}
    return Lock(answers=Digest.of(b"spec"), epoch=0, locked=0, debian="bookworm", platforms=platforms)


def test_lock_with_packages_of_npm_is_read_as_it_was_written(tmp_path):
    made = lock(LockedTree(node=(MODULE,)))
    write_lock(made, tmp_path / "a.lock.json")
    assert read_lock(tmp_path / "a.lock.json") == made
    assert made.platforms["amd64"].image.packages == (MODULE.package,)
    assert made.digest != lock(LockedTree()).digest


def test_tree_without_packages_of_npm_has_no_list_of_them():
    assert "node" not in LockedTree().to_json()


@pytest.mark.parametrize("changed", [{}, "x", [1], [{**MODULE.to_json(), "paths": ["../a"]}]])
def test_packages_of_npm_of_another_form_are_refused(changed, tmp_path):
    value = json.loads(json.dumps(lock(LockedTree(node=(MODULE,))).to_json()))
    value["architectures"]["amd64"]["image"]["node"] = changed
    (tmp_path / "a.lock.json").write_text(json.dumps(value))
    with pytest.raises(LockError, match=r"node|path"):
        read_lock(tmp_path / "a.lock.json")
