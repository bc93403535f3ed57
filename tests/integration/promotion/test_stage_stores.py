"""One suite for every store of a stage: each test runs on a layout and on registries of both kinds."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from release_world import attach_text, machine_store, stage, write_image

from pipeline.declare.errors import SpecError, TagMovedError
from pipeline.release.stage_store import open_stage_store
from pipeline.release.stage_tags import LIVE, release_tag
from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.descriptor import MANIFEST, Descriptor
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.refusal import RefusedError

KINDS = ("layout", "docker-registry", "simulated registry")


@pytest.fixture(params=KINDS)
def open_store(request, stores, debian, simulated):
    """Return a function that opens the same store, as another process would."""
    name = uuid.uuid4().hex
    match request.param:
        case "layout":
            return lambda: stores.layout(name)
        case "docker-registry":
            return lambda: stores.registry(debian.address, name)
        case _:
            return lambda: stores.registry(simulated.address, name)


@pytest.fixture
def store(open_store):
    return open_store()


@pytest.fixture
def here(tmp_path):
    return machine_store(tmp_path)


def put(store, here, text):
    """Put a small image into a store."""
    image = write_image(here.layout, text.encode())
    store.take([each.descriptor for each in Image.open(here, image.digest).layers], here)
    config = Image.open(here, image.digest).manifest["config"]
    store.take([Descriptor.parse(config, "config")], here)
    return store.write(here.read(image.digest, 1 << 20), MANIFEST, expected=image.digest)


def test_store_that_has_nothing_says_so(store):
    nothing = Digest.of(b"nothing")
    assert store.tagged(LIVE) is None
    assert store.tags() == ()
    assert store.referrers(nothing) == ()
    assert not store.has(nothing)
    with pytest.raises(StoreError):
        store.read(nothing, 100)
    with pytest.raises(StoreError):
        store.open(nothing)


def test_image_is_read_as_it_was_put(store, open_store, here):
    image = put(store, here, "one")
    for each in (store, open_store()):
        assert each.has(image.digest)
        assert each.read(image.digest, 1 << 20) == here.read(image.digest, 1 << 20)
        opened = Image.open(each, image.digest)
        assert each.has(opened.layers[0].descriptor.digest)
        with each.open(opened.layers[0].descriptor.digest) as file:
            assert file.read() == b"one"


def test_blob_in_parts_is_the_same_blob(store):
    whole = store.write(b"one two", "text/plain")
    assert store.write(iter([b"one ", b"two"]), "text/plain", expected=whole.digest) == whole
    assert store.read(whole.digest, 7) == b"one two"
    with pytest.raises(StoreError):
        store.read(whole.digest, 6)


@pytest.mark.parametrize("content", [b"other", [b"oth", b"er"]])
def test_blob_of_another_digest_is_not_put(store, content):
    with pytest.raises(DigestError):
        store.write(content, "text/plain", expected=Digest.of(b"wanted"))
    assert not store.has(Digest.of(b"other"))
    assert not store.has(Digest.of(b"wanted"))


def test_tag_goes_from_what_was_expected_to_what_is_wanted(store, open_store, here):
    first, second = put(store, here, "first"), put(store, here, "second")
    store.tag(LIVE, first, None)
    assert store.tagged(LIVE) == first
    store.tag(release_tag(first.digest), first, None)
    open_store().tag(LIVE, second, first.digest)
    assert open_store().tagged(LIVE) == second
    assert store.tags() == tuple(sorted((LIVE, release_tag(first.digest))))


def test_tag_that_names_something_else_stays(store, here):
    first, second, third = (put(store, here, each) for each in ("first", "second", "third"))
    with pytest.raises(TagMovedError):
        store.tag(LIVE, first, third.digest)
    assert store.tagged(LIVE) is None
    store.tag(LIVE, first, None)
    for expected in (None, third.digest):
        with pytest.raises(TagMovedError) as caught:
            store.tag(LIVE, second, expected)
        assert first.digest.text in str(caught.value)
        assert store.tagged(LIVE) == first


def test_tag_that_names_it_already_is_no_reason_to_refuse(store, here):
    first, second = put(store, here, "first"), put(store, here, "second")
    store.tag(LIVE, first, None)
    store.tag(LIVE, first, None)
    store.tag(LIVE, first, second.digest)
    assert store.tagged(LIVE) == first


def test_tag_of_what_is_not_here_is_refused(store, here):
    image = write_image(here.layout, b"elsewhere")
    with pytest.raises(StoreError):
        store.tag(LIVE, image, None)
    assert store.tagged(LIVE) is None


@pytest.mark.parametrize("count", [2, 8])
def test_one_of_many_who_move_a_tag_at_once_wins_and_the_others_are_told(store, open_store, here, count):
    before = put(store, here, "before")
    images = [put(store, here, f"image {each}") for each in range(count)]
    store.tag(LIVE, before, None)
    start = threading.Barrier(count)

    def move(image):
        own = open_store()
        start.wait()
        try:
            own.tag(LIVE, image, before.digest)
        except TagMovedError:
            return None
        return image

    with ThreadPoolExecutor(count) as threads:
        won = [each for each in threads.map(move, images) if each]
    assert len(won) == 1
    assert store.tagged(LIVE) == won[0]


def test_moves_by_many_are_one_chain(store, open_store, here):
    """Each goes on from what it sees; nobody's move is overwritten by one who has not seen it."""
    images, moved = [put(store, here, f"image {each}") for each in range(12)], []

    def move_all(own, some):
        for image in some:
            while True:
                before = own.tagged(LIVE)
                expected = before.digest if before else None
                try:
                    own.tag(LIVE, image, expected)
                except TagMovedError:
                    continue
                moved.append((expected, image.digest))
                break

    with ThreadPoolExecutor(4) as threads:
        for each in [threads.submit(move_all, open_store(), images[start::4]) for start in range(4)]:
            each.result()
    after, live = dict(moved), None
    for _ in images:
        live = after.pop(live)
    assert store.tagged(LIVE).digest == live


def test_attachments_are_found_and_are_no_tags(store, open_store, here):
    image = put(store, here, "image")
    own = {attach_text(store, image.digest, text).digest for text in ("one", "two")}
    assert {each.digest for each in open_store().referrers(image.digest)} == own
    assert store.tags() == ()
    assert store.referrers(image.digest, artifact_type="another") == ()


def test_question_for_attachments_before_the_repository_is_there_is_forgotten(store, here):
    image = write_image(here.layout, b"image")
    assert store.referrers(image.digest) == ()
    put(store, here, "image")
    own = attach_text(store, image.digest, "one")
    assert [each.digest for each in store.referrers(image.digest)] == [own.digest]


def test_artifact_about_another_image_is_not_attached(store, here):
    image = put(store, here, "image")
    with pytest.raises(RefusedError):
        store.attach(here.read(image.digest, 1 << 20), Digest.of(b"another"))


def test_blobs_that_are_missing_or_of_another_size_are_told(store):
    blob = store.write(b"blob", "text/plain")
    store.check([blob])
    with pytest.raises(StoreError):
        store.check([blob, Descriptor(media_type="text/plain", digest=Digest.of(b"none"), size=4)])
    with pytest.raises(StoreError):
        store.check([Descriptor(media_type="text/plain", digest=blob.digest, size=5)])


def test_damaged_blob_is_not_taken(store, here):
    blob = here.write(b"whole", "text/plain")
    here.layout.path(blob.digest).write_bytes(b"wrong")
    with pytest.raises((RefusedError, DigestError)):
        store.take([blob], here)
    assert not store.has(blob.digest)


def test_place_names_no_folder_of_this_machine(store, stores):
    assert store.place.startswith(("oci-layout:", "oci://"))
    assert str(stores.data) not in store.place
    assert (store.folder is None) == store.place.startswith("oci://")


def test_damaged_blob_of_a_layout_is_replaced(stores, here):
    store = stores.layout()
    blob = here.write(b"whole", "text/plain")
    path = store.layout.path(blob.digest)
    path.write_bytes(b"wrong")
    store.take([blob], here)
    assert path.read_bytes() == b"whole"


@pytest.mark.parametrize(("mode", "is_linked"), [(0o644, True), (0o664, False), (0o646, False)])
def test_blob_is_linked_only_where_nobody_else_may_write_it(stores, here, mode, is_linked):
    store = stores.layout()
    blob = here.write(b"blob", "text/plain")
    path = here.layout.path(blob.digest)
    path.chmod(mode)
    store.take([blob], here)
    assert path.samefile(store.layout.path(blob.digest)) == is_linked


def test_layout_is_not_made_by_who_reads_only(stores):
    opened = open_stage_store(stage("none"), "web", stores.data, connections=stores.connections, make=False)
    assert opened.tagged(LIVE) is None
    assert opened.tags() == ()
    assert not stores.data.exists()


def test_layout_of_a_stage_lies_where_the_stage_says(stores, tmp_path):
    of = stage("dev", "oci:images")
    opened = open_stage_store(of, "web", stores.data, connections=stores.connections, directory=tmp_path)
    assert opened.folder == tmp_path / "images" / "web"
    assert opened.place == "oci-layout:dev/web"
    assert Layout.existing(tmp_path / "images" / "web").manifests() == ()


@pytest.mark.parametrize("store", ["registry.example.org/prod:1", "registry.example.org/prod@sha256:00", "nowhere"])
def test_store_that_is_none_is_refused(stores, store):
    with pytest.raises(SpecError):
        stores.open(stage("prod", store))
