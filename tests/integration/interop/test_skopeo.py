"""Tools that know nothing of Seatrial read the store's layout, and change no digest."""

import json
import os
import subprocess
import tarfile
from hashlib import sha256

import pytest

from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout

SPECS = ("web", *(pytest.param(each, marks=pytest.mark.slow) for each in ("schedule", "bottle", "itsdangerous")))

pytestmark = pytest.mark.network


@pytest.fixture(params=SPECS)
def built(request, build):
    return build(request.param)


@pytest.mark.bar("3 docker")
def test_skopeo_copy_keeps_the_digests_in_every_transport(built, skopeo_copy, tmp_path):
    image = Image.open(built.layout, built.image)
    config = Digest(image.manifest["config"]["digest"])

    skopeo_copy(f"oci:{built.layout.root}:{built.spec.name}", f"oci:{tmp_path}/layout:copy")
    copied = Layout(tmp_path / "layout")
    assert copied.resolve("copy").digest == built.image
    assert copied.verify() == len(image.layers) + 2

    skopeo_copy(f"oci:{built.layout.root}:{built.spec.name}", f"dir:{tmp_path}/folder")
    assert Digest.of((tmp_path / "folder/manifest.json").read_bytes()) == built.image
    assert Digest.of((tmp_path / "folder" / config.hex).read_bytes()) == config

    # An archive for Docker holds no OCI manifest: what stays is the config, and the layers' archives in it.
    skopeo_copy(f"oci:{built.layout.root}:{built.spec.name}", f"docker-archive:{tmp_path}/image.tar:{built.spec.name}")
    with tarfile.open(tmp_path / "image.tar") as archive:
        (described,) = json.load(archive.extractfile("manifest.json"))
        assert Digest.of(archive.extractfile(described["Config"]).read()) == config
        layers = [sha256(archive.extractfile(each).read()).hexdigest() for each in described["Layers"]]
    assert layers == [each.hex for each in image.diff_ids]


@pytest.mark.bar("3 docker")
def test_skopeo_finds_image_and_suite_by_digest(built, skopeo_copy, tmp_path):
    for digest in (built.image, built.suite):
        skopeo_copy(f"oci:{built.layout.root}:{digest}", f"oci:{tmp_path / digest.hex}:copy")
        assert Layout(tmp_path / digest.hex).resolve("copy").digest == digest


@pytest.mark.bar("3 docker")
def test_umoci_unpacks_the_image_as_it_was_built(built, program, tmp_path):
    umoci, layout = program("umoci"), built.layout.root
    listed = subprocess.run([umoci, "ls", "--layout", layout], capture_output=True, text=True, check=True).stdout
    assert {built.spec.name, built.image.text, built.suite.text} <= set(listed.splitlines())

    plain = [] if os.geteuid() == 0 else ["--rootless"]
    command = [umoci, "unpack", *plain, "--image", f"{layout}:{built.spec.name}", str(tmp_path / "bundle")]
    subprocess.run(command, capture_output=True, check=True)
    root = os.fsencode(tmp_path / "bundle/rootfs")
    unpacked = {
        os.fsdecode(os.path.relpath(os.path.join(folder, name), root))  # noqa: PTH118 - names of any bytes
        for folder, folders, files in os.walk(root)
        for name in (*folders, *files)
    }
    assert unpacked == set(built.entries(built.image)) - {"."}


@pytest.mark.slow
@pytest.mark.bar("3 docker")
def test_podman_loads_the_image_with_its_digest_and_runs_it(built, skopeo_copy, podman, tmp_path):
    skopeo_copy(f"oci:{built.layout.root}:{built.spec.name}", f"oci-archive:{tmp_path}/image.tar:{built.spec.name}")
    podman("load", "--quiet", f"--input={tmp_path}/image.tar")
    name = f"localhost/{built.spec.name}"
    (loaded,) = json.loads(podman("image", "inspect", name))
    image = Image.open(built.layout, built.image)
    assert loaded["Digest"] == built.image.text
    assert f"sha256:{loaded['Id']}" == image.manifest["config"]["digest"]
    assert loaded["RootFS"]["Layers"] == [each.text for each in image.diff_ids]
    # What Debian's Podman sets by default takes a capability that a machine may lack.
    options = ["--rm", "--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000", "--entrypoint="]
    assert podman("run", *options, name, "python3", "-c", "print(6 * 7)") == "42\n"


@pytest.mark.bar("3 docker")
def test_image_holds_no_file_of_the_suite(built):
    image, suite = built.entries(built.image), built.entries(built.suite)
    shared = image.keys() & suite.keys()
    assert {each for each in shared if not (image[each].isdir() and suite[each].isdir())} == set()
    assert not any(each.split("/")[0] == ".seatrial" for each in image)
    assert any(not each.isdir() for each in suite.values())
