"""A release over every route: not one byte changes, nothing that is attached is lost, and hostile parts are refused."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from release_world import attach_text, content_of, machine_store, write_image, write_index, write_release

from pipeline.release.layout_stage import LayoutStage
from pipeline.release.move import move
from pipeline.release.stage_tags import LIVE
from pipeline.release.survey import survey
from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.attached import EMPTY, AttachedLayout
from runtime.oci.descriptor import INDEX, MANIFEST
from runtime.oci.layout import Layout
from runtime.oci.refusal import RefusedError

ROUTES = (
    "layout to layout",
    "layout to elsewhere",
    "layout to registry",
    "registry to layout",
    "registry to registry",
    "registry to other",
    "registry to listing",
    "listing to listing",
    "listing to layout",
)
"""A registry is docker-registry, the other one another of these; one that is listing lists referrers, and honors
conditions; what is elsewhere is on another file system."""


@pytest.fixture
def here(tmp_path):
    return machine_store(tmp_path)


@pytest.fixture
def ends(request, stores):
    """Return a function that opens both ends of a route."""

    def open_one(kind):
        match kind:
            case "layout":
                return stores.layout()
            case "elsewhere":
                return LayoutStage(Layout(request.getfixturevalue("elsewhere") / "web"), "oci-layout:elsewhere/web")
            case _:
                names = {"registry": "debian", "other": "other_debian", "listing": "simulated"}
                return stores.registry(request.getfixturevalue(names[kind]).address)

    return lambda route: [open_one(each) for each in route.split(" to ")]


@pytest.fixture
def elsewhere(tmp_path):
    """A folder that no link leads to."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert Path(folder).stat().st_dev != tmp_path.stat().st_dev
        yield Path(folder)


@pytest.mark.bar("6 routes", slice=3)
@pytest.mark.parametrize("kind", ["index", "image", "image with nothing attached"])
@pytest.mark.parametrize("route", ROUTES)
def test_no_byte_changes_over_any_route(ends, here, route, kind):
    source, target = ends(route)
    release = write_release(here.layout, seed=f"{route} {kind}")
    if kind == "image":
        release = next(each.descriptor for each in survey(release.digest, here).documents if not each.subject)
    if kind == "image with nothing attached":
        release = write_image(here.layout, b"alone", b"twice", b"twice")
    move(here, source, release.digest)
    moved = move(source, target, release.digest)
    assert moved.release == release
    assert moved.left_out == ()
    wanted = content_of(here, release.digest)
    assert content_of(source, release.digest) == wanted
    assert content_of(target, release.digest) == wanted
    assert moved.documents == len(wanted[0])
    target.tag(LIVE, release, None)
    assert target.tagged(LIVE).digest == release.digest
    assert move(source, target, release.digest) == moved


@pytest.mark.bar("6 routes", slice=1)
@pytest.mark.parametrize("route", ["layout to layout", "layout to registry", "registry to registry"])
def test_other_tools_read_the_same_digest(ends, here, route, tmp_path):
    """skopeo reads the manifest of the live tag, as any deployment would."""
    source, target = ends(route)
    release = write_release(here.layout, seed=f"skopeo {route}")
    move(here, source, release.digest)
    target.tag(LIVE, move(source, target, release.digest).release, None)
    place = f"oci:{target.folder}" if target.folder else f"docker://{target.place.removeprefix('oci://')}"
    name = f"{place}:{LIVE}"
    command = [shutil.which("skopeo") or "skopeo", "inspect", "--raw", "--tls-verify=false", name]
    # Who has no XDG_RUNTIME_DIR would look for credentials in a folder of root's.
    (tmp_path / "auth.json").write_text("{}")
    environment = {**os.environ, "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    raw = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    assert Digest.of(raw) == release.digest


def test_what_is_attached_later_goes_along_the_next_time(ends, here):
    source, target = ends("layout to registry")
    release = write_release(here.layout, attached=1)
    move(here, source, release.digest)
    first = move(source, target, release.digest)
    late = attach_text(source, release.digest, "late")
    assert move(source, target, release.digest).attached == first.attached + 1
    assert late.digest in {each.digest for each in target.referrers(release.digest)}


def test_what_is_attached_in_the_target_stays(ends, here):
    source, target = ends("layout to registry")
    release = write_release(here.layout, attached=1)
    move(here, source, release.digest)
    move(source, target, release.digest)
    own = attach_text(target, release.digest, "acceptance of the stage")
    move(source, target, release.digest)
    assert own.digest in {each.digest for each in target.referrers(release.digest)}


def test_blobs_inside_one_registry_are_not_sent(stores, simulated, here):
    source, target = stores.registry(simulated.address, "a"), stores.registry(simulated.address, "b")
    release = write_release(here.layout)
    move(here, source, release.digest)
    sent = simulated.received
    move(source, target, release.digest)
    assert simulated.received == sent


def test_blobs_that_a_registry_keeps_elsewhere_are_there(stores, simulated, here):
    simulated.redirects = True
    release = write_release(here.layout)
    first = stores.registry(simulated.address, "a")
    moved = move(here, first, release.digest)
    sent = simulated.received
    assert move(here, stores.registry(simulated.address, "a"), release.digest) == moved
    assert simulated.received == sent
    assert content_of(first, release.digest) == content_of(here, release.digest)


def test_blobs_of_one_file_system_are_linked(stores, here):
    target = stores.layout()
    release = write_image(here.layout, b"layer")
    move(here, target, release.digest)
    layer = Digest.of(b"layer")
    assert here.layout.path(layer).samefile(target.layout.path(layer))


@pytest.mark.parametrize("place", ["layout", "registry"])
def test_missing_blob_ends_the_move_before_any_document_is_there(stores, debian, here, place):
    target = stores.layout() if place == "layout" else stores.registry(debian.address)
    release = write_release(here.layout, seed=place)
    image = survey(release.digest, here).documents[0]
    here.layout.path(image.blobs[0].digest).unlink()
    with pytest.raises(StoreError):
        move(here, target, release.digest)
    assert not target.has(release.digest)
    assert not target.has(image.descriptor.digest)


@pytest.mark.parametrize("place", ["layout", "registry"])
def test_damaged_blob_ends_the_move(stores, debian, here, place):
    target = stores.layout() if place == "layout" else stores.registry(debian.address)
    release = write_image(here.layout, f"layer for {place}".encode())
    path = here.layout.path(Digest.of(f"layer for {place}".encode()))
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(Exception, match="digest"):
        move(here, target, release.digest)
    assert not target.has(release.digest)


def rubbish(here, release):
    """Attach to a release what cannot be moved, each in another way; return the digests of the artifacts."""
    about = {"mediaType": MANIFEST, "digest": release.digest.text, "size": release.size}
    here.write(b"{}", EMPTY)
    empty = {"mediaType": EMPTY, "digest": Digest.of(b"{}").text, "size": 2}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "x/y", "config": empty, "subject": about}
    damaged = here.write(b"damaged", "text/plain").to_json()
    here.layout.path(Digest.of(b"damaged")).write_bytes(b"changed")
    short = here.write(b"size", "text/plain").digest.text
    layers = {
        "missing": {"mediaType": "text/plain", "digest": Digest.of(b"nowhere").text, "size": 7},
        "of another size": {"mediaType": "text/plain", "digest": short, "size": 5},
        "damaged": damaged,
        "elsewhere": {**empty, "urls": ["https://example.org/"]},
        "of another algorithm": {**empty, "digest": "sha512:00"},
        "no object": "text",
    }
    raws = [to_canonical_json({**manifest, "layers": [layer]}) for layer in layers.values()]
    raws.append(to_canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": about}))
    raws.append(to_canonical_json({**manifest, "manifests": [], "layers": []}))
    return {here.attach(raw, release.digest).digest for raw in raws}


@pytest.mark.parametrize("place", ["layout", "registry"])
def test_rubbish_that_is_attached_is_left_out_and_told(stores, debian, here, place):
    target = stores.layout() if place == "layout" else stores.registry(debian.address)
    release = write_image(here.layout, f"layer {place}".encode())
    good = attach_text(here, release.digest, "good")
    bad = rubbish(here, release)
    moved = move(here, target, release.digest)
    assert {each.artifact.digest for each in moved.left_out} == bad
    assert all(each.problem for each in moved.left_out)
    assert {each.digest for each in target.referrers(release.digest)} == {good.digest}


def test_copies_of_blobs_inside_descriptors_are_no_reason_to_leave_an_attachment_out(stores, here):
    target = stores.layout()
    release = write_image(here.layout, b"layer")
    empty = {"mediaType": EMPTY, "digest": here.write(b"{}", EMPTY).digest.text, "size": 2, "data": "e30="}
    about = {"mediaType": MANIFEST, "digest": release.digest.text, "size": release.size}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": [empty], "subject": about}
    own = here.attach(json.dumps(manifest).encode(), release.digest)
    assert move(here, target, release.digest).left_out == ()
    assert [each.digest for each in target.referrers(release.digest)] == [own.digest]


def hostile_releases(layout):
    image = write_image(layout, b"layer")
    listed = {**image.to_json(), "size": image.size + 1}
    yield "size", {"mediaType": INDEX, "schemaVersion": 2, "manifests": [listed]}
    yield "both", {"mediaType": INDEX, "schemaVersion": 2, "manifests": [image.to_json()], "layers": []}
    yield "urls", {"mediaType": INDEX, "schemaVersion": 2, "manifests": [{**image.to_json(), "urls": ["https://x"]}]}
    yield "type", {"mediaType": "application/x", "schemaVersion": 2}
    yield "schema", {"mediaType": MANIFEST, "schemaVersion": 1, "config": image.to_json(), "layers": []}
    yield "config", {"mediaType": MANIFEST, "schemaVersion": 2, "layers": []}
    yield "layers", {"mediaType": MANIFEST, "schemaVersion": 2, "config": image.to_json(), "layers": {}}


@pytest.mark.parametrize("name", ["size", "both", "urls", "type", "schema", "config", "layers"])
def test_hostile_release_is_refused(stores, here, name):
    target = stores.layout()
    document = dict(hostile_releases(here.layout))[name]
    release = here.write(to_canonical_json(document), MANIFEST)
    with pytest.raises(RefusedError):
        move(here, target, release.digest)
    assert target.layout.digests() == ()


def test_indexes_that_are_nested_too_deep_are_refused(stores, here):
    found = write_image(here.layout, b"layer")
    for _ in range(9):
        found = write_index(here.layout, found)
    with pytest.raises(RefusedError, match="nested deeper"):
        move(here, stores.layout(), found.digest)


def test_attachments_that_are_nested_too_deep_are_left_out(stores, here):
    release = found = write_image(here.layout, b"layer")
    for each in range(9):
        found = attach_text(here, found.digest, f"{each}")
    assert [each.artifact.digest for each in move(here, stores.layout(), release.digest).left_out] == [found.digest]


def test_store_of_a_machine_is_a_source(stores, here):
    assert isinstance(here, AttachedLayout)
    release = write_release(here.layout)
    target = stores.layout()
    assert move(here, target, release.digest).release == release
    assert target.layout.verify()
