"""Releases with much attached to them, and stores of each kind that take them."""

import json
import os
import uuid
import warnings

from pipeline.declare.stage_file import StageFile
from pipeline.release.move import move
from pipeline.release.stage_store import open_stage_store
from pipeline.release.survey import survey
from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.oci.attached import Artifact, AttachedLayout, attach_artifact
from runtime.oci.descriptor import CONFIG, INDEX, LAYER_TAR, MANIFEST
from runtime.oci.layout import Layout


class Debian:
    """Debian's docker-registry, and the uploads that are left in its files.

    Of an upload that was deleted 2.8.2 writes the state of its hash once more after it has removed the folder; what
    counts is whether bytes are left.
    """

    def __init__(self, address, folder):
        self.address = address
        self.folder = folder

    def uploads(self, name):
        folder = self.folder / f"docker/registry/v2/repositories/{name}/_uploads"
        return {each.parent.name for each in folder.glob("*/data")}


def stage(name, store=None, after=None):
    """Return a stage that has its images somewhere."""
    return StageFile.model_validate(
        {"seatrial": 1, "name": name, "after": after, "store": store, "policy": {"hosts": ["reference"]}}
    )


class Stores:
    """Opens stores of stages, each with nothing in it."""

    def __init__(self, folder, connections):
        self.data = folder / "data"
        self.connections = connections

    def layout(self, name=None):
        return self.open(stage(name or f"stage-{uuid.uuid4().hex[:8]}"))

    def registry(self, address, name=None, patience=None):
        return self.open(stage("remote", f"{address}/stages/{name or uuid.uuid4().hex}"), patience=patience)

    def open(self, of, app="web", patience=None):
        return open_stage_store(of, app, self.data, connections=self.connections, patience=patience)


def write_image(layout, *layers, architecture="amd64"):
    """Write an image whose manifest is not canonical, and return its descriptor."""
    described = [layout.write(each, LAYER_TAR).to_json() for each in layers]
    config = {
        "architecture": architecture,
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in described]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.write(to_canonical_json(config), CONFIG).to_json(),
        "layers": described,
    }
    return layout.write(json.dumps(manifest, indent=5).encode(), MANIFEST)


def write_index(layout, *images):
    """Write an index, not canonical either, and return its descriptor."""
    listed = [{**each.to_json(), "platform": {"os": "linux", "architecture": "amd64"}} for each in images]
    document = {"manifests": listed, "mediaType": INDEX, "schemaVersion": 2}
    return layout.write(json.dumps(document, indent=1).encode(), INDEX)


def attach_text(store, subject, text, kind="application/vnd.seatrial.test.v1"):
    """Attach an artifact with one blob."""
    blob = store.write(text.encode(), "text/plain")
    return attach_artifact(Artifact(kind=kind, blobs=(blob,), annotations={"note": text}), subject, store)


def write_release(layout, *, seed="", size=4000, images=2, attached=2):
    """Write an index of several images, with artifacts attached to each and to the index, and to one of these."""
    store = AttachedLayout(layout)
    found = [
        write_image(layout, f"{seed} layer {each} ".encode() * size, f"{seed} shared".encode(), b"empty")
        for each in range(images)
    ]
    index = write_index(layout, *found)
    for subject in (*found, index):
        for each in range(attached):
            artifact = attach_text(store, subject.digest, f"{seed} artifact {each} of {subject.digest}")
        attach_text(store, artifact.digest, f"{seed} signature of {artifact.digest}")
    return index


def machine_store(folder):
    """Return the store of a machine, as `seatrial build` fills it."""
    return AttachedLayout(Layout(folder / "oci"))


def content_of(store, release):
    """Return every document of a release and every blob, as a store has them now."""
    found = survey(release, store)
    assert found.left_out == ()
    documents = {each.descriptor.digest: (each.raw, each.descriptor, each.subject) for each in found.documents}
    blobs = {}
    for each in {blob.digest: blob for document in found.documents for blob in document.blobs}.values():
        with store.open(each.digest) as file:
            blobs[each.digest] = file.read()
        assert Digest.of(blobs[each.digest]) == each.digest
    return documents, blobs


def promote(journal, store, here, release, *, suite=lambda _: None, **options):
    """Promote as the command does; the suite may be anything."""
    with journal.begin(store, "dev", "web", release.digest, **options) as intent:
        intent.step("move")
        moved = move(here, store, release.digest)
        intent.step("suite")
        suite(intent)
        intent.make_live(moved.release)
    return intent


def forked(act, *, meanwhile=lambda _: None):
    """Do something in a process of its own, and return its exit code; meanwhile is told its id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which are those of servers, and do nothing there
        child = os.fork()
    if not child:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    meanwhile(child)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
