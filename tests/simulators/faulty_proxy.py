"""A proxy before a registry that does one thing wrong, with the request that a test names; all else it hands on.

It goes by the name that the client called, so that the registry's own URLs lead through it too.
"""

import contextlib
import re
import socket
import threading
import time
from email.utils import formatdate
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = (
    "cut-before",
    "cut-request",
    "cut-answer",
    "half-answer",
    "delay",
    "429",
    "500",
    "503-date",
    "duplicate-first",
    "duplicate-second",
)
"""What is done wrong: the connection ends before anything is handed on, in the middle of the request, before the answer
or in the middle of it; the request waits, is refused for a moment, or is handed on twice."""

HARMING = ("cut-request", "cut-answer", "half-answer", "duplicate-second")
"""After these, the client does not know what the registry knows of an upload."""

_UPLOAD = re.compile(r"/blobs/uploads/([^/?]+)")
_DELAY = 0.2


def step_of(method, path):
    """Return what a request is: its method, and what it is about."""
    if "/blobs/uploads/" in path:
        about = "upload"
    else:
        about = next((each for each in ("blobs", "manifests", "tags", "referrers") if f"/{each}/" in path), "other")
    return f"{method} {about}"


class FaultyProxy:
    """One before the registry of an address, until it is closed.

    Attributes:
        harmed: the uploads of which the client was not told what became of them.
        lasting: whether all later requests of the step meet the fault too.
        held: set once a request is held.
        busy: how many requests are under way.
        is_away: whether every request is cut, as since an outage.
        done: how often the fault was done.
        seen: the steps of all requests, in order.
    """

    def __init__(self, address):
        self.target = address
        self.fault, self.step, self.turn = "", "", 0
        self.lasting = self.is_away = False
        self.seen, self.harmed, self.done, self.busy = [], set(), 0, 0
        self.lock, self.held = threading.Lock(), threading.Event()
        outer = self

        class Handler(_Handler):
            proxy = outer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"

    def plan(self, fault, step, turn):
        """Do wrong what the request of a step is, the first being 1; later ones are handed on."""
        self.fault, self.step, self.turn = fault, step, turn
        self.seen, self.harmed, self.done, self.is_away = [], set(), 0, False
        self.held.clear()

    def wait_until_held(self):
        """Wait until a request is held, and no other has been under way for a moment."""
        assert self.held.wait(30), self.seen
        quiet = 0
        for _ in range(1000):
            time.sleep(0.03)
            quiet = quiet + 1 if self.busy == 1 else 0
            if quiet == 10:
                return
        raise AssertionError(f"{self.busy} requests are under way")

    @contextlib.contextmanager
    def under_way(self):
        with self.lock:
            self.busy += 1
        try:
            yield
        finally:
            with self.lock:
                self.busy -= 1

    def fault_of(self, step):
        with self.lock:
            self.seen.append(step)
            count = self.seen.count(step)
            if step == self.step and (count >= self.turn if self.lasting else count == self.turn):
                self.done += 1
                return self.fault
        return "cut-before" if self.is_away else ""

    def harm(self, text):
        with self.lock:
            self.harmed |= set(_UPLOAD.findall(text))

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: FaultyProxy

    def log_message(self, *_):
        pass

    def answer_any(self):
        with self.proxy.under_way():
            self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = self.proxy.fault_of(step_of(self.command, self.path))
            if fault in HARMING:
                self.proxy.harm(self.path)
            getattr(self, f"do_{fault.replace('-', '_')}" if fault else "hand_on")()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer_any  # noqa: N815

    def hand_on(self):
        self.answer(*self.ask())

    def do_cut_before(self):
        self.cut()

    def do_outage(self):
        """Cut the request, and all that follow."""
        self.proxy.is_away = True
        self.cut()

    def do_cut_request(self):
        host, _, port = self.proxy.target.partition(":")
        with socket.create_connection((host, int(port))) as upstream:
            headers = "".join(f"{key}: {value}\r\n" for key, value in self.headers.items())
            request = f"{self.command} {self.path} HTTP/1.1\r\n{headers}\r\n".encode()
            # Without a body it is the first line that ends early.
            request = request + self.body[: len(self.body) // 2] if self.body else request[: len(self.path)]
            upstream.sendall(request)
            time.sleep(0.05)
        time.sleep(0.05)
        self.cut()

    def do_cut_answer(self):
        self.swallow()
        self.cut()

    def do_half_answer(self):
        status, headers, content = self.swallow()
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers)
        whole = f"HTTP/1.1 {status} x\r\n{lines}\r\n".encode() + content
        self.wfile.write(whole[: len(whole) // 2])
        self.cut()

    def do_delay(self):
        time.sleep(_DELAY)
        self.hand_on()

    def do_hold(self):
        """Hand nothing on, and answer nothing; the client is killed meanwhile."""
        self.proxy.held.set()
        self.close_connection = True
        self.connection.recv(1)

    def do_429(self):
        self.answer(429, [("Retry-After", "1"), ("Content-Length", "0")], b"")

    def do_500(self):
        self.answer(500, [("Content-Length", "0")], b"")

    def do_503_date(self):
        self.answer(503, [("Retry-After", formatdate(time.time() + 2, usegmt=True)), ("Content-Length", "0")], b"")

    def do_duplicate_first(self):
        first = self.ask()
        self.swallow()
        self.answer(*first)

    def do_duplicate_second(self):
        self.swallow()
        self.hand_on()

    def swallow(self):
        """Hand a request on whose answer the client does not get; an upload that it begins is nobody's."""
        answer = self.ask()
        if self.command == "POST":
            self.proxy.harm(dict(answer[1]).get("Location", ""))
        return answer

    def ask(self):
        connection = HTTPConnection(self.proxy.target, timeout=30)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for key, value in self.headers.items():
                if key.lower() != "connection":
                    connection.putheader(key, value)
            connection.endheaders(self.body or None)
            response = connection.getresponse()
            content = response.read()
            return response.status, response.getheaders(), content
        finally:
            connection.close()

    def answer(self, status, headers, content):
        self.send_response_only(status)
        for key, value in headers:
            if key.lower() not in {"connection", "transfer-encoding"}:
                self.send_header(key, value)
        if status != 204 and self.command != "HEAD" and not any(key.lower() == "content-length" for key, _ in headers):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def cut(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
