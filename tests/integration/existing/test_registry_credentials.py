"""Names and passwords from the files of docker and podman, for a registry that lets nobody else in."""

import base64
import json

import pytest
import urllib3

from pipeline.declare.errors import FetchError
from pipeline.registry.access import Access
from pipeline.registry.credential_program import Credential
from pipeline.registry.credentials import credential_files, find_credential
from pipeline.registry.http import Connections
from pipeline.registry.registry import Registry
from runtime.digest import Digest
from runtime.oci.copy import copy_image
from runtime.oci.descriptor import CONFIG, LAYER_TAR, MANIFEST
from runtime.oci.layout import Layout
from runtime.oci.remote import parse_remote

LAYER = b"layer" * 1000
CONFIG_RAW = json.dumps(
    {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [Digest.of(LAYER).text]}}
).encode()
MANIFEST_RAW = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": Digest.of(CONFIG_RAW).text, "size": len(CONFIG_RAW)},
        "layers": [{"mediaType": LAYER_TAR, "digest": Digest.of(LAYER).text, "size": len(LAYER)}],
    }
).encode()
ANN = Credential(name="ann", secret="secret")  # noqa: S106 - of a test
AUTH = base64.b64encode(b"ann:secret").decode()


def written(folder, content):
    file = folder / "auth.json"
    file.write_text(json.dumps(content))
    return file


def push(address):
    headers = {"Authorization": f"Basic {AUTH}"}
    for raw in (CONFIG_RAW, LAYER):
        opened = urllib3.request("POST", f"http://{address}/v2/team/app/blobs/uploads/", headers=headers)
        end = f"{opened.headers['Location']}&digest={Digest.of(raw)}"
        assert urllib3.request("PUT", end, body=raw, headers=headers).status == 201
    target = f"http://{address}/v2/team/app/manifests/1"
    done = urllib3.request("PUT", target, body=MANIFEST_RAW, headers={**headers, "Content-Type": MANIFEST})
    assert done.status == 201, done.data


def pulled(address, folder, files):
    connections = Connections(Access(registry_files=files), size=1)
    try:
        registry, here = Registry(parse_remote(f"{address}/team/app:1"), connections), Layout(folder / "store")
        return copy_image(registry.find("amd64"), registry, here).digest
    finally:
        connections.close()


def test_image_is_pulled_with_the_password_of_the_file_and_with_no_other(closed_registry, tmp_path):
    push(closed_registry)
    right = written(tmp_path, {"auths": {closed_registry: {"auth": AUTH}}})
    assert pulled(closed_registry, tmp_path, (tmp_path / "none", right)) == Digest.of(MANIFEST_RAW)
    wrong = base64.b64encode(b"ann:other").decode()
    for entries in ({}, {"other.example.org": {"auth": AUTH}}, {closed_registry: {"auth": wrong}}):
        with pytest.raises(FetchError):
            pulled(closed_registry, tmp_path, (written(tmp_path, {"auths": entries}),))


def test_entry_for_a_part_of_the_registry_counts_first(tmp_path):
    part = base64.b64encode(b"part:x").decode()
    file = written(tmp_path, {"auths": {"a.example": {"auth": AUTH}, "a.example/team": {"auth": part}}})
    assert find_credential((file,), "a.example", "team/app") == Credential(name="part", secret="x")  # noqa: S106
    assert find_credential((file,), "a.example", "teams/app") == ANN
    assert find_credential((file,), "b.example", "team/app") is None


def test_docker_hub_is_known_by_the_name_that_docker_gives_it(tmp_path):
    file = written(tmp_path, {"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}})
    assert find_credential((file,), "docker.io", "library/debian") == ANN


@pytest.mark.parametrize("content", [[], {"auths": []}, {"auths": {"a.example": {"auth": "secret\r\nX: y"}}}])
def test_malformed_file_is_refused_without_what_it_holds(tmp_path, content):
    with pytest.raises(FetchError) as refused:
        find_credential((written(tmp_path, content),), "a.example", "app")
    assert "auth.json" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_files_are_those_of_podman_then_of_docker(tmp_path):
    found = credential_files({"REGISTRY_AUTH_FILE": "/x"}, tmp_path)
    assert [str(each) for each in found] == [
        "/x",
        f"{tmp_path}/.config/containers/auth.json",
        f"{tmp_path}/.docker/config.json",
    ]
