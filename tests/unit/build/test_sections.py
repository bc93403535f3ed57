"""A lock that somebody cut a part out of is refused, and the part is named."""

import dataclasses

import pytest

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.lock import Existing, Lock, LockedTree, Platform, lock_path, write_lock
from pipeline.build.locks import current_lock
from pipeline.build.sections import lacking_section, urls
from pipeline.declare.dependencies import answers
from pipeline.declare.errors import LockError
from pipeline.declare.read import read_spec
from runtime.digest import Digest

HASH = "0123456789abcdef" * 4
SPEC = f"""seatrial: 1
image:
  debian: bookworm
  stages:
    build: {{packages: [gcc], files: [{{sdist: a==1, to: /src}}], run: [[make]]}}
  files:
    - {{stage: build, from: /out/a, to: /usr/bin/a}}
    - {{url: "https://user:word@example.org/dl/tool.tar.gz?key=1", sha256: {HASH}, to: /opt, unpack: true}}
suite:
  command: ["true"]
  results: exit
  files: [{{sdist: Some_Thing==2.0, to: /t}}]
services:
  db:
    image:
      debian: bookworm
      stages: {{make: {{run: [["true"]]}}}}
      files: [{{stage: make, from: /out/a, to: /a}}]
  cache: {{image: {{from: "registry.example.org/cache@sha256:{HASH}"}}}}
"""


def source(archive, name, version, digits=HASH):
    artifact = Artifact(source=f"{archive}:{name}", size=1, hash=f"sha256:{digits}")
    return LockedPackage(name=name, version=version, architecture="", artifact=artifact)


FILE, STAGED, ASKED = source("url", "tool.tar.gz", ""), source("pypi", "a", "1"), source("pypi", "some-thing", "2.0")
IMAGE = LockedTree(sources=(FILE,), stages={"build": LockedTree(sources=(STAGED,))})
SERVICES = {
    "db": LockedTree(stages={"make": LockedTree()}),
    "cache": LockedTree(existing=Existing(manifest=Digest.of(b"cache"))),
}
WHOLE = Platform(image=IMAGE, suite=LockedTree(sources=(ASKED,)), services=SERVICES)
CUT = {
    "section of the stage 'build' of the image": {"image": dataclasses.replace(IMAGE, stages={})},
    "source a==1 of the stage 'build' of the image": {
        "image": dataclasses.replace(IMAGE, stages={"build": LockedTree()})
    },
    "file https://example.org/dl/tool.tar.gz of the image": {"image": dataclasses.replace(IMAGE, sources=())},
    "packages of the image": {"image": SERVICES["cache"]},
    "source Some_Thing==2.0 of the suite": {"suite": LockedTree()},
    "section of the service 'db'": {"services": {"cache": SERVICES["cache"]}},
    "section of the stage 'make' of the service 'db'": {"services": {**SERVICES, "db": LockedTree()}},
    "manifest of the service 'cache'": {"services": {**SERVICES, "cache": LockedTree()}},
}


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    path = tmp_path / "web.yaml"
    path.write_text(SPEC)
    return read_spec(path)


def written(spec, platform):
    found = {"amd64": platform}
    lock = Lock(answers=answers(spec), epoch=0, locked=0, debian="bookworm", platforms=found)
    write_lock(lock, lock_path(spec.path))
    return lock


def test_lock_with_all_parts_is_taken(spec):
    assert lacking_section(spec, WHOLE) == ""
    lock = written(spec, WHOLE)
    assert current_lock(spec).to_json() == lock.to_json()


@pytest.mark.parametrize("what", CUT)
def test_lock_without_a_part_is_refused_with_its_name_and_the_command(spec, what):
    written(spec, dataclasses.replace(WHOLE, **CUT[what]))
    with pytest.raises(LockError) as refused:
        current_lock(spec)
    assert f"web.lock.json has no {what} for amd64" in refused.value.message
    assert "seatrial lock" in refused.value.hint


def test_file_is_fetched_from_where_the_spec_says_and_not_from_what_the_lock_shows(spec):
    assert urls(spec) == {f"sha256:{HASH}": "https://user:word@example.org/dl/tool.tar.gz?key=1"}
