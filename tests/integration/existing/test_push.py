"""What is put into a registry is the image of its digest there, whole, or nothing of that name."""

import contextlib
import json
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.declare.errors import FetchError
from pipeline.registry.access import Access
from pipeline.registry.http import Connections
from pipeline.registry.push import push_image
from pipeline.registry.registry import Registry
from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.copy import copy_image
from runtime.oci.descriptor import CONFIG, LAYER_TAR, MANIFEST
from runtime.oci.layout import Layout
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.remote import parse_remote

LARGE = b"layer" * 700_000
"""More than is read at once."""


@pytest.fixture
def connections():
    opened = Connections(Access(), size=1)
    yield opened
    opened.close()


@pytest.fixture
def there(tmp_path):
    return Layout(tmp_path / "there")


def made(layout, *layers):
    """Write an image whose manifest is not canonical: no other program may write it anew."""
    described = [layout.write(each, LAYER_TAR).to_json() for each in layers]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [each["digest"] for each in described]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.write(to_canonical_json(config), CONFIG).to_json(),
        "layers": described,
    }
    return layout.write(json.dumps(manifest, indent=5).encode(), MANIFEST).digest


def status(registry, path):
    with contextlib.closing(HTTPConnection(registry, timeout=20)) as connection:
        connection.request("HEAD", path, headers={"Accept": MANIFEST})
        return connection.getresponse().status


def test_image_that_was_put_is_found_by_its_tag_and_has_every_byte(registry, connections, there, tmp_path):
    digest = made(there, b"small", LARGE)
    remote = parse_remote(f"{registry}/put/whole:1")
    push_image(digest, there, remote, connections)
    source, here = Registry(remote, connections), Layout(tmp_path / "here")
    assert source.find("amd64") == digest
    assert copy_image(digest, source, here).digest == digest
    assert here.digests() == there.digests()
    assert here.verify() == 4


def test_image_that_is_put_again_sends_no_layer(registry, connections, there):
    digest = made(there, b"once")
    push_image(digest, there, parse_remote(f"{registry}/put/again:1"), connections)
    there.path(Digest.of(b"once")).unlink()
    push_image(digest, there, parse_remote(f"{registry}/put/again:2"), connections)
    assert status(registry, "/v2/put/again/manifests/2") == 200


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"shor", Refusal.BLOB_SIZE), (b"shorts", Refusal.BLOB_SIZE), (b"shirt", Refusal.BLOB_DIGEST)],
    ids=["truncated", "longer", "swapped"],
)
def test_layer_that_is_not_what_the_manifest_says_leaves_nothing_of_that_name(
    registry, connections, there, content, reason
):
    digest = made(there, b"short")
    there.path(Digest.of(b"short")).write_bytes(content)
    name = f"put/{len(content)}-{reason.name.lower().replace('_', '-')}"
    with pytest.raises(RefusedError) as caught:
        push_image(digest, there, parse_remote(f"{registry}/{name}:1"), connections)
    assert caught.value.reason is reason
    assert status(registry, f"/v2/{name}/manifests/1") == 404
    assert status(registry, f"/v2/{name}/blobs/{Digest.of(b'short')}") == 404


def test_name_that_pins_another_digest_is_refused_before_any_request(connections, there):
    digest = made(there, b"one")
    with pytest.raises(StoreError, match="names another image"):
        push_image(digest, there, parse_remote(f"localhost:1/put@{Digest.of(b'other')}"), connections)


def test_registry_that_is_not_there_is_named(connections, there):
    with pytest.raises(FetchError, match=r"localhost:1/put:1 cannot be put into its registry: .*refused"):
        push_image(made(there, b"one"), there, parse_remote("localhost:1/put:1"), connections)


class Demanding(BaseHTTPRequestHandler):
    """Takes an image from whoever has a token to push; gives back the manifest that the test says."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        parts = urlsplit(self.path)
        if parts.path == "/token":
            self.server.scopes += parse_qs(parts.query)["scope"]
            return self.answer(200, b'{"token": "good"}')
        return self.answer(200, self.server.manifest or self.server.put)

    def do_HEAD(self):
        self.answer(404 if self.headers["Authorization"] == "Bearer good" else 401)

    def do_POST(self):
        self.answer(202, location=self.server.location)

    def do_PUT(self):
        self.server.put = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers["Authorization"]))
        self.answer(201)

    def answer(self, code, content=b"", location=""):
        port = self.server.server_port
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        if location:
            self.send_header("Location", location)
        if code == 401:
            self.send_header("WWW-Authenticate", f'Bearer realm="http://localhost:{port}/token",service="s"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture
def demanding():
    with ThreadingHTTPServer(("127.0.0.1", 0), Demanding) as server:
        server.scopes, server.asked, server.put, server.manifest = [], [], b"", b""
        server.location = "/v2/app/up/1?state=a%2Fb"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_token_is_asked_for_pushing_and_fields_of_the_upload_stay(demanding, connections, there):
    remote = parse_remote(f"localhost:{demanding.server_port}/app:1")
    push_image(made(there, b"one"), there, remote, connections)
    assert demanding.scopes == ["repository:app:pull,push"]
    first = f"/v2/app/up/1?state=a%2Fb&digest=sha256%3A{Digest.of(b'one').hex}"
    assert (first, "Bearer good") in demanding.asked[:2]  # the two blobs go at once


def test_token_is_not_given_to_another_server_that_blobs_go_to(demanding, connections, there):
    demanding.location = f"http://127.0.0.1:{demanding.server_port}/up"
    remote = parse_remote(f"localhost:{demanding.server_port}/app:1")
    push_image(made(there, b"one"), there, remote, connections)
    assert [each[1] for each in demanding.asked] == [None, None, "Bearer good"]


@pytest.mark.parametrize("location", ["", "ftp://localhost/up"])
def test_upload_without_a_place_is_refused(demanding, connections, there, location):
    demanding.location = location
    remote = parse_remote(f"localhost:{demanding.server_port}/app:1")
    with pytest.raises(FetchError, match="no place for it"):
        push_image(made(there, b"one"), there, remote, connections)
    assert demanding.asked == []


def test_manifest_that_the_registry_wrote_anew_is_refused(demanding, connections, there):
    demanding.manifest = b"{}"
    remote = parse_remote(f"localhost:{demanding.server_port}/app:1")
    with pytest.raises(RefusedError) as caught:
        push_image(made(there, b"one"), there, remote, connections)
    assert caught.value.reason is Refusal.BLOB_DIGEST
