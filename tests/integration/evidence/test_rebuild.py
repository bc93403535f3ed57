"""Images that are built again from what lies beside them, by the command, with nothing that was there before."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.bills.provenance import PREDICATE as PROVENANCE
from pipeline.build.lock import read_lock
from pipeline.build.recipe import KIND, attach_recipe
from pipeline.declare.read import read_spec
from pipeline.release.bundle import parse_bundle
from pipeline.release.evidence import find_evidence
from pipeline.release.public_key import PublicKey
from pipeline.release.rebuild import PREDICATE, Rebuild, Result
from pipeline.release.signing import verify
from runtime.oci.attached import AttachedLayout
from runtime.oci.copy import copy_image
from runtime.oci.layout import Layout

ROOT = Path(__file__).parents[3]


def run(*words, store):
    command = [sys.executable, "-m", "pipeline.cli.main", *map(str, words)]
    environment = {**os.environ, "SEATRIAL_STORE": str(store)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def statements(image, layout, kind, store):
    """Return what this machine's key has signed of a kind, checked."""
    key = PublicKey.parse(run("keys", "export", store=store).stdout.encode(), "the key")
    for each in find_evidence(image, AttachedLayout(layout), kind):
        found = verify(parse_bundle(each.bundle), [key]).statement
        found.require(kind, image)
        yield found


@pytest.fixture(scope="module")
def web(build):
    return build("web")


@pytest.mark.network
@pytest.mark.bar("5 rebuild")
def test_build_leaves_provenance_and_recipe_once(web):
    for _ in range(2):
        assert run("build", "--locked", "envs/web.yaml", store=web.store).returncode == 0
    lock = read_lock(ROOT / "envs" / "web.lock.json")
    asked = [
        each.predicate["buildDefinition"]["externalParameters"]
        for each in statements(web.image, web.layout, PROVENANCE, web.store)
    ]
    assert [each["lock"] for each in asked] == [lock.digest.text]
    assert len(AttachedLayout(web.layout).referrers(web.image, artifact_type=KIND)) == 1


@pytest.mark.network
@pytest.mark.bar("5 rebuild")
def test_image_without_a_recipe_is_not_rebuilt(web, tmp_path):
    copy_image(web.image, web.layout, Layout(tmp_path / "oci"), names=("web",))
    done = run("rebuild", f"oci:{tmp_path}/oci", store=tmp_path / "store")
    assert done.returncode == 2
    assert "lies no recipe" in done.stderr
    assert "hint: `seatrial build SPEC`" in done.stderr


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.bar("5 rebuild")
def test_rebuild_of_what_was_built_is_the_same_and_signed(web):
    done = run("rebuild", web.image, "--json", store=web.store)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["result"] == "REPRODUCED"
    assert found["image"] == found["rebuilt"] == web.image.text
    assert any(
        Rebuild.of(each).result is Result.REPRODUCED for each in statements(web.image, web.layout, PREDICATE, web.store)
    )
    assert not list((web.store / "rebuilds").iterdir())


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.bar("5 rebuild")
def test_rebuild_from_another_recipe_is_explained_and_signed(web, tmp_path):
    """The recipe beside the image has one more line in one file of the app."""
    layout = Layout(tmp_path / "oci")
    copy_image(web.image, web.layout, layout, names=("web",))
    project = tmp_path / "project"
    shutil.copytree(ROOT / "envs", project / "envs", ignore=shutil.ignore_patterns("__pycache__"))
    with (project / "envs" / "examples" / "web" / "app" / "serve.py").open("a") as file:
        file.write("# tampered\n")
    spec = read_spec(project / "envs" / "web.yaml")
    attach_recipe(spec, read_lock(project / "envs" / "web.lock.json").digest, web.image, AttachedLayout(layout))
    done = run("rebuild", f"oci:{layout.root}", store=tmp_path / "store")
    assert done.returncode == 1, done.stderr
    assert "DIFFERENT" in done.stdout
    assert "srv/web/serve.py" in done.stdout
    assert "# tampered" in done.stdout
    (seen,) = (Rebuild.of(each) for each in statements(web.image, layout, PREDICATE, web.store))
    assert seen.result is Result.DIFFERENT
    assert {"cause": "entry-content", "where": "layer 2", "path": "srv/web/serve.py"} in seen.differences
