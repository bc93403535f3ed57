"""What a registry answers is not trusted: tokens go to whom they are for, and bytes are those of their digest."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.declare.errors import FetchError
from pipeline.registry.access import Access
from pipeline.registry.http import Connections
from pipeline.registry.registry import Registry
from runtime.digest import Digest
from runtime.errors import ImageError, StoreError
from runtime.oci.copy import copy_image
from runtime.oci.descriptor import CONFIG, INDEX, LAYER_TAR, MANIFEST
from runtime.oci.layout import Layout
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.remote import parse_remote

LAYER = b"layer" * 1000
CONFIG_RAW = json.dumps(
    {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [Digest.of(LAYER).text]}}
).encode()


def described(raw, kind, **more):
    return {"mediaType": kind, "digest": Digest.of(raw).text, "size": len(raw), **more}


MANIFEST_RAW = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(CONFIG_RAW, CONFIG),
        "layers": [described(LAYER, LAYER_TAR)],
    },
    indent=3,
).encode()
INDEX_RAW = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            described(MANIFEST_RAW, MANIFEST, platform={"os": "linux", "architecture": "amd64"}),
            described(b"attestation", MANIFEST, platform={"os": "unknown", "architecture": "unknown"}),
        ],
    }
).encode()


class Simulated:
    """A registry of one repository, ``team/app``, and what it is to do wrong; it notes what it was asked, and how."""

    def __init__(self):
        self.pages = {
            "/v2/team/app/manifests/1": INDEX_RAW,
            **{f"/v2/team/app/manifests/{Digest.of(each)}": each for each in (INDEX_RAW, MANIFEST_RAW)},
            **{f"/v2/team/app/blobs/{Digest.of(each)}": each for each in (CONFIG_RAW, LAYER)},
        }
        self.demanded = ""
        self.realm = ""
        self.moved = {}
        self.lengths = {}
        self.asked = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.answer(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.remote = parse_remote(f"{self.host}/team/app:1")

    def answer(self, request):
        parts, given = urlsplit(request.path), request.headers.get("Authorization", "")
        self.asked.append((parts.path, given))
        if parts.path == "/token":
            asked = parse_qs(parts.query)
            is_right = asked == {"scope": ["repository:team/app:pull"], "service": ["here"]}
            return send(request, 200, json.dumps({"token": self.demanded if is_right else "wrong"}).encode())
        if self.demanded and given != f"Bearer {self.demanded}":
            challenge = f'Bearer realm="{self.realm or f"http://{self.host}/token"}",service="here"'
            return send(request, 401, b"", {"WWW-Authenticate": challenge})
        if parts.path in self.moved:
            return send(request, 307, b"", {"Location": self.moved[parts.path]})
        content = self.pages.get(parts.path)
        if content is None:
            return send(request, 404, b"")
        return send(request, 200, content, length=self.lengths.get(parts.path))


def send(request, status, content, headers=None, length=None):
    request.send_response(status)
    for key, value in (headers or {}).items():
        request.send_header(key, value)
    request.send_header("Content-Length", str(len(content) if length is None else length))
    request.end_headers()
    request.wfile.write(content)


@pytest.fixture
def simulated():
    opened = Simulated()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


@pytest.fixture
def connections():
    opened = Connections(Access(), size=1)
    yield opened
    opened.close()


def pulled(simulated, connections, folder, architecture="amd64"):
    registry = Registry(simulated.remote, connections)
    here = Layout(folder)
    return here, copy_image(registry.find(architecture), registry, here).digest


def test_pull_by_tag_gives_the_image_of_the_architecture_byte_for_byte(simulated, connections, tmp_path):
    here, found = pulled(simulated, connections, tmp_path)
    assert found == Digest.of(MANIFEST_RAW)
    assert [here.read(Digest.of(each), 1 << 20) for each in (MANIFEST_RAW, CONFIG_RAW, LAYER)] == [
        MANIFEST_RAW,
        CONFIG_RAW,
        LAYER,
    ]


def test_other_architecture_is_refused_with_those_that_are_there(simulated, connections, tmp_path):
    with pytest.raises(ImageError, match="is for linux/amd64, and linux/arm64 is wanted"):
        pulled(simulated, connections, tmp_path, "arm64")


def test_token_is_asked_for_once_and_given_with_each_request(simulated, connections, tmp_path):
    simulated.demanded = "secret"
    pulled(simulated, connections, tmp_path)
    assert [path for path, _ in simulated.asked].count("/token") == 1
    assert simulated.asked[0] == ("/v2/team/app/manifests/1", "")
    assert {given for path, given in simulated.asked[2:]} == {"Bearer secret"}


def test_token_does_not_follow_a_redirect_to_another_server(simulated, connections, tmp_path):
    other = Simulated()
    path = f"/v2/team/app/blobs/{Digest.of(LAYER)}"
    simulated.demanded, simulated.moved = "secret", {path: f"http://{other.host}{path}"}
    try:
        pulled(simulated, connections, tmp_path)
    finally:
        other.server.shutdown()
        other.server.server_close()
    assert other.asked == [(path, "")]


def test_token_that_is_not_accepted_is_not_asked_for_again(simulated, connections, tmp_path):
    simulated.demanded = "secret"
    simulated.realm = f"http://{simulated.host}/token?more=1"
    with pytest.raises(FetchError, match="access is refused"):
        pulled(simulated, connections, tmp_path)
    assert [path for path, _ in simulated.asked].count("/token") == 1


def test_password_goes_to_the_registry_for_its_token_and_to_no_other_plain_server(simulated, tmp_path):
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {simulated.host: {"auth": "YW5uOnNlY3JldA=="}}}))
    simulated.demanded, other = "token", Simulated()
    opened = Connections(Access(registry_files=(file,)), size=1)
    try:
        pulled(simulated, opened, tmp_path / "store")
        simulated.realm, other.demanded = f"http://{other.host}/token", "token"
        pulled(simulated, opened, tmp_path / "other")
    finally:
        opened.close()
        other.server.shutdown()
        other.server.server_close()
    assert ("/token", "Basic YW5uOnNlY3JldA==") in simulated.asked
    assert other.asked == [("/token", "")]


@pytest.mark.parametrize("realm", ["ftp://127.0.0.1/token", "file:///etc/passwd", "gopher:x"])
def test_token_is_asked_for_over_http_only(simulated, connections, tmp_path, realm):
    simulated.demanded, simulated.realm = "secret", realm
    with pytest.raises(FetchError, match="another way than by a token"):
        pulled(simulated, connections, tmp_path)


@pytest.mark.parametrize("raw", [MANIFEST_RAW, CONFIG_RAW, LAYER], ids=["manifest", "config", "layer"])
def test_swapped_bytes_are_refused_and_nothing_is_named(simulated, connections, tmp_path, raw):
    for path, content in simulated.pages.items():
        if content == raw:
            simulated.pages[path] = raw[:-1] + b" "
    with pytest.raises(RefusedError) as caught:
        pulled(simulated, connections, tmp_path)
    assert caught.value.reason is Refusal.BLOB_DIGEST
    assert not Layout(tmp_path).has(Digest.of(MANIFEST_RAW))
    assert not Layout(tmp_path).has(Digest.of(raw))


def test_layer_that_ends_early_is_refused_by_name_of_what_happened(simulated, connections, tmp_path):
    path = f"/v2/team/app/blobs/{Digest.of(LAYER)}"
    simulated.pages[path], simulated.lengths[path] = LAYER[:-1], len(LAYER)
    with pytest.raises(FetchError, match="ended early"):
        pulled(simulated, connections, tmp_path)
    assert Layout(tmp_path).digests() == ()


def test_layer_that_goes_on_is_read_no_further_than_its_size(simulated, connections, tmp_path):
    simulated.pages[f"/v2/team/app/blobs/{Digest.of(LAYER)}"] = LAYER * 1000
    with pytest.raises(RefusedError) as caught:
        pulled(simulated, connections, tmp_path)
    assert caught.value.reason is Refusal.BLOB_SIZE


def test_manifest_that_is_too_long_is_refused(simulated, connections, tmp_path):
    simulated.pages["/v2/team/app/manifests/1"] = b" " * (4 << 20) + INDEX_RAW
    with pytest.raises(FetchError, match="longer than the 4194304 bytes"):
        pulled(simulated, connections, tmp_path)


def test_missing_tag_is_named(simulated, connections, tmp_path):
    del simulated.pages["/v2/team/app/manifests/1"]
    with pytest.raises(StoreError, match="the registry has no manifest 1"):
        pulled(simulated, connections, tmp_path)
