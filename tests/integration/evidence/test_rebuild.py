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
from pipeline.build.recipe import ASSEMBLY, KIND, LOCK, SPEC, attach_recipe
from pipeline.declare.read import read_spec
from pipeline.origin import CYCLONEDX, SPDX
from pipeline.release.attest import Statement
from pipeline.release.bundle import parse_bundle
from pipeline.release.evidence import find_evidence
from pipeline.release.public_key import PublicKey
from pipeline.release.rebuild import PREDICATE, Rebuild, Result
from pipeline.release.signing import verify
from runtime.oci.attached import Artifact, AttachedLayout, attach_artifact
from runtime.oci.copy import copy_image
from runtime.oci.descriptor import LAYER_TAR
from runtime.oci.layout import Layout

ROOT = Path(__file__).parents[3]


def run(*words, store):
    command = [sys.executable, "-m", "pipeline.cli.main", *map(str, words)]
    environment = {**os.environ, "SEATRIAL_STORE": str(store)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def rebuilds(image, layout, store):
    """Return what this machine's key has signed of rebuilds, checked."""
    key = PublicKey.parse(run("keys", "export", store=store).stdout.encode(), "the key")
    for each in find_evidence(image, AttachedLayout(layout), PREDICATE):
        envelope = parse_bundle(each.bundle)
        if envelope.hint == key.id:  # a store that outlives a session has what older keys signed
            found = verify(envelope, [key]).statement
            found.require(PREDICATE, image)
            yield Rebuild.of(found)


@pytest.fixture(scope="module")
def web(build):
    return build("web")


@pytest.mark.network
@pytest.mark.bar("5 rebuild")
def test_build_leaves_provenance_and_recipe_once(web):
    before = AttachedLayout(web.layout).referrers(web.image)
    assert run("build", "--locked", "envs/web.yaml", store=web.store).returncode == 0
    assert AttachedLayout(web.layout).referrers(web.image) == before
    lock = read_lock(ROOT / "envs" / "web.lock.json").digest.text
    assert lock in {each.annotations.get(LOCK) for each in before if each.artifact_type == KIND}
    found = [
        Statement.parse(parse_bundle(each.bundle).payload)
        for each in find_evidence(web.image, AttachedLayout(web.layout), PROVENANCE)
    ]
    assert lock in {each.predicate["buildDefinition"]["externalParameters"]["lock"] for each in found}


@pytest.mark.network
@pytest.mark.bar("5 rebuild")
def test_key_that_is_named_says_what_others_have_said_before_and_says_it_once(web, tmp_path, monkeypatch):
    assert run("keys", "new", tmp_path / "ci.pem", "--no-passphrase", store=web.store).returncode == 0
    monkeypatch.setenv("SEATRIAL_KEY", str(tmp_path / "ci.pem"))
    key = PublicKey.parse(run("keys", "export", store=web.store).stdout.encode(), "the key")
    counts = []
    for _ in range(2):
        assert run("build", "--locked", "envs/web.yaml", store=web.store).returncode == 0
        bundles = [parse_bundle(each.bundle) for each in find_evidence(web.image, AttachedLayout(web.layout))]
        counts.append(len(bundles))
        found = [verify(each, [key]).statement for each in bundles if each.hint == key.id]
        assert sorted(each.predicate_type for each in found) == sorted((PROVENANCE, CYCLONEDX, SPDX))
    assert len(set(counts)) == 1


@pytest.mark.network
@pytest.mark.bar("5 rebuild")
def test_image_without_a_recipe_is_not_rebuilt(web, tmp_path):
    copy_image(web.image, web.layout, Layout(tmp_path / "oci"), names=("web",))
    done = run("rebuild", f"oci:{tmp_path}/oci", store=tmp_path / "store")
    assert done.returncode == 2
    assert "lies no recipe" in done.stderr
    assert "hint: `seatrial build SPEC`" in done.stderr


@pytest.mark.network
@pytest.mark.bar("5 rebuild")
def test_image_of_another_assembly_is_not_accused(web, tmp_path):
    layout = Layout(tmp_path / "oci")
    copy_image(web.image, web.layout, layout, names=("web",))
    blob = layout.write(b"", LAYER_TAR)
    notes = {SPEC: "envs/web.yaml", ASSEMBLY: "1"}
    attach_artifact(Artifact(kind=KIND, blobs=(blob,), annotations=notes), web.image, AttachedLayout(layout))
    done = run("rebuild", f"oci:{layout.root}", store=tmp_path / "store")
    assert done.returncode == 2
    assert "was assembled in format 1, and this version" in done.stderr
    assert list(find_evidence(web.image, AttachedLayout(layout))) == []


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.bar("5 rebuild")
def test_rebuild_of_what_was_built_is_the_same_and_signed(web):
    done = run("rebuild", web.image, "--json", store=web.store)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["result"] == "REPRODUCED"
    assert found["image"] == found["rebuilt"] == web.image.text
    assert any(each.result is Result.REPRODUCED for each in rebuilds(web.image, web.layout, web.store))
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
    (seen,) = rebuilds(web.image, layout, web.store)
    assert seen.result is Result.DIFFERENT
    assert [(each["cause"], each["path"]) for each in seen.differences] == [("entry-content", "srv/web/serve.py")]
