"""Registries of this machine, and what lies between them and us."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

sys.path.append(str(Path(__file__).parents[2] / "conformance"))
sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from registries import started_registry
from simulated_registry import SimulatedRegistry

from pipeline.registry.push import push_image
from pipeline.registry.registry import Registry
from pipeline.registry.repository import Repository
from pipeline.registry.retry import Patience
from runtime.canonical import to_canonical_json
from runtime.oci.copy import copy_image
from runtime.oci.descriptor import CONFIG, LAYER_TAR, MANIFEST
from runtime.oci.layout import Layout
from runtime.oci.remote import parse_remote

PART = 1 << 20
LARGE = bytes(range(256)) * (10 * PART // 4 // 256)
"""Two parts and a half."""


class Debian:
    """Debian's docker-registry, and the uploads that are left in its files.

    Of an upload that was deleted 2.8.2 writes the state of its hash once more after it has removed the folder; what
    counts is whether bytes are left.
    """

    def __init__(self, address, folder):
        self.address = address
        self.folder = folder

    def uploads(self, name):
        folder = self.folder / f"docker/registry/v2/repositories/{name}/_uploads"
        return {each.parent.name for each in folder.glob("*/data")}


class Simulated:
    """The same of a registry in memory."""

    def __init__(self, simulated):
        self.simulated = simulated
        self.address = simulated.address

    def uploads(self, _):
        return set(self.simulated.uploads)


@pytest.fixture(scope="session")
def debian(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    with started_registry(folder) as address:
        yield Debian(address, folder)


@pytest.fixture
def simulated():
    opened = SimulatedRegistry()
    yield opened
    opened.close()


@pytest.fixture
def waited():
    """The seconds that were waited; nothing waits for them."""
    return []


@pytest.fixture
def patience(waited):
    return Patience(pause=waited.append, chance=lambda: 0.0)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr("pipeline.registry.upload.PART", PART)


@pytest.fixture
def there(tmp_path):
    return Layout(tmp_path / "there")


class Hands:
    """What puts an image into a registry, and takes it out again; nothing waits between tries."""

    def __init__(self, connections, patience, there, image):
        self.connections, self.patience, self.there, self.image = connections, patience, there, image
        self.size = sum(there.path(each).stat().st_size for each in there.digests() if each != image)

    def push(self, address, name):
        remote = parse_remote(f"{address}/{name}:1")
        push_image(self.image, self.there, remote, self.connections, patience=self.patience)

    def check_whole(self, address, name):
        """Read the image from a registry, and compare every byte."""
        registry = Registry(parse_remote(f"{address}/{name}:1"), self.connections, patience=self.patience)
        with TemporaryDirectory() as folder:
            here = Layout(Path(folder))
            assert registry.find("amd64") == self.image
            copy_image(self.image, registry, here)
            assert here.digests() == self.there.digests()
            assert here.verify() == len(self.there.digests())

    def repository(self, address, name):
        """Return a repository that has the one blob of every statement."""
        opened = Repository(parse_remote(f"{address}/{name}"), self.connections, patience=self.patience)
        with TemporaryDirectory() as folder:
            layout = Layout(Path(folder))
            opened.put_blob(layout.write(b"{}", "application/vnd.oci.empty.v1+json"), layout)
        return opened


@pytest.fixture
def hands(connections, patience, there, image):
    return Hands(connections, patience, there, image)


@pytest.fixture
def image(there):
    """The digest of an image with a layer of several parts; its manifest is not canonical."""
    return made(there, LARGE, b"small")


def made(layout, *layers):
    """Write an image, and return the digest of its manifest."""
    described = [layout.write(each, LAYER_TAR).to_json() for each in layers]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [each["digest"] for each in described]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.write(to_canonical_json(config), CONFIG).to_json(),
        "layers": described,
    }
    return layout.write(json.dumps(manifest, indent=5).encode(), MANIFEST).digest


@pytest.fixture
def make():
    return made


@pytest.fixture
def statement():
    """Return a function that makes an artifact about an image, of an empty config and layer."""

    def build(subject, number):
        empty = {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        }
        return to_canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "config": empty,
                "layers": [empty],
                "subject": {"mediaType": MANIFEST, "digest": subject.text, "size": 1},
                "annotations": {"number": str(number)},
            }
        )

    return build


@pytest.fixture
def closed_debian(tmp_path):
    """The address of a docker-registry for the user ``ann`` with the password ``secret`` alone."""
    # bcrypt, the one kind that docker-registry knows, by libcrypt of Debian.
    (tmp_path / "htpasswd").write_text("ann:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
    with started_registry(tmp_path, f"auth: {{htpasswd: {{realm: here, path: {tmp_path}/htpasswd}}}}\n") as address:
        yield address
