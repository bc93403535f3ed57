"""Evidence beside an image in a layout: found by us and by others, whoever else writes and whatever they write."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import evidence_world as world

from pipeline.digests.sides import open_side
from pipeline.release.bundle import MEDIA_TYPE
from pipeline.release.evidence import attach_evidence, find_evidence
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.attached import Artifact as Attached
from runtime.oci.attached import AttachedLayout, attach_artifact, read_artifact
from runtime.oci.descriptor import MANIFEST, Descriptor
from runtime.oci.layout import Layout
from runtime.oci.reference import find_image, parse_reference
from runtime.oci.refusal import RefusedError

AT = 1_800_000_000


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "oci")


@pytest.fixture
def image(layout):
    config = layout.write(b"{}", "application/vnd.oci.image.config.v1+json")
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.to_json(), "layers": []}
    manifest = layout.write(json.dumps(document).encode(), MANIFEST)
    layout.add_manifest(manifest, name="web")
    return manifest.digest


@pytest.fixture
def store(layout):
    return AttachedLayout(layout)


def bundle(number=0):
    return json.dumps(world.bundle(world.statement(predicate={"number": number}))).encode()


def test_bundle_that_is_attached_is_found(store, image):
    raw = bundle()
    attach_evidence(raw, world.KIND, image, store, at=AT)
    (found,) = find_evidence(image, store)
    assert found.bundle == raw
    assert not found.problem


def test_artifact_is_as_cosign_writes_it(store, layout, image):
    raw = bundle()
    listed = attach_evidence(raw, world.KIND, image, store, at=AT)
    manifest = json.loads(layout.read(listed.digest, 1 << 20))
    assert manifest == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": [
            {
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "digest": Digest.of(raw).text,
                "size": len(raw),
            }
        ],
        "subject": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": image.text,
            "size": len(layout.read(image, 1 << 20)),
        },
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": world.KIND,
            "org.opencontainers.image.created": "2027-01-15T08:00:00Z",
        },
    }


def test_list_under_the_fallback_tag_has_type_and_annotations(store, layout, image):
    listed = attach_evidence(bundle(), world.KIND, image, store, at=AT)
    index = json.loads((layout.root / "index.json").read_text())
    named = {each["annotations"]["org.opencontainers.image.ref.name"]: each for each in index["manifests"]}
    fallback = json.loads(layout.read(Digest(named[f"sha256-{image.hex}"]["digest"]), 1 << 20))
    assert fallback["manifests"] == [
        {
            "mediaType": MANIFEST,
            "artifactType": MEDIA_TYPE,
            "digest": listed.digest.text,
            "size": listed.size,
            "annotations": dict(listed.annotations),
        }
    ]


def test_bundle_that_is_attached_again_is_one(store, image):
    raw = bundle()
    for _ in range(2):
        attach_evidence(raw, world.KIND, image, store, at=AT)
    assert len(list(find_evidence(image, store))) == 1


def test_evidence_is_chosen_by_its_predicate(store, image):
    attach_evidence(bundle(1), world.KIND, image, store, at=AT)
    attach_evidence(bundle(2), "https://slsa.dev/provenance/v1", image, store, at=AT)
    assert len(list(find_evidence(image, store))) == 2
    assert len(list(find_evidence(image, store, world.KIND))) == 1


def test_evidence_is_that_of_its_image_alone(store, layout, image):
    other = layout.write(b'{"schemaVersion":2}', MANIFEST).digest
    attach_evidence(bundle(1), world.KIND, image, store, at=AT)
    attach_evidence(bundle(2), world.KIND, other, store, at=AT)
    assert len(list(find_evidence(image, store))) == len(list(find_evidence(other, store))) == 1


def test_image_that_is_not_there_gets_no_evidence(store):
    with pytest.raises(StoreError):
        attach_evidence(bundle(), world.KIND, world.IMAGE, store, at=AT)


def test_image_is_the_only_one_of_its_layout_with_evidence_beside_it(store, layout, image):
    attach_evidence(bundle(), world.KIND, image, store, at=AT)
    assert find_image(parse_reference(f"oci:{layout.root}"), layout, "amd64") == image


def test_lists_of_evidence_are_no_images_to_anybody(store, layout, image):
    attach_evidence(bundle(), world.KIND, image, store, at=AT)
    assert [each.digest for each in layout.images()] == [image]
    assert open_side(f"oci:{layout.root}", layout.root).digest == image
    with pytest.raises(StoreError) as missing:
        find_image(parse_reference(f"oci:{layout.root}:other"), layout, "amd64")
    assert missing.value.hint == "it lists web"


def test_layout_with_evidence_is_whole(store, layout, image):
    attach_evidence(bundle(), world.KIND, image, store, at=AT)
    assert list(layout.damages()) == []


def test_other_artifacts_are_no_evidence(store, image):
    blob = store.write(b"{}", "application/json")
    attach_artifact(Attached(kind="application/x", blobs=(blob,), annotations={}), image, store)
    assert list(find_evidence(image, store)) == []
    assert len(store.referrers(image)) == 1


@pytest.mark.parametrize("change", ["two blobs", "another type", "missing blob", "too large"])
def test_rubbish_is_told_and_hides_nothing(change, store, layout, image):
    attach_evidence(bundle(), world.KIND, image, store, at=AT)
    blob = store.write(b"x" * (5 << 20) if change == "too large" else b"{}", MEDIA_TYPE)
    blobs = {
        "two blobs": (blob, blob),
        "another type": (store.write(b"{}", "application/json"),),
        "missing blob": (Descriptor(media_type=MEDIA_TYPE, digest=world.OTHER, size=1),),
        "too large": (blob,),
    }[change]
    attach_artifact(Attached(kind=MEDIA_TYPE, blobs=blobs, annotations={}), image, store)
    found = list(find_evidence(image, store))
    assert len(found) == 2
    assert sorted(bool(each.problem) for each in found) == [False, True]


def test_damaged_bundle_is_told(store, layout, image):
    raw = bundle()
    attach_evidence(raw, world.KIND, image, store, at=AT)
    layout.path(Digest.of(raw)).write_bytes(raw.replace(b"dsse", b"DSSE"))
    (found,) = find_evidence(image, store)
    assert "digest" in found.problem


def test_artifact_of_another_image_in_the_list_is_told(store, layout, image):
    other = layout.write(b'{"schemaVersion":2}', MANIFEST).digest
    listed = attach_evidence(bundle(), world.KIND, other, store, at=AT)
    layout.add_manifest(layout.resolve(f"sha256-{other.hex}"), name=f"sha256-{image.hex}")
    with pytest.raises(RefusedError, match=r"\[manifest-subject\]"):
        read_artifact(listed, image, store)
    (found,) = find_evidence(image, store)
    assert "not about" in found.problem
