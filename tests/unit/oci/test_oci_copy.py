import pytest

from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.copy import copy_image, is_whole
from runtime.oci.descriptor import CONFIG, LAYER_GZIP, LAYER_TAR, MANIFEST
from runtime.oci.layout import Layout
from runtime.oci.refusal import Refusal, RefusedError


def made(layout, *, layers=(b"one", b"two")):
    """Write an image of blobs that no layer has to be: copying looks at their digests only."""
    described = [layout.write(each, LAYER_TAR).to_json() for each in layers]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [each["digest"] for each in described]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.write(to_canonical_json(config), CONFIG).to_json(),
        "layers": described,
    }
    return layout.write(b" " + to_canonical_json(manifest), MANIFEST).digest


@pytest.fixture
def there(tmp_path):
    return Layout(tmp_path / "there")


@pytest.fixture
def here(tmp_path):
    return Layout(tmp_path / "here")


def test_copy_keeps_every_byte_and_names_the_manifest(there, here):
    digest = made(there)
    assert not is_whole(digest, here)
    assert copy_image(digest, there, here, names=("app",)).digest == digest
    assert here.digests() == there.digests()
    assert here.verify() == 4
    assert is_whole(digest, here)
    assert here.resolve("app").digest == digest


def test_copy_of_what_is_there_reads_no_layer_again(there, here):
    digest = made(there)
    copy_image(digest, there, here)
    for each in (b"one", b"two"):
        there.path(Digest.of(each)).unlink()
    copy_image(digest, there, here)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"on", Refusal.BLOB_SIZE), (b"ones", Refusal.BLOB_SIZE), (b"ono", Refusal.BLOB_DIGEST)],
    ids=["truncated", "longer", "swapped"],
)
def test_layer_that_is_not_what_the_manifest_says_is_refused_and_nothing_becomes_visible(there, here, content, reason):
    digest = made(there)
    there.path(Digest.of(b"one")).write_bytes(content)
    with pytest.raises(RefusedError) as caught:
        copy_image(digest, there, here)
    assert caught.value.reason is reason
    assert here.digests() == ()
    assert here.manifests() == ()


def test_endless_layer_is_read_no_further_than_its_size(there, here, tmp_path):
    digest = made(there)
    with there.path(Digest.of(b"one")).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RefusedError, match="more than 3 bytes"):
        copy_image(digest, there, here)


def test_missing_layer_is_named(there, here):
    digest = made(there)
    there.path(Digest.of(b"two")).unlink()
    with pytest.raises(StoreError, match=str(Digest.of(b"two"))):
        copy_image(digest, there, here)
    assert not here.has(digest)


@pytest.mark.parametrize("which", ["manifest", "config"])
def test_changed_document_is_refused(there, here, which):
    digest = made(there)
    kind = (
        digest
        if which == "manifest"
        else next(each for each in there.digests() if b'"architecture"' in there.path(each).read_bytes())
    )
    there.path(kind).write_bytes(there.path(kind).read_bytes() + b" ")
    with pytest.raises(DigestError):
        copy_image(digest, there, here)
    assert here.digests() == ()


def test_blob_that_is_a_link_to_a_device_is_not_waited_for(there, here):
    digest = made(there)
    there.path(Digest.of(b"one")).unlink()
    there.path(Digest.of(b"one")).symlink_to("/dev/zero")
    with pytest.raises(StoreError, match="no regular file"):
        copy_image(digest, there, here)


def test_layers_of_unknown_kinds_are_refused_before_any_is_read(there, here):
    described = there.write(b"one", "application/x-layer").to_json()
    config = there.write(to_canonical_json({"rootfs": {"diff_ids": [described["digest"]]}}), CONFIG).to_json()
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [described]}
    digest = there.write(to_canonical_json(manifest), MANIFEST).digest
    with pytest.raises(RefusedError) as caught:
        copy_image(digest, there, here)
    assert caught.value.reason is Refusal.MEDIA_TYPE
    assert LAYER_GZIP not in str(caught.value)
    assert here.digests() == ()
