"""The image that is started: one static program and what engines expect of a tree, in the two forms that they read."""

import functools
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROGRAM = Path("/bin/busybox")
NAMES = ("true", "sh", "id", "cat", "env", "pwd", "sleep")
FOLDERS = ("bin", "dev", "etc", "proc", "root", "sys", "tmp")
FILES = {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"}

_NAME = "org.opencontainers.image.ref.name"
_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_ARCHITECTURE = "amd64"


def lay_layout(folder: Path, name: str = "busybox", **config: object) -> str:
    """Write an OCI image layout with one image, or add the image to one; return the digest of its manifest."""
    listed = _manifest(_blobs(folder), config)
    _list(folder, {**listed, "annotations": {_NAME: name}})
    return str(listed["digest"])


def lay_index(folder: Path, images: Mapping[str, Mapping[str, object]], name: str = "busybox") -> str:
    """Write a layout with an index of one image an architecture, as builders do, with an attestation beside them."""
    blobs = _blobs(folder)
    listed = []
    for architecture, config in images.items():
        made = _manifest(blobs, {**config, "architecture": architecture})
        listed.append({**made, "platform": {"os": "linux", "architecture": architecture}})
    beside = _manifest(blobs, {"Labels": {"is": "attestation"}})
    listed.append({**beside, "platform": {"os": "unknown", "architecture": "unknown"}})
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": listed}
    made = _put(blobs, json.dumps(index).encode(), _INDEX)
    _list(folder, {**made, "annotations": {_NAME: name}})
    return str(made["digest"])


def _blobs(folder: Path) -> Path:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return blobs


def _manifest(blobs: Path, config: Mapping[str, object]) -> dict[str, Any]:
    archive = layer()
    described = _put(blobs, _packed(), _LAYER)
    made = _put(blobs, _config(archive, config), _CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": made, "layers": [described]}
    return _put(blobs, json.dumps(manifest).encode(), _MANIFEST)


def _list(folder: Path, descriptor: Mapping[str, object]) -> None:
    index = folder / "index.json"
    before = json.loads(index.read_text())["manifests"] if index.exists() else []
    index.write_text(json.dumps({"schemaVersion": 2, "manifests": [*before, descriptor]}))


def write_archive(path: Path, name: str = "busybox:bench") -> None:
    """Write the same image as an archive that `docker load` and `podman load` read."""
    archive = layer()
    parts = {"layer.tar": archive, "config.json": _config(archive, {})}
    parts["manifest.json"] = json.dumps(
        [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    ).encode()
    with tarfile.open(path, "w") as out:
        for each, content in parts.items():
            _add(out, each, content, 0o644)


@functools.cache
def layer() -> bytes:
    """Return the tree as an archive; the same bytes each time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as out:
        for each in FOLDERS:
            entry = tarfile.TarInfo(each)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if each == "tmp" else 0o755
            out.addfile(entry)
        _add(out, "bin/busybox", PROGRAM.read_bytes(), 0o755)
        for each in NAMES:
            entry = tarfile.TarInfo(f"bin/{each}")
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, "busybox", 0o777
            out.addfile(entry)
        for each, content in FILES.items():
            _add(out, each, content, 0o644)
    return buffer.getvalue()


@functools.cache
def _packed() -> bytes:
    return gzip.compress(layer(), compresslevel=1, mtime=0)


def _config(archive: bytes, run: Mapping[str, object]) -> bytes:
    diff_id = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    settings = {"Env": ["PATH=/bin"], "Cmd": ["/bin/true"], **run}
    platform = {"architecture": settings.pop("architecture", _ARCHITECTURE), "os": settings.pop("os", "linux")}
    return json.dumps({**platform, "config": settings, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()


def _put(blobs: Path, content: bytes, media_type: str) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _add(out: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    out.addfile(entry, io.BytesIO(content))
