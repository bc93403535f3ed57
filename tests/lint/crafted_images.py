"""Images that are crafted path by path, by the writer of our own layers."""

import hashlib
import io
import json
import struct
from dataclasses import dataclass, field

from runtime.digest import Digest
from runtime.oci.descriptor import CONFIG, LAYER_GZIP, MANIFEST
from runtime.oci.gzip import compress_member
from runtime.oci.layout import Layout
from runtime.oci.tar import END, Entry, Kind, padding, to_header

EPOCH = 1_700_000_000
NOW = EPOCH + 86_400


@dataclass(frozen=True)
class Item:
    """One path: what it is, and what is in it."""

    kind: Kind = Kind.FILE
    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = EPOCH
    target: str = ""
    xattrs: dict = field(default_factory=dict)


def file(content: str | bytes = "content\n", mode=0o644, **more) -> Item:
    return Item(content=content.encode() if isinstance(content, str) else content, mode=mode, **more)


def folder(mode=0o755, **more) -> Item:
    return Item(kind=Kind.DIRECTORY, mode=mode, **more)


def link(target: str) -> Item:
    return Item(kind=Kind.SYMLINK, target=target, mode=0o777)


def loader_cache(*paths: str) -> bytes:
    """Return a cache as glibc's ``cache_file_new`` is laid out."""
    start = 48 + 24 * len(paths)
    table, strings = b"", b""
    for path in paths:
        value = start + len(strings)
        strings += path.encode() + b"\0"
        table += struct.pack("<iIIIQ", 0x303, value + path.rindex("/") + 1, value, 0, 0)
    return b"glibc-ld.so.cache1.1" + struct.pack("<II", len(paths), len(strings)) + bytes(20) + table + strings


def bytecode(flags: int, time: int = EPOCH, size: int = 0) -> bytes:
    """Return the head of a file of byte-code, and a body that nobody reads."""
    return struct.pack("<4sIII", b"\xa7\r\r\n", flags, time, size) + b"body"


SOURCE = "print('hello')\n"
STATUS = "Package: dash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"
ACCOUNTS = (
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    "app:x:1000:1000::/home/app:/bin/sh\n"
)
SHADOW = "root:*:19000:0:99999:7:::\napp:!:19000:0:99999:7:::\n"

BASE = {
    "app": folder(),
    "app/__pycache__": folder(),
    "app/__pycache__/main.cpython-311.pyc": file(bytecode(3)),
    "app/main.py": file(SOURCE),
    "bin": link("usr/bin"),
    "etc": folder(),
    "etc/apt/sources.list": file("deb http://deb.debian.org/debian bookworm main\n"),
    "etc/group": file("root:x:0:\napp:x:1000:\n"),
    "etc/hosts": file("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"),
    "etc/ld.so.cache": file(loader_cache("/lib/x86_64-linux-gnu/libc.so.6")),
    "etc/localtime": link("/usr/share/zoneinfo/UTC"),
    "etc/machine-id": file(""),
    "etc/passwd": file(ACCOUNTS),
    "etc/shadow": file(SHADOW, 0o640, gid=42),
    "home/app": folder(uid=1000, gid=1000),
    "lib": link("usr/lib"),
    "tmp": folder(0o1777),
    "usr/bin/python3.11": file("program", 0o755),
    "usr/bin/sh": file("program", 0o755),
    "usr/bin/su": file("program", 0o4755),
    "usr/lib/x86_64-linux-gnu/libc.so.6": file("library", 0o755),
    "usr/share/zoneinfo/UTC": file("zone"),
    "var/lib/dpkg/info/dash.list": file("/bin/sh\n/bin/su\n"),
    "var/lib/dpkg/status": file(STATUS),
}
"""A small tree with one of everything that rules look at, and no fault in it."""

RUN = {"User": "1000:1000", "Env": ["PATH=/usr/bin", "LANG=C.UTF-8"], "Entrypoint": ["/usr/bin/python3.11"]}
"""What a sound image says of its container."""


def pack(items) -> bytes:
    """Return an archive of paths in their given order; bytes stand for themselves."""
    out = io.BytesIO()
    for path, item in items:
        entry = Entry(
            path=path.encode(),
            kind=item.kind,
            mode=item.mode,
            uid=item.uid,
            gid=item.gid,
            mtime=item.mtime,
            size=len(item.content),
            target=item.target.encode(),
            xattrs=item.xattrs,
        )
        out.write(to_header(entry) + item.content + padding(len(item.content)))
    return out.getvalue() + END


def add_image(layout: Layout, archives: list[bytes], run: dict, **config) -> Digest:
    """Write an image into a layout and return its digest."""
    layers, diff_ids = [], []
    for archive in archives:
        layers.append(layout.write(compress_member(archive), LAYER_GZIP).to_json())
        diff_ids.append(f"sha256:{hashlib.sha256(archive).hexdigest()}")
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2023-11-14T22:13:20Z",
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        **config,
    }
    described = layout.write(json.dumps(document).encode(), CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described.to_json(), "layers": layers}
    added = layout.write(json.dumps(manifest).encode(), MANIFEST)
    layout.add_manifest(added, name="crafted")
    return added.digest
