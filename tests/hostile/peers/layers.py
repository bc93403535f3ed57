"""Hostile layers, unpacked by umoci as a user who owns nothing, and loaded by Docker and Podman as their images."""

import hashlib
import io
import json
import os
import resource
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from engines import podman_options, program_of
from hostile_layers import CASES, GOOD

from peers.verdicts import ACCEPTED, ESCAPES, HANGS, PATIENCE, REFUSED

Unpack: TypeAlias = Callable[[Path, bytes], str]
"""Gives a layer to a peer, in a folder of its own, and says what it did."""

NOBODY = 65534

_BESIDE_LAYERS = {"l", "staging", "backingFsBlockDev", ".has-mount-program"}
_OF_A_LAYER = {"diff", "link", "lower", "work", "committed", "merged", "empty"}
"""What Docker and Podman have in the folder of a layer, whose content is in ``diff``."""


def by_umoci(place: Path, archive: bytes) -> str:
    """Unpack a layer by umoci, as a user who owns nothing; what lies beside the bundle afterwards escaped."""
    image, bundle = place / "image", place / "inner" / "bundle"
    (image / "blobs/sha256").mkdir(parents=True)
    bundle.parent.mkdir()

    def blob(content: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (image / "blobs/sha256" / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    layer = blob(archive, "layer.v1.tar")
    config = blob(_config(archive), "config.v1+json")
    document = {"schemaVersion": 2, "config": config, "layers": [layer]}
    manifest = blob(json.dumps(document).encode(), "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "hostile"}
    (image / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (image / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    for each in (place, *place.rglob("*")):
        os.chown(each, NOBODY, NOBODY)
    try:
        ended = subprocess.run(
            [program_of("umoci"), "unpack", "--rootless", "--image", f"{image}:hostile", str(bundle)],
            capture_output=True, check=False, timeout=PATIENCE, user=NOBODY, group=NOBODY, extra_groups=(), cwd=place,
            env={"HOME": str(place), "PATH": os.defpath}, preexec_fn=_bound,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return HANGS
    if {each.name for each in place.iterdir()} != {"image", "inner"} or len(list((place / "inner").iterdir())) > 1:
        return ESCAPES
    return REFUSED if ended.returncode else ACCEPTED


def by_docker(address: str, data: Path) -> Unpack:
    """Load layers into the Docker Engine at an address, whose data are in a folder."""
    return _by_load((program_of("docker"), "--host", address, "load", "--input"), data / "overlay2")


def by_podman(store: Path) -> Unpack:
    """Load layers into a Podman with a store of its own."""
    return _by_load((program_of("podman"), *podman_options(store), "load", "--input"), store / "root/overlay")


def is_at_work(unpack: Unpack) -> bool:
    """Tell whether a peer takes a layer of no harm: one that takes none would refuse everything."""
    with _places() as place:
        return unpack(place("harmless"), GOOD) == ACCEPTED


def compare_layers(names: Sequence[str], peers: Mapping[str, Unpack]) -> dict[str, dict[str, str]]:
    """Return layer → peer → what it did."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    with _places() as place:
        for number, name in enumerate(names):
            for peer, unpack in peers.items():
                found[name][peer] = unpack(place(f"{number}-{peer}"), CASES[name].archive)
    return found


@contextmanager
def _places() -> Iterator[Callable[[str], Path]]:
    """Give what makes folders that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="seatrial-peers-") as folder:
        Path(folder).chmod(0o755)

        def make(name: str) -> Path:
            place = Path(folder) / name
            place.mkdir()
            return place

        yield make


def strays(layers: Path) -> Iterator[Path]:
    """Yield what lies among the layers of an overlay, or beside the content of one, and is none of an engine's own."""
    for each in layers.iterdir():
        if each.name in _BESIDE_LAYERS:
            continue
        if not each.is_dir():
            yield each
        else:
            yield from (found for found in each.iterdir() if found.name not in _OF_A_LAYER)


def _by_load(command: Sequence[str], layers: Path) -> Unpack:
    def unpack(place: Path, archive: bytes) -> str:
        image = place / "image.tar"
        _write_image(image, archive)
        before = _machine()
        try:
            ended = subprocess.run([*command, str(image)], capture_output=True, check=False, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return HANGS
        if _machine() != before or any(strays(layers)):
            return ESCAPES
        return REFUSED if ended.returncode else ACCEPTED

    return unpack


def _write_image(path: Path, layer: bytes) -> None:
    """Write an image of one layer as ``docker save`` does."""
    config = _config(layer)
    name = hashlib.sha256(config).hexdigest()
    manifest = [{"Config": f"{name}.json", "RepoTags": ["hostile:latest"], "Layers": ["layer.tar"]}]
    files = {f"{name}.json": config, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
    with tarfile.open(path, "w") as out:
        for each, content in files.items():
            member = tarfile.TarInfo(each)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))


def _config(layer: bytes) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    return json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode()


def _machine() -> tuple[bool, tuple[str, ...]]:
    """Return what the layers aim at outside of any folder: the machine's users, and what lies in its root."""
    is_whole = Path("/etc/passwd").read_bytes().startswith(b"root:x:0:")
    return is_whole, tuple(sorted(each.name for each in Path("/").iterdir()))


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))
    resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
