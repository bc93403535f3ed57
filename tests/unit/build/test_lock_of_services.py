"""A lock's section of services: there where a spec has them, and nowhere else."""

import json
from pathlib import Path

import pytest

from pipeline.build.artifact import LockedPackage
from pipeline.build.lock import Lock, LockedTree, Platform, read_lock, write_lock
from pipeline.declare.errors import LockError
from runtime.digest import Digest

ENVS = Path(__file__).parents[3] / "envs"


def package(name: str) -> LockedPackage:
    artifact = json.loads((ENVS / "web.lock.json").read_text())["architectures"]["amd64"]["image"]["debian"][0]
    return LockedPackage.from_json({**artifact, "name": name})


def lock(**services: LockedTree) -> Lock:
    tree = LockedTree(debian=(package("app"),))
    platform = Platform(image=tree, suite=LockedTree(), services=services)
    return Lock(answers=Digest.of(b"x"), epoch=1, locked=2, debian="bookworm", platforms={"amd64": platform})


@pytest.mark.parametrize("path", sorted(ENVS.rglob("*.lock.json")), ids=lambda path: path.name)
def test_lock_of_today_is_written_again_with_the_same_bytes(path, tmp_path):
    write_lock(read_lock(path), tmp_path / path.name)
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_lock_without_services_has_no_section_of_them():
    assert lock().to_json()["architectures"]["amd64"].keys() == {"image", "suite"}


def test_lock_with_services_is_read_back_as_it_was_written():
    made = lock(db=LockedTree(debian=(package("postgresql"),)), cache=LockedTree())
    assert Lock.from_json(made.to_json()) == made
    assert list(made.to_json()["architectures"]["amd64"]["services"]) == ["cache", "db"]


def test_package_of_a_service_changes_the_digest_of_the_lock():
    one, other = (lock(db=LockedTree(debian=(package(name),))) for name in ("one", "other"))
    assert len({one.digest, other.digest, lock().digest}) == 3


@pytest.mark.parametrize("wrong", [[], "db", {"db": {}}, {"db": None}], ids=["list", "text", "empty", "null"])
def test_section_of_another_form_is_refused(wrong):
    data = lock().to_json()
    data["architectures"]["amd64"]["services"] = wrong
    with pytest.raises(LockError):
        Lock.from_json(data)
