"""A small web service: notes, kept as files. WSGI, no framework."""

import json
import os
import re
import tempfile
from datetime import datetime, timezone
from pathlib import Path

FOLDER = Path(os.environ.get("NOTES_FOLDER", os.path.join(tempfile.gettempdir(), "notes")))
_NAME = re.compile(r"/notes/([a-z0-9-]{1,64})")


def app(environ, start_response):
    """Answer one request."""
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    if path == "/healthz":
        return _answer(start_response, "200 OK", {"status": "ok"})
    if path == "/notes" and method == "GET":
        return _answer(start_response, "200 OK", {"notes": _names()})
    match = _NAME.fullmatch(path)
    if not match:
        return _answer(start_response, "404 Not Found", {"error": "no such page"})
    file = FOLDER / f"{match[1]}.json"
    if method == "PUT":
        return _put(file, environ, start_response)
    if method == "GET" and file.exists():
        return _answer(start_response, "200 OK", json.loads(file.read_text(encoding="utf-8")))
    if method == "DELETE" and file.exists():
        file.unlink()
        return _answer(start_response, "200 OK", {"deleted": match[1]})
    return _answer(start_response, "404 Not Found", {"error": "no such note"})


def _names():
    return sorted(file.stem for file in FOLDER.glob("*.json")) if FOLDER.is_dir() else []


def _put(file, environ, start_response):
    size = int(environ.get("CONTENT_LENGTH") or 0)
    if size > 65536:
        return _answer(start_response, "413 Content Too Large", {"error": "a note has at most 64 KiB"})
    try:
        text = environ["wsgi.input"].read(size).decode("utf-8")
    except UnicodeDecodeError:
        return _answer(start_response, "400 Bad Request", {"error": "a note is UTF-8"})
    FOLDER.mkdir(parents=True, exist_ok=True)
    note = {"text": text, "written": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    with tempfile.NamedTemporaryFile("w", dir=FOLDER, suffix=".new", delete=False, encoding="utf-8") as new:
        json.dump(note, new, ensure_ascii=False)
    os.replace(new.name, file)
    return _answer(start_response, "201 Created", note)


def _answer(start_response, status, value):
    body = json.dumps(value, ensure_ascii=False).encode("utf-8")
    start_response(status, [("Content-Type", "application/json; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
