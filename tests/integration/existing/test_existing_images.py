"""Images that other tools made pass through `from:` with their digest unchanged, and their suites run."""

import json
import os
import shutil
import subprocess

import pytest
from engines import fresh_place, program_of

from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout

pytestmark = pytest.mark.network

BAR = pytest.mark.bar("5 existing images", slice=1)


def by_skopeo(skopeo, source, folder):
    skopeo("copy", "--quiet", source, f"oci:{folder}:made")


def by_skopeo_in_zstd(skopeo, source, folder):
    archive = folder.with_suffix(".tar")
    skopeo("copy", "--quiet", source, f"docker-archive:{archive}:made:1")
    skopeo("copy", "--quiet", "--dest-compress-format=zstd", f"docker-archive:{archive}", f"oci:{folder}:made")


def by_skopeo_in_the_format_of_docker(skopeo, source, folder):
    plain = folder.with_suffix(".dir")
    skopeo("copy", "--quiet", "--format=v2s2", source, f"dir:{plain}")
    manifest = (plain / "manifest.json").read_bytes()
    layout = Layout(folder)
    for path in plain.iterdir():
        if path.name not in {"version", "manifest.json"}:
            layout.write(path.read_bytes(), "", expected=Digest(f"sha256:{path.name}"))
    layout.add_manifest(layout.write(manifest, json.loads(manifest)["mediaType"]), name="made")


def by_umoci(skopeo, source, folder):
    """Unpack, change a file, repack: a further layer of umoci's own."""
    by_skopeo(skopeo, source, folder)
    umoci, bundle = program_of("umoci"), folder.with_suffix(".bundle")
    rootless = ["--rootless"] if os.geteuid() else []
    subprocess.run([umoci, "unpack", *rootless, "--image", f"{folder}:made", bundle], check=True, capture_output=True)
    (bundle / "rootfs/etc/motd").write_text("changed\n")
    subprocess.run([umoci, "repack", "--image", f"{folder}:made", bundle], check=True, capture_output=True)
    subprocess.run(
        [umoci, "config", "--image", f"{folder}:made", "--config.user", "0:0"], check=True, capture_output=True
    )


def by_buildah(skopeo, source, folder):
    """A working container, a file copied into it, a commit: one more layer, and none is compressed."""
    place = fresh_place("buildah")
    try:
        options = [f"--root={place}/root", f"--runroot={place}/run", "--storage-driver=vfs"]
        motd = folder.with_suffix(".motd")
        motd.write_text("changed\n")
        for words in (
            ("from", "--quiet", "--name=work", source),
            ("copy", "--quiet", "work", str(motd), "/etc/motd"),
            ("config", "--user=0:0", "work"),
            ("commit", "--quiet", "work", f"oci:{folder}:made"),
        ):
            subprocess.run([program_of("buildah"), *options, *words], check=True, capture_output=True)
    finally:
        shutil.rmtree(place)


MAKERS = {
    by_skopeo: "application/vnd.oci.image.layer.v1.tar+gzip",
    by_skopeo_in_zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
    by_skopeo_in_the_format_of_docker: "application/vnd.docker.image.rootfs.diff.tar.gzip",
    by_umoci: "application/vnd.oci.image.layer.v1.tar+gzip",
    by_buildah: "application/vnd.oci.image.layer.v1.tar",
}


@BAR
@pytest.mark.parametrize("maker", MAKERS, ids=lambda each: each.__name__)
def test_image_of_another_tool_keeps_its_digest_and_its_suite_runs(maker, schedule, skopeo, project):
    maker(skopeo, schedule, project.folder / "made")
    there, here = Layout(project.folder / "made"), Layout(project.store / "oci")
    wanted = there.resolve("made").digest
    assert {each.descriptor.media_type for each in Image.open(there, wanted).layers} == {MAKERS[maker]}

    path = project.spec("oci:made:made")
    project.run("lock", path)
    shown = project.verify(path, "--locked")
    assert shown["image"] == wanted.text
    assert shown["tests"]["passed"] == 81
    assert [each["state"] for each in shown["hosts"]] == ["REFERENCE", "SAME"]

    assert here.read(wanted, 1 << 22) == there.read(wanted, 1 << 22)
    for each in Image.open(here, wanted).layers:
        assert here.path(each.descriptor.digest).read_bytes() == there.path(each.descriptor.digest).read_bytes()


@BAR
def test_tag_of_a_registry_is_pinned_and_what_is_pinned_is_what_runs(schedule, registry, skopeo, project, scratch):
    name = f"{registry}/team/schedule:1"
    skopeo("copy", "--quiet", "--dest-tls-verify=false", schedule, f"docker://{name}")
    wanted = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{name}"))["Digest"]
    path = project.spec(name)
    project.run("lock", path)
    lock = json.loads(path.with_name("there.lock.json").read_text())
    assert lock["architectures"]["amd64"]["image"]["from"]["manifest"] == wanted

    # The tag moves, and the lock does not: a store without the image gets what was locked.
    by_umoci(skopeo, schedule, project.folder / "moved")
    skopeo("copy", "--quiet", "--dest-tls-verify=false", f"oci:{project.folder}/moved:made", f"docker://{name}")
    moved = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{name}"))["Digest"]
    shown = project.verify(path, "--locked", store=scratch / "store")
    assert shown["image"] == wanted != moved
    assert shown["tests"]["passed"] == 81

    # Another image of the registry, by digest, with the spec as it is.
    shown = project.verify(f"{path}={name.removesuffix(':1')}@{moved}", store=scratch / "store")
    assert shown["image"] == moved
    assert shown["tests"]["passed"] == 81


@BAR
def test_archive_of_docker_keeps_the_digest_of_its_config_and_its_suite_runs(
    schedule, docker, skopeo, project, scratch
):
    skopeo("copy", "--quiet", schedule, f"docker-archive:{project.folder}/loaded.tar:schedule:1")
    docker("load", "--input", f"{project.folder}/loaded.tar")
    docker("save", "--output", f"{project.folder}/saved.tar", "schedule:1")
    wanted = docker("inspect", "--format={{.Id}}", "schedule:1").stdout.strip()

    path = project.spec("docker-archive:saved.tar:schedule:1")
    shown = project.verify(path)
    assert shown["tests"]["passed"] == 81
    manifest = Image.open(Layout(project.store / "oci"), Digest(shown["image"])).manifest
    assert manifest["config"]["digest"] == wanted
    assert manifest["annotations"] == {"dev.seatrial.converted": "docker-archive"}

    # The engine itself gives the same, into a store that has nothing yet.
    environment, elsewhere = {"DOCKER_HOST": docker.host}, scratch / "store"
    shown_again = project.verify(f"{path}=docker-daemon:schedule:1", store=elsewhere, environment=environment)
    assert shown_again["image"] == shown["image"]
    done = project.run("lock", project.spec("docker-daemon:missing"), environment=environment, check=False)
    assert done.returncode != 0
    assert "docker refuses" in done.stderr


@pytest.mark.slow
@BAR
def test_image_that_docker_built_and_pushed_keeps_its_digest_and_its_suite_runs(
    schedule, registry, docker, skopeo, project
):
    skopeo("copy", "--quiet", schedule, f"docker-archive:{project.folder}/base.tar:base:1")
    docker("load", "--input", f"{project.folder}/base.tar")
    (project.folder / "Dockerfile").write_text("FROM base:1\nCOPY Dockerfile /etc/motd\nUSER 0:0\n")
    name = f"{registry}/team/built:1"
    docker("build", "--quiet", "--network=none", f"--tag={name}", str(project.folder))
    docker("push", "--quiet", name)
    wanted = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{name}"))["Digest"]

    shown = project.verify(project.spec(name))
    assert shown["image"] == wanted
    assert shown["tests"]["passed"] == 81
    kinds = {each.descriptor.media_type for each in Image.open(Layout(project.store / "oci"), Digest(wanted)).layers}
    assert kinds == {"application/vnd.docker.image.rootfs.diff.tar.gzip"}


def test_another_image_is_verified_with_the_spec_and_the_lock_as_they_are(schedule, skopeo, project):
    by_skopeo(skopeo, schedule, project.folder / "one")
    by_umoci(skopeo, schedule, project.folder / "other")
    path = project.spec("oci:one")
    project.run("lock", path)
    lock = path.with_name("there.lock.json")
    before = lock.read_bytes()

    shown = project.verify(f"{path}=oci:other:made")
    assert shown["image"] == Layout(project.folder / "other").resolve("made").digest.text
    assert shown["spec"] == f"{path}=oci:other:made"
    assert shown["tests"]["passed"] == 81
    assert lock.read_bytes() == before

    # The command that a report names runs the same image.
    done = project.run("run", f"{path}=oci:other:made", "--", "cat", "/etc/motd")
    assert done.stdout == "changed\n"


def test_image_without_the_python_of_the_lock_is_refused_with_both_versions(schedule, skopeo, project):
    by_skopeo(skopeo, schedule, project.folder / "one")
    path = project.spec("oci:one")
    project.run("lock", path)
    lock = path.with_name("there.lock.json")
    lock.write_text(lock.read_text().replace('"python": "3.11.2"', '"python": "3.9.2"'))
    done = project.run("build", path, check=False)
    assert done.returncode == 2
    assert "locked for Python 3.9 and glibc 2.36, and the image has Python 3.11 and glibc 2.36" in done.stderr


def test_locked_image_that_is_gone_is_named(schedule, skopeo, project):
    by_skopeo(skopeo, schedule, project.folder / "one")
    path = project.spec("oci:one")
    project.run("lock", path)
    by_umoci(skopeo, schedule, project.folder / "other")
    shutil.rmtree(project.folder / "one")
    (project.folder / "other").rename(project.folder / "one")
    wanted = json.loads(path.with_name("there.lock.json").read_text())["architectures"]["amd64"]["image"]["from"]
    Layout(project.folder / "one").path(Digest(wanted["manifest"])).unlink()
    done = project.run("build", path, store=project.folder / "store", check=False)
    assert done.returncode == 2
    assert f"the lock pins {wanted['manifest']}, and oci:one has no such image any more" in done.stderr


def test_image_without_the_python_that_the_suite_starts_is_refused(schedule, skopeo, project):
    by_skopeo(skopeo, schedule, project.folder / "one")
    path = project.spec("oci:one")
    path.write_text(path.read_text().replace("command: [python3,", "command: [/opt/venv/bin/python3,"))
    done = project.run("lock", path, check=False)
    assert done.returncode == 2
    assert "the image has no /opt/venv/bin/python3 that runs, and its suite needs one" in done.stderr


def test_tool_in_another_version_than_the_image_has_is_refused_with_both(schedule, skopeo, project):
    by_skopeo(skopeo, schedule, project.folder / "one")
    path = project.spec("oci:one")
    path.write_text(path.read_text().replace('- "pluggy', '- "schedule==1.2.1"\n      - "pluggy'))
    done = project.run("lock", path, check=False)
    assert done.returncode == 2
    assert "schedule 1.2.1, and the image has 1.2.2" in done.stderr


def test_service_of_an_existing_image_runs_as_its_own_user(schedule, skopeo, project):
    by_skopeo(skopeo, schedule, project.folder / "one")
    umoci, service = program_of("umoci"), ("--config.user", "1234:20", "--config.entrypoint", "python3")
    subprocess.run([umoci, "config", "--image", f"{project.folder}/one:made", *service], check=True)
    path = project.folder / "there.yaml"
    ask = "import urllib.request as r; assert b'1234 20' in r.urlopen('http://127.0.0.1:8000/id').read()"
    serve = "import os, http.server as h; open('/tmp/id', 'w').write(f'{os.getuid()} {os.getgid()}'); "
    serve += "os.chdir('/tmp'); h.test(h.SimpleHTTPRequestHandler, port=8000)"
    path.write_text(
        "seatrial: 1\nimage: {from: oci:one}\nhosts: [umask-0077]\n"
        f"suite: {{command: [python3, -c, {json.dumps(ask)}], results: exit}}\n"
        f"services: {{web: {{image: {{from: oci:one}}, command: [-c, {json.dumps(serve)}], ready: {{tcp: 8000}}}}}}\n"
    )
    shown = project.verify(path)
    assert shown["tests"]["passed"] == 1
    assert [each["state"] for each in shown["hosts"]] == ["REFERENCE", "SAME"]
