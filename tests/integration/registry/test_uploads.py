"""Blobs on their way into a repository: in parts, from another repository, or not at all; nothing half-sent is left."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.declare.errors import FetchError
from pipeline.registry import repository
from pipeline.registry.push import push_image
from pipeline.registry.registry import Registry
from pipeline.registry.retry import Patience
from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.oci.descriptor import INDEX, MANIFEST, Descriptor
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.remote import parse_remote

PART = 1 << 20

pytestmark = pytest.mark.usefixtures("small_parts")


def steps(simulated, method):
    return [path for verb, path in simulated.asked if verb == method]


def test_large_blob_goes_in_parts_and_small_ones_whole(simulated, hands):
    hands.push(simulated.address, "app")
    hands.check_whole(simulated.address, "app")
    assert len(steps(simulated, "PATCH")) == 3
    assert len(steps(simulated, "POST")) == len(steps(simulated, "PUT")) - 1 == 3
    assert simulated.received == hands.size


def test_parts_are_as_large_as_the_registry_wants_at_least(simulated, hands):
    simulated.least = 2 * PART
    hands.push(simulated.address, "app")
    hands.check_whole(simulated.address, "app")
    assert len(steps(simulated, "PATCH")) == 2


def test_image_that_is_there_is_not_sent_again(simulated, hands):
    hands.push(simulated.address, "app")
    received = simulated.received
    hands.push(simulated.address, "app")
    assert simulated.received == received
    assert len(steps(simulated, "POST")) == 3


@pytest.mark.parametrize("kind", ["debian", "simulated"])
def test_image_of_a_repository_beside_is_taken_from_there_without_being_sent(kind, request, hands):
    place = request.getfixturevalue(kind)
    address, first, second = place.address, f"dev/{uuid.uuid4().hex}", f"prod/{uuid.uuid4().hex}"
    hands.push(address, first)
    source = Registry(parse_remote(f"{address}/{first}:1"), hands.connections)
    for each in source.find("amd64"), *hands.there.digests():
        hands.there.path(each).unlink(missing_ok=True)  # Nothing can be sent from here any more.
    remote = parse_remote(f"{address}/{second}:1")
    push_image(hands.image, source, remote, hands.connections, patience=hands.patience)
    assert Registry(remote, hands.connections).find("amd64") == hands.image
    if kind == "simulated":
        assert place.received == hands.size


def test_blob_that_cannot_be_taken_from_beside_is_sent(simulated, hands):
    hands.push(simulated.address, "dev")
    source = Registry(parse_remote(f"{simulated.address}/dev:1"), hands.connections)
    source.find("amd64")
    push_image(hands.image, Elsewhere(source, "gone"), parse_remote(f"{simulated.address}/prod:1"), hands.connections)
    assert simulated.blobs["prod"] == simulated.blobs["dev"]
    assert simulated.received == 2 * hands.size
    assert simulated.uploads == {}


class Elsewhere(Registry):
    """A registry's repository that says another name than it has, as one whose blobs may not be mounted."""

    def __init__(self, registry, name):
        super().__init__(registry.remote, registry._connections)
        self._registry = registry
        self.remote = parse_remote(f"{registry.remote.host}/{name}:1")

    def open(self, digest):
        return self._registry.open(digest)

    def read(self, digest, limit):
        return self._registry.read(digest, limit)

    def manifest(self, name=""):
        return self._registry.manifest(name)


def test_index_is_put_after_all_that_it_lists(simulated, hands, make):
    other = make(hands.there, b"another")
    listed = [
        Descriptor(
            media_type=MANIFEST,
            digest=each,
            size=hands.there.path(each).stat().st_size,
            platform={"os": "linux", "architecture": architecture},
        ).to_json()
        for each, architecture in ((hands.image, "amd64"), (other, "arm64"))
    ]
    raw = to_canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
    digest = hands.there.write(raw, INDEX).digest
    remote = parse_remote(f"{simulated.address}/app:1")
    push_image(digest, hands.there, remote, hands.connections)
    put = [path.rpartition("/")[2] for path in steps(simulated, "PUT") if "manifests" in path]
    assert put == [hands.image.text, other.text, "1"]
    registry = Registry(remote, hands.connections)
    assert registry.manifest() == raw
    assert (registry.find("amd64"), registry.find("arm64")) == (hands.image, other)


@pytest.mark.parametrize("kind", ["debian", "simulated"])
@pytest.mark.parametrize("change", [b"x", b""], ids=["swapped", "truncated"])
def test_layer_that_is_not_its_digest_leaves_no_upload(kind, request, hands, change):
    place, name = request.getfixturevalue(kind), f"bad/{uuid.uuid4().hex}"
    large = max(hands.there.digests(), key=lambda each: hands.there.path(each).stat().st_size)
    path = hands.there.path(large)
    path.write_bytes(path.read_bytes()[:-1] + change)
    with pytest.raises(RefusedError) as caught:
        hands.push(place.address, name)
    assert caught.value.reason is (Refusal.BLOB_DIGEST if change else Refusal.BLOB_SIZE)
    left = place.uploads(name) if kind == "debian" else set(place.uploads)
    assert left == set()


def test_failure_of_one_blob_gives_up_the_others_and_deletes_what_was_sent_of_them(simulated, hands, make, proxied):
    layers = [bytes([number]) * (6 * PART) for number in range(4)]
    image = make(hands.there, *layers)
    hands.there.path(Digest.of(layers[3])).write_bytes(b"short")
    with pytest.raises(RefusedError):
        push_image(image, hands.there, parse_remote(f"{simulated.address}/app:1"), hands.connections)
    assert simulated.uploads == {}
    assert "app" not in simulated.manifests


def test_registry_that_stays_busy_is_given_up_and_nothing_is_left(simulated, hands, proxied, waited):
    proxy = proxied(simulated.address, "429", "PATCH upload", 1)
    proxy.lasting = True
    with pytest.raises(FetchError, match="not able to answer now"):
        hands.push(proxy.address, "app")
    assert sum(waited) == 3.0  # Three times what Retry-After says; by itself it would be 1.75.
    assert simulated.uploads == {}


def test_failure_of_one_blob_ends_the_waiting_of_others(simulated, hands, make, proxied):
    simulated.retry_after = "100"
    image = make(hands.there, bytes(3 * PART), b"wrong")
    hands.there.path(Digest.of(b"wrong")).write_bytes(b"other")
    remote, began = parse_remote(f"{simulated.address}/app:1"), time.monotonic()
    with pytest.raises((RefusedError, FetchError)):
        push_image(image, hands.there, remote, hands.connections, patience=Patience())
    assert time.monotonic() - began < 20
    assert simulated.uploads == {}


def test_upload_that_is_interrupted_by_its_caller_is_deleted(simulated, hands, monkeypatch):
    began = threading.Event()

    def interrupted(blocks):
        yield next(blocks)
        began.set()
        raise KeyboardInterrupt

    read = repository.verified
    monkeypatch.setattr(repository, "verified", lambda blob, source: interrupted(read(blob, source)))
    with pytest.raises(KeyboardInterrupt):
        hands.push(simulated.address, "app")
    assert began.is_set()
    assert simulated.uploads == {}


def test_many_pushes_at_once_of_one_image_are_all_whole(debian, hands):
    hands.patience = Patience()  # this registry fails where one tag is put by two at a time: they wait, and come again
    name = f"many/{uuid.uuid4().hex}"
    with ThreadPoolExecutor(6) as threads:
        for each in [threads.submit(hands.push, debian.address, name) for _ in range(6)]:
            each.result()
    hands.check_whole(debian.address, name)
    assert debian.uploads(name) == set()
