"""A small registry in memory, as the distribution specification has it, with what Debian's docker-registry has not.

An upload keeps one address, so that it can be resumed and deleted after any interruption; referrers are listed; lists
come in pages; manifests are put under conditions, where that is asked for. It notes what it was asked, and how many
bytes of blobs it was sent.
"""

import contextlib
import hashlib
import json
import re
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

UPLOAD = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<key>[^/]*)")
BLOB = re.compile(r"/v2/(?P<name>.+)/blobs/(?P<digest>[^/]+)")
MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<tag>[^/]+)")
TAGS = re.compile(r"/v2/(?P<name>.+)/tags/list")
REFERRERS = re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>[^/]+)")
INDEX = "application/vnd.oci.image.index.v1+json"


class SimulatedRegistry:
    """One on loopback, until it is closed."""

    def __init__(self, *, has_referrers=True, page=1000, least=0, has_conditions=False):
        self.has_referrers, self.page, self.least = has_referrers, page, least
        self.has_conditions = has_conditions
        self.elsewhere, self.endless = "", False  # lists that go on at another server, or for ever
        self.retry_after = ""  # of parts, which are not taken then
        self.redirects = False  # whether blobs are had from another place
        self.blobs, self.manifests, self.uploads = {}, {}, {}
        self.asked, self.received = [], 0
        self.lock = threading.Lock()
        outer = self

        class Handler(_Handler):
            registry = outer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    registry: SimulatedRegistry

    def log_message(self, *_):
        pass

    def answer_any(self):
        self.parts = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(self.parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        self.is_whole = len(self.body) == length
        with self.registry.lock:
            self.registry.asked.append((self.command, self.parts.path))
            for form, kind in (
                (UPLOAD, "upload"),
                (BLOB, "blob"),
                (MANIFEST, "manifest"),
                (TAGS, "tags"),
                (REFERRERS, "referrers"),
            ):
                match = form.fullmatch(self.parts.path)
                if match:
                    getattr(self, f"{kind}_{self.command.lower()}", self.unknown)(**match.groupdict())
                    return
            self.unknown()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer_any  # noqa: N815

    def unknown(self, **_):
        self.problem(404, "UNSUPPORTED", "there is nothing of that kind")

    def upload_post(self, name, **_):
        digest = self.query.get("mount")
        if digest and digest in self.registry.blobs.get(self.query.get("from"), {}):
            self.registry.blobs.setdefault(name, {})[digest] = self.registry.blobs[self.query["from"]][digest]
            return self.send(201, Location=f"/v2/{name}/blobs/{digest}")
        key = uuid.uuid4().hex
        self.registry.uploads[key] = bytearray()
        more = {"OCI-Chunk-Min-Length": str(self.registry.least)} if self.registry.least else {}
        return self.send(202, Location=f"/v2/{name}/blobs/uploads/{key}", Range="0-0", **more)

    def upload_patch(self, key, **_):
        sent = self.registry.uploads.get(key)
        if sent is None:
            return self.problem(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
        if self.registry.retry_after:
            return self.send(429, **{"Retry-After": self.registry.retry_after})
        first = int(self.headers["Content-Range"].partition("-")[0])
        if first != len(sent):
            return self.send(416, Range=f"0-{max(0, len(sent) - 1)}", Location=self.parts.path)
        sent += self.body
        self.registry.received += len(self.body)
        return self.send(202, Range=f"0-{max(0, len(sent) - 1)}", Location=self.parts.path)

    def upload_get(self, key, **_):
        sent = self.registry.uploads.get(key)
        if sent is None:
            return self.problem(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
        return self.send(204, Range=f"0-{max(0, len(sent) - 1)}", Location=self.parts.path)

    def upload_put(self, name, key):
        sent = self.registry.uploads.get(key)
        if sent is None:
            return self.problem(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
        sent += self.body
        self.registry.received += len(self.body)
        if not self.is_whole:
            return None
        del self.registry.uploads[key]
        found = f"sha256:{hashlib.sha256(sent).hexdigest()}"
        if found != self.query["digest"]:
            return self.problem(400, "DIGEST_INVALID", f"it is {found}")
        self.registry.blobs.setdefault(name, {})[found] = bytes(sent)
        return self.send(201, Location=f"/v2/{name}/blobs/{found}")

    def upload_delete(self, key, **_):
        gone = self.registry.uploads.pop(key, None)
        return self.send(204) if gone is not None else self.problem(404, "BLOB_UPLOAD_UNKNOWN", "no such upload")

    def blob_get(self, name, digest):
        content = self.registry.blobs.get(name, {}).get(digest)
        if content is None:
            return self.problem(404, "BLOB_UNKNOWN", "there is no such blob")
        if self.registry.redirects and "there" not in self.query:
            return self.send(307, Location=f"{self.parts.path}?there=1")
        first = re.fullmatch(r"bytes=([0-9]+)-", self.headers.get("Range", ""))
        if first is None:
            return self.send(200, content)
        start = int(first[1])
        return self.send(206, content[start:], **{"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"})

    blob_head = blob_get

    def manifest_put(self, name, tag):
        if not self.is_whole:
            return None
        document = json.loads(self.body)
        digest = f"sha256:{hashlib.sha256(self.body).hexdigest()}"
        wanted = [each["digest"] for each in (*document.get("layers", ()), *filter(None, [document.get("config")]))]
        missing = [each for each in wanted if each not in self.registry.blobs.get(name, {})]
        if missing:
            return self.problem(400, "MANIFEST_BLOB_UNKNOWN", f"{missing[0]} is not here")
        if self.registry.has_conditions and not self.holds(self.registry.manifests.get(name, {}).get(tag)):
            return self.problem(412, "DENIED", "the condition does not hold")
        for key in (tag, digest):
            self.registry.manifests.setdefault(name, {})[key] = (self.body, self.headers["Content-Type"])
        subject = document.get("subject", {}).get("digest") if self.registry.has_referrers else None
        return self.send(201, **({"OCI-Subject": subject} if subject else {}))

    def holds(self, there):
        """Tell whether the condition of a request holds."""
        found = self.entity_tag(there[0]) if there else None
        if "If-Match" in self.headers:
            return found == self.headers["If-Match"]
        return there is None or self.headers.get("If-None-Match") != "*"

    def entity_tag(self, content):
        return f'"{hashlib.sha256(content).hexdigest()[:20]}"'

    def manifest_get(self, name, tag):
        content, kind = self.registry.manifests.get(name, {}).get(tag, (None, ""))
        if content is None:
            return self.problem(404, "MANIFEST_UNKNOWN", "there is no such manifest")
        return self.send(200, content, **{"Content-Type": kind, "ETag": self.entity_tag(content)})

    manifest_head = manifest_get

    def tags_get(self, name):
        tags = sorted(each for each in self.registry.manifests.get(name, {}) if ":" not in each)
        return self.paged(tags, lambda some: {"name": name, "tags": some}, "application/json")

    def referrers_get(self, name, digest):
        if not self.registry.has_referrers or name not in self.registry.manifests:
            return self.unknown()
        found = []
        for key, (content, kind) in sorted(self.registry.manifests.get(name, {}).items()):
            document = json.loads(content)
            if ":" in key and document.get("subject", {}).get("digest") == digest:
                about = {"artifactType": document["artifactType"], "annotations": document.get("annotations", {})}
                found.append({"mediaType": kind, "digest": key, "size": len(content), **about})
        return self.paged(found, lambda some: {"schemaVersion": 2, "mediaType": INDEX, "manifests": some}, INDEX)

    def paged(self, listed, document, kind):
        start = int(self.query.get("from", 0))
        end = start + self.registry.page
        goes_on = end < len(listed) or self.registry.endless
        link = f'<{self.registry.elsewhere}{self.parts.path}?from={end}>; rel="next"'
        more = {"Link": link} if goes_on else {}
        return self.send(200, json.dumps(document(listed[start:end])).encode(), **{"Content-Type": kind, **more})

    def problem(self, status, code, message):
        content = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        return self.send(status, content, **{"Content-Type": "application/json"})

    def send(self, status, content=b"", **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        with contextlib.suppress(ConnectionError):  # The client may be gone by now.
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
