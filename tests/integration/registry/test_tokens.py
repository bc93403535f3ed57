"""Tokens: asked for once by all threads, again when they expire, and by an identity token where docker keeps one."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.declare.errors import FetchError
from pipeline.registry.access import Access
from pipeline.registry.http import Connections
from pipeline.registry.registry import Registry
from pipeline.registry.repository import Repository
from runtime.digest import Digest
from runtime.oci.remote import parse_remote

BLOB = b"blob"


class Demanding:
    """A registry that lets in whoever has its newest token, which it gives out one after the other."""

    def __init__(self):
        self.tokens, self.lives, self.asked, self.refuse = 0, 1 << 30, [], b""
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                with outer.lock:
                    outer.answer(self, b"")

            def do_POST(self):
                with outer.lock:
                    outer.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"

    def answer(self, request, body):
        parts = urlsplit(request.path)
        if parts.path == "/token":
            self.tokens, self.used = self.tokens + 1, 0
            self.asked.append((request.command, parse_qs(body.decode() or parts.query), request.headers))
            return self.send(request, 200, json.dumps({"access_token": f"token{self.tokens}"}).encode())
        if self.refuse:
            return self.send(request, 403, self.refuse, {"Content-Type": "application/json"})
        self.used = getattr(self, "used", 0) + 1
        if request.headers.get("Authorization") != f"Bearer token{self.tokens}" or self.used > self.lives:
            realm = f'Bearer realm="http://{self.address}/token",service="here"'
            return self.send(request, 401, b"", {"WWW-Authenticate": realm})
        return self.send(request, 200, BLOB)

    def send(self, request, status, content, headers=None):
        request.send_response(status)
        for key, value in (headers or {}).items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)


@pytest.fixture
def demanding():
    opened = Demanding()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


def read(registry):
    return registry.read(Digest.of(BLOB), 100)


def test_threads_that_begin_together_ask_for_one_token(demanding, connections):
    registry = Registry(parse_remote(f"{demanding.address}/app:1"), connections)
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: read(registry), range(8))) == {BLOB}
    assert demanding.tokens == 1


def test_token_that_has_expired_is_asked_for_again(demanding, connections):
    demanding.lives = 3
    registry = Registry(parse_remote(f"{demanding.address}/app:1"), connections)
    assert {read(registry) for _ in range(10)} == {BLOB}
    assert demanding.tokens == 4


def test_token_that_is_never_accepted_is_asked_for_once(demanding, connections):
    demanding.lives = 0
    registry = Registry(parse_remote(f"{demanding.address}/app:1"), connections)
    with pytest.raises(FetchError, match="access is refused"):
        read(registry)
    assert demanding.tokens == 1


def test_repositories_that_are_read_beside_are_asked_for_with_the_same_token(demanding, connections):
    repository = Repository(parse_remote(f"{demanding.address}/prod:1"), connections, others=("dev",))
    read(repository)
    ((_, query, _),) = demanding.asked
    assert query["scope"] == ["repository:prod:pull,push", "repository:dev:pull"]


def test_identity_token_is_given_in_a_form_and_never_as_a_password(demanding, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"auths": {demanding.address: {"identitytoken": "identity"}}}))
    connections = Connections(Access(registry_files=(file,)), size=1)
    try:
        assert read(Registry(parse_remote(f"{demanding.address}/app:1"), connections)) == BLOB
    finally:
        connections.close()
    ((method, form, headers),) = demanding.asked
    assert (method, form["grant_type"], form["refresh_token"]) == ("POST", ["refresh_token"], ["identity"])
    assert (form["scope"], form["service"]) == (["repository:app:pull"], ["here"])
    assert headers.get("Authorization") is None


def test_codes_of_a_refusal_are_told(demanding, connections):
    demanding.refuse = json.dumps({"errors": [{"code": "DENIED", "message": "this project is\x1b[2J closed"}]}).encode()
    with pytest.raises(FetchError, match=r"HTTP 403: DENIED: this project is\?\[2J closed"):
        read(Registry(parse_remote(f"{demanding.address}/app:1"), connections))
