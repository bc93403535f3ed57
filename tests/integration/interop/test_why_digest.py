"""The routes by which other people's tools change a digest, each really taken, and explained in less than 5 s."""

import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard

sys.path += [str(Path(__file__).parents[2] / each) for each in ("simulators", "conformance")]

from crafted_image import CONFIG, MANIFEST, Crafted, entry, pack
from engines import program_of

TAR = "application/vnd.oci.image.layer.v1.tar"
SECONDS = 5


class Registry:
    """Debian's docker-registry on loopback."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            bound = probe.getsockname()
        self.address = "{}:{}".format(*bound)
        settings = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
            "http": {"addr": self.address},
            "log": {"level": "error"},
        }
        (folder / "registry.yml").write_text(json.dumps(settings))
        command = [program_of("docker-registry"), "serve", folder / "registry.yml"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as attempt:
                if attempt.connect_ex(bound) == 0:
                    return
            time.sleep(0.1)
        pytest.fail("docker-registry does not answer")


@pytest.fixture(scope="module")
def registries(tmp_path_factory):
    found = [Registry(tmp_path_factory.mktemp("registry")) for _ in range(2)]
    yield [each.address for each in found]
    for each in found:
        each.process.terminate()
        each.process.wait()


@pytest.fixture
def crafted(tmp_path):
    """Images of one content, as they are built; its content is new each time, as skopeo remembers blobs."""
    text = random.SystemRandom().randbytes(20_000).hex().encode()
    layers = [pack(entry("etc/"), entry("etc/a", text)), pack(entry("app", b"new\n"), entry("b", text[::-1]))]
    steps = {"history": [{"created_by": f"step {index}"} for index, _ in enumerate(layers)]}
    zstd = zstandard.ZstdCompressor().compress
    return {
        "gzip": Crafted(*layers, config=steps),
        "plain": Crafted(*layers, config=steps, compress=bytes, kinds=(MANIFEST, CONFIG, TAR)),
        "zstd": Crafted(*layers, config=steps, compress=zstd, kinds=(MANIFEST, CONFIG, f"{TAR}+zstd")),
    }


@pytest.fixture
def way(crafted, registries, request, tmp_path, monkeypatch):
    # Nobody's own credentials: a user without a session has no folder for them, and skopeo stops there.
    (tmp_path / "auth.json").write_text("{}")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", f"{tmp_path}/auth.json")
    return Way(crafted, registries, request, tmp_path)


class Way:
    """What a route needs: images, registries, and tools that start on first use."""

    def __init__(self, crafted, registries, request, folder):
        self.crafted, self.folder, self.request = crafted, folder, request
        self.here, self.there = (f"{each}/app" for each in registries)
        self.count = 0

    def lay(self, kind):
        return self.crafted[kind].lay(self.folder / kind)

    def skopeo(self, source, target, *options):
        insecure = "--src-tls-verify=false", "--dest-tls-verify=false"
        succeed(program_of("skopeo"), "copy", "--quiet", *insecure, *options, source, target)
        return target

    def docker(self, *words):
        return self.request.getfixturevalue("docker")(*words)

    def podman(self, *words):
        return self.request.getfixturevalue("podman")(*words)

    def publish(self, kind, tag):
        """Bring an image into the registry as it is."""
        name = self.lay(kind)
        self.skopeo(name, f"docker://{self.here}:{tag}", "--preserve-digests")
        return name

    def taken(self, name):
        """Take an image out of a registry as it is."""
        self.count += 1
        return self.skopeo(f"docker://{name}", f"dir:{self.folder}/taken-{self.count}", "--preserve-digests")


def skopeo_cold(way):
    name = way.lay("plain")
    way.skopeo(name, f"docker://{way.here}:cold")
    return name, way.taken(f"{way.here}:cold")


def skopeo_between_registries(way):
    name = way.publish("plain", "between")
    way.skopeo(f"docker://{way.here}:between", f"docker://{way.there}:between")
    return name, way.taken(f"{way.there}:between")


def docker_again(kind, *, elsewhere=True):
    def route(way):
        name, tag = way.publish(kind, f"docker-{kind}"), f"{way.here}:docker-{kind}"
        again = f"{way.there if elsewhere else way.here}:docker-{kind}-again"
        way.docker("pull", "--quiet", tag)
        way.docker("tag", tag, again)
        way.docker("push", "--quiet", again)
        return name, way.taken(again)

    return route


def podman_again(kind):
    def route(way):
        name, tag = way.publish(kind, f"podman-{kind}"), f"{way.here}:podman-{kind}"
        way.podman("pull", "--quiet", "--tls-verify=false", tag)
        # To another registry: for the same one podman remembers the blobs, and pushes those.
        way.podman("push", "--quiet", "--tls-verify=false", tag, f"docker://{way.there}:{kind}")
        return name, way.taken(f"{way.there}:{kind}")

    return route


def docker_import(way, *options):
    (way.folder / "tree.tar").write_bytes(way.crafted["gzip"].layers[0])
    tag = f"{way.here}:imported"
    way.docker("import", str(way.folder / "tree.tar"), tag)
    way.docker("push", "--quiet", tag)
    daemon = f"docker-daemon:{tag}"
    host = f"--src-daemon-host={way.request.getfixturevalue('docker').host}"
    way.skopeo(daemon, f"docker://{way.there}:kept", host, *options)
    return way.taken(tag), way.taken(f"{way.there}:kept")


ROUTES = {
    "skopeo copy of plain layers": (
        skopeo_cold,
        {"layer-compression"},
        "only the compression of layers 1, 2 differs (not compressed → gzip), as `skopeo copy` and `podman push` do",
    ),
    "skopeo copy between registries": (skopeo_between_registries, {"layer-compression"}, "(not compressed → gzip)"),
    "docker pull and push of gzip": (
        docker_again("gzip"),
        {"layer-compression", "media-type", "json-form"},
        ", as `docker push` after a pull does",
    ),
    "docker pull and push of plain layers": (
        docker_again("plain"),
        {"layer-compression", "media-type", "json-form"},
        ", as `docker push` after a pull does",
    ),
    "podman pull and push of gzip": (podman_again("gzip"), {"layer-compression"}, "as `podman pull` and `push` do"),
    "podman pull and push of zstd": (podman_again("zstd"), {"layer-compression"}, "(zstd → gzip), as `podman pull`"),
    "docker push beside skopeo from the daemon": (
        lambda way: docker_import(way, "--preserve-digests"),
        {"layer-compression", "json-form"},
        "gzip → not compressed",
    ),
}
"""Each route: what takes it, the causes that are named, and words of the sentence."""


@pytest.mark.bar("5 why digest", slice=2)
@pytest.mark.parametrize("name", ROUTES)
def test_route_is_explained(name, way):
    take, causes, words = ROUTES[name]
    check_route(take(way), causes, words)


def check_route(images, causes, words):
    found, seconds = why(*images)
    assert {each["cause"] for each in found["differences"]} == causes
    assert found["sentence"].startswith("the same files: ")
    assert words in found["sentence"]
    assert seconds < SECONDS


def test_docker_pull_and_push_to_the_same_registry_keeps_the_blobs(way):
    images = docker_again("gzip", elsewhere=False)(way)
    check_route(images, {"media-type", "json-form"}, "as `docker push` after a pull")


def test_skopeo_from_the_daemon_compresses_otherwise_than_docker_push(way):
    check_route(docker_import(way), {"layer-compression", "json-form"}, "gzip of another level or program")


def test_skopeo_v2s2_changes_the_media_types_and_the_form_alone(way):
    name = way.lay("gzip")
    way.skopeo(name, f"dir:{way.folder}/v2s2", "--format=v2s2")
    causes = {"media-type", "json-form"}
    check_route((name, f"dir:{way.folder}/v2s2"), causes, "the media types are Docker's, no longer OCI's; the JSON of")
    back = way.skopeo(f"dir:{way.folder}/v2s2", f"oci:{way.folder}/back", "--format=oci")
    found, _ = why(f"dir:{way.folder}/v2s2", back)
    assert "as `skopeo copy --format oci` does" in found["sentence"]


def test_skopeo_zstd_is_the_compression_alone(way):
    name = way.lay("gzip")
    zstd = way.skopeo(name, f"oci:{way.folder}/zstd-copy", "--dest-compress-format=zstd", "--dest-compress")
    images = name, zstd
    check_route(images, {"layer-compression"}, "(gzip → zstd), as `skopeo copy --dest-compress-format zstd` does")


def test_archive_for_docker_and_back_is_the_compression_alone(way):
    name, saved = way.lay("gzip"), f"docker-archive:{way.folder}/saved.tar"
    way.skopeo(name, f"{saved}:app:1")
    found, _ = why(name, saved, code=0)
    assert "has no manifest" in found["sentence"]
    back = way.skopeo(saved, f"oci:{way.folder}/back")
    check_route((name, back), {"layer-compression"}, "gzip of another level or program")


def test_archive_of_docker_save_holds_the_config_and_the_layers(way):
    name, saved = way.publish("gzip", "saved"), way.folder / "saved.tar"
    way.docker("pull", "--quiet", f"{way.here}:saved")
    way.docker("save", "--output", str(saved), f"{way.here}:saved")
    found, _ = why(name, f"docker-archive:{saved}", code=0)
    assert found["differences"] == []


def test_umoci_config_changes_what_it_was_told(way):
    name = way.skopeo(way.lay("gzip"), f"oci:{way.folder}/umoci:app")
    umoci, image = program_of("umoci"), f"{way.folder}/umoci:app"
    succeed(umoci, "config", "--no-history", "--image", image, "--tag", "new", "--config.env", "B=2")
    found, _ = why(name, f"oci:{way.folder}/umoci:new")
    assert {each["path"] for each in found["differences"] if each["cause"] == "config-field"} >= {"config.Env[2]"}
    assert found["sentence"].startswith("the same files: ")


def test_umoci_repack_adds_a_layer_with_the_file_that_changed(way):
    plain = [] if os.geteuid() == 0 else ["--rootless"]
    name = way.skopeo(way.lay("gzip"), f"oci:{way.folder}/umoci:app")
    umoci, image = program_of("umoci"), f"{way.folder}/umoci:app"
    succeed(umoci, "unpack", *plain, "--image", image, f"{way.folder}/bundle")
    (way.folder / "bundle/rootfs/app").write_bytes(b"newer\n")
    succeed(umoci, "repack", "--image", f"{way.folder}/umoci:new", f"{way.folder}/bundle")
    found, _ = why(name, f"oci:{way.folder}/umoci:new")
    added = [each for each in found["differences"] if each["where"] == "layer 3"]
    assert [(each["cause"], each["path"]) for each in added] == [("layer-added", ""), ("entry-added", "app")]
    assert any(each["path"].startswith("history[2]") for each in found["differences"])


def why(one, two, code=1):
    start = time.monotonic()
    command = [sys.executable, "-m", "pipeline.cli.main", "why-digest", one, two, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout), time.monotonic() - start


def succeed(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout
