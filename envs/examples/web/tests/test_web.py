"""Talk to the service as its users do: over HTTP where there is a loopback interface, and directly everywhere."""

import io
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

sys.path.insert(0, "/srv/web")
import notes  # noqa: E402


def call(method, path, body=b""):
    seen = {}

    def start_response(status, headers):
        seen.update(status=status, headers=dict(headers))

    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    body = b"".join(notes.app(environ, start_response))
    return body, seen["status"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.setattr(notes, "FOLDER", tmp_path / "notes")


def test_health_is_ok():
    assert call("GET", "/healthz") == (b'{"status": "ok"}', "200 OK")


def test_unknown_page_is_not_found():
    assert call("GET", "/nothing")[1] == "404 Not Found"


@pytest.mark.parametrize("text", ["plain", "Grüße", "\u4f60\u597d", ""])
def test_note_comes_back_as_written(text):
    assert call("PUT", "/notes/a", text.encode())[1] == "201 Created"
    assert json.loads(call("GET", "/notes/a")[0])["text"] == text


def test_notes_are_listed_in_order():
    for name in ("b", "c", "a"):
        call("PUT", f"/notes/{name}", b"x")
    assert json.loads(call("GET", "/notes")[0]) == {"notes": ["a", "b", "c"]}


def test_deleted_note_is_gone():
    call("PUT", "/notes/a", b"x")
    assert call("DELETE", "/notes/a")[1] == "200 OK"
    assert call("GET", "/notes/a")[1] == "404 Not Found"


def test_note_that_is_no_utf8_is_refused():
    assert call("PUT", "/notes/a", b"\xff")[1] == "400 Bad Request"


def test_large_note_is_refused():
    assert call("PUT", "/notes/a", b"x" * 65537)[1] == "413 Content Too Large"


@pytest.mark.parametrize("name", ["../etc", "A", "a" * 65, ""])
def test_strange_name_is_not_found(name):
    assert call("PUT", f"/notes/{name}", b"x")[1] == "404 Not Found"


def loopback_is_up():
    """Without any network the service still starts and ends cleanly; only the requests cannot be made."""
    with open("/sys/class/net/lo/flags") as file:
        return int(file.read(), 16) & 1


def test_service_answers_over_http_and_ends_on_sigterm(tmp_path):
    environment = dict(os.environ, PORT="0", NOTES_FOLDER=str(tmp_path / "served"))
    server = subprocess.Popen([sys.executable, "/srv/web/serve.py"], stdout=subprocess.PIPE, env=environment)
    try:
        port = int(server.stdout.readline().split()[-1])
        if loopback_is_up():
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            url = f"http://127.0.0.1:{port}"
            request = urllib.request.Request(f"{url}/notes/a", data="hällo".encode(), method="PUT")
            assert opener.open(request, timeout=10).status == 201
            assert json.load(opener.open(f"{url}/notes/a", timeout=10))["text"] == "hällo"
            with pytest.raises(urllib.error.HTTPError):
                opener.open(f"{url}/notes/none", timeout=10)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=10) == 0
        server.stdout.close()
