"""Recipes: what is laid again is what was there, and nothing of a hostile one leaves its folder."""

import json
import os
from pathlib import Path

import pytest

from pipeline.build.lock import lock_path
from pipeline.build.recipe import KIND, LOCK, SPEC, attach_recipe, is_of, lay_recipe, recipe_files
from pipeline.declare.dependencies import answers
from pipeline.declare.errors import BuildError, PackageError
from pipeline.declare.read import read_spec
from runtime.digest import Digest
from runtime.errors import SeatrialError
from runtime.oci.attached import Artifact, AttachedLayout, attach_artifact
from runtime.oci.descriptor import LAYER_TAR, MANIFEST
from runtime.oci.layout import Layout
from runtime.oci.refusal import RefusedError
from runtime.oci.tar import END, Entry, Kind, padding, to_header

LOCKED = Digest.of(b"the lock")
SPEC_TEXT = """\
seatrial: 1
extends: _base.yaml
image:
  python: {project: .., requirements: more.txt}
  files:
    - {from: ../app, to: /app}
    - {from: ../app/run.sh, to: /usr/bin/run, only: []}
suite:
  files: [{from: ../tests, to: /app/tests}]
  command: ["true"]
services:
  db: {image: {debian: bookworm, files: [{from: ../db.conf, to: /etc/db.conf}]}}
"""


@pytest.fixture
def spec(tmp_path):
    project = tmp_path / "project"
    for name, content in {
        "pyproject.toml": "[project]\nname = 'web'\nversion = '1'\n",
        "envs/web.yaml": SPEC_TEXT,
        "envs/web.lock.json": "{}",
        "envs/_base.yaml": "image: {debian: bookworm}\n",
        "envs/more.txt": "bottle==0.13.4\n",
        "envs/other.yaml": "not a part of it",
        "app/web.py": "print('ä')\n",
        "app/run.sh": "#!/bin/sh\n",
        "app/.gitignore": "*.log\n",
        "app/a.log": "secret\n",
        "app/deep/" + "n" * 120 + "/x.txt": "",
        "tests/test_web.py": "",
        "db.conf": "port = 5432\n",
        "secret.txt": "not named anywhere",
    }.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (project / "app" / "run.sh").chmod(0o755)
    (project / "app" / "link").symlink_to("web.py")
    return read_spec(project / "envs" / "web.yaml")


@pytest.fixture
def store(tmp_path):
    return AttachedLayout(Layout(tmp_path / "oci"))


@pytest.fixture
def image(store):
    return store.write(json.dumps({"schemaVersion": 2, "mediaType": MANIFEST}).encode(), MANIFEST).digest


def laid(spec, image, store, folder):
    folder.mkdir()
    return lay_recipe(attach_recipe(spec, LOCKED, image, store), image, store, folder)


def test_recipe_has_what_is_named_and_nothing_else(spec):
    assert [each.path for each in recipe_files(spec)] == sorted(
        [
            "app/.gitignore",
            "app/deep/" + "n" * 120 + "/x.txt",
            "app/link",
            "app/run.sh",
            "app/web.py",
            "db.conf",
            "envs/_base.yaml",
            "envs/more.txt",
            "envs/web.lock.json",
            "envs/web.yaml",
            "pyproject.toml",
            "tests/test_web.py",
        ]
    )


def test_recipe_that_is_laid_gives_the_same_spec_and_files(spec, image, store, tmp_path):
    again = read_spec(laid(spec, image, store, tmp_path / "again"))
    assert answers(again) == answers(spec)
    assert again.name == spec.name
    one, two = recipe_files(spec), recipe_files(again)
    assert [(each.path, each.is_executable, each.target) for each in one] == [
        (each.path, each.is_executable, each.target) for each in two
    ]
    for each, other in zip(one, two, strict=True):
        assert each.target or each.source.read_bytes() == other.source.read_bytes()


def test_recipe_of_what_was_laid_is_the_same_artifact(spec, image, store, tmp_path):
    first = attach_recipe(spec, LOCKED, image, store)
    again = read_spec(laid(spec, image, store, tmp_path / "again"))
    assert attach_recipe(again, LOCKED, image, store) == first
    assert store.referrers(image, artifact_type=KIND) == (first,)


def test_recipe_is_of_its_lock_and_of_this_assembly(spec, image, store, monkeypatch):
    listed = attach_recipe(spec, LOCKED, image, store)
    assert is_of(listed, LOCKED)
    assert not is_of(listed, Digest.of(b"another lock"))
    monkeypatch.setattr("pipeline.build.recipe.FORMAT", 10**6)
    assert not is_of(listed, LOCKED)


def test_recipe_depends_on_neither_times_nor_umask(spec, image, store):
    first = attach_recipe(spec, LOCKED, image, store)
    os.utime(spec.path, (0, 0))
    spec.path.chmod(0o600)
    assert attach_recipe(spec, LOCKED, image, store) == first


def test_recipe_of_a_spec_without_a_project_around_it_is_found_in_its_folder(tmp_path, image, store):
    folder = tmp_path / "alone"
    folder.mkdir()
    (folder / "web.yaml").write_text("seatrial: 1\nimage: {debian: bookworm}\nsuite: {command: ['true']}\n")
    (folder / "web.lock.json").write_text("{}")
    found = laid(read_spec(folder / "web.yaml"), image, store, tmp_path / "again")
    assert read_spec(found).name == "web"


def test_file_that_shrinks_while_it_is_read_is_an_error(spec, image, store, monkeypatch):
    path = lock_path(spec.path)
    sizes = {path: 5}
    stat = Path.stat

    def lying(self, **options):
        found = stat(self, **options)
        if self in sizes:
            return os.stat_result([*found[:6], sizes[self], *found[7:]])
        return found

    monkeypatch.setattr(Path, "stat", lying)
    with pytest.raises(BuildError, match="changed while it was read"):
        attach_recipe(spec, LOCKED, image, store)


def entry(path, content=b"", kind=Kind.FILE, target=b""):
    header = Entry(path=path, kind=kind, mode=0o644, uid=0, gid=0, mtime=0, size=len(content), target=target)
    return to_header(header) + content + padding(len(content))


GOOD = entry(b"envs/web.yaml", b"seatrial: 1\n") + entry(b"envs/web.lock.json", b"{}")
HOSTILE = {
    "path above": ([entry(b"../escaped", b"x")], PackageError),
    "path through a link": ([entry(b"out", kind=Kind.SYMLINK, target=b"/"), entry(b"out/escaped", b"x")], PackageError),
    "absolute path": ([entry(b"/escaped", b"x")], RefusedError),
    "hard link": ([entry(b"escaped", kind=Kind.HARDLINK, target=b"envs/web.yaml")], RefusedError),
    "folder": ([entry(b"escaped", kind=Kind.DIRECTORY)], RefusedError),
    "one path twice": ([entry(b"envs/web.yaml", b"other")], PackageError),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_recipe_is_refused_and_leaves_nothing_outside(name, image, store, tmp_path):
    entries, error = HOSTILE[name]
    listed = attach(store, image, [GOOD, *entries])
    folder = tmp_path / "inside"
    folder.mkdir()
    with pytest.raises(error):
        lay_recipe(listed, image, store, folder)
    assert not (tmp_path / "escaped").exists()
    assert not Path("/escaped").exists()


@pytest.mark.parametrize(
    "spec_path",
    ["", "../outside/web.yaml", "envs/other.yaml", "envs", "OUTSIDE/web.yaml", "link", "away/web.yaml", "half.yaml"],
)
def test_recipe_that_names_a_spec_it_has_not_is_refused(spec_path, image, store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("web.yaml", "web.lock.json", "link.lock.json"):
        (outside / name).write_text("{}")
    links = {
        b"link": outside / "web.yaml",
        b"link.lock.json": outside / "web.lock.json",
        b"away": outside,
        b"half.lock.json": outside / "web.lock.json",
    }
    entries = [entry(path, kind=Kind.SYMLINK, target=os.fsencode(target)) for path, target in links.items()]
    named = spec_path.replace("OUTSIDE", str(outside))
    listed = attach(store, image, [GOOD, entry(b"half.yaml", b"{}"), *entries], named)
    folder = tmp_path / "inside"
    folder.mkdir()
    with pytest.raises(RefusedError):
        lay_recipe(listed, image, store, folder)


def test_recipe_of_this_form_is_laid(image, store, tmp_path):
    """What hostile ones are changed from."""
    (tmp_path / "inside").mkdir()
    assert lay_recipe(attach(store, image, [GOOD]), image, store, tmp_path / "inside").read_text() == "seatrial: 1\n"


def test_recipe_whose_bytes_are_others_is_refused(spec, image, store, tmp_path):
    listed = attach_recipe(spec, LOCKED, image, store)
    manifest = json.loads(store.read(listed.digest, 1 << 20))
    path = tmp_path / "oci" / "blobs" / "sha256" / manifest["layers"][0]["digest"].removeprefix("sha256:")
    path.write_bytes(path.read_bytes().replace(b"print", b"PRINT"))
    (tmp_path / "inside").mkdir()
    with pytest.raises(SeatrialError, match=r"\[blob-digest\]"):
        lay_recipe(listed, image, store, tmp_path / "inside")


def attach(store, image, entries, spec_path="envs/web.yaml"):
    blob = store.write(b"".join(entries) + END, LAYER_TAR)
    notes = {SPEC: spec_path, LOCK: LOCKED.text}
    return attach_artifact(Artifact(kind=KIND, blobs=(blob,), annotations=notes), image, store)
