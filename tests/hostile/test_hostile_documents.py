"""Crafted manifests and configs: each is refused for its own reason."""

import json
from pathlib import Path

import pytest

from runtime.digest import Digest
from runtime.errors import DigestError
from runtime.oci.descriptor import CONFIG, INDEX, LAYER_GZIP, MANIFEST
from runtime.oci.document import DOCUMENT_LIMIT, parse_document
from runtime.oci.image import Image, parse_manifest
from runtime.oci.layout import Layout
from runtime.oci.refusal import Refusal, RefusedError

DIGEST = Digest.of(b"layer").text
LAYER = {"mediaType": LAYER_GZIP, "digest": DIGEST, "size": 5}
CONTENT = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [DIGEST]}}

TEXTS = {
    "no_json": (b"{", Refusal.JSON_SYNTAX),
    "no_utf8": (b'{"a": "\xff"}', Refusal.JSON_SYNTAX),
    "two_values": (b"{}{}", Refusal.JSON_SYNTAX),
    "key_twice": (b'{"layers": [], "layers": [1]}', Refusal.JSON_DUPLICATE_KEY),
    "key_twice_by_escape": (b'{"a": 1, "\\u0061": 2}', Refusal.JSON_DUPLICATE_KEY),
    "key_twice_deep_inside": (b'{"config": {"a": {"b": 1, "b": 2}}}', Refusal.JSON_DUPLICATE_KEY),
    "too_deep": (b'{"a":' * 40 + b"1" + b"}" * 40, Refusal.JSON_DEPTH),
    "too_deep_for_the_parser": (b"[" * 100_000, Refusal.JSON_DEPTH),
    "float": (b'{"size": 1.5}', Refusal.JSON_NUMBER),
    "exponent": (b'{"size": 1e9}', Refusal.JSON_NUMBER),
    "not_a_number": (b'{"size": NaN}', Refusal.JSON_NUMBER),
    "huge_number": (b'{"size": ' + b"9" * 5000 + b"}", Refusal.JSON_NUMBER),
    "list": (b"[]", Refusal.JSON_TYPE),
    "too_large": (b" " * (DOCUMENT_LIMIT + 1), Refusal.DOCUMENT_SIZE),
}


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_text_is_refused_for_its_reason(name):
    raw, reason = TEXTS[name]
    with pytest.raises(RefusedError) as caught:
        parse_document(raw, name)
    assert caught.value.reason is reason


def test_brackets_inside_text_are_no_depth():
    assert parse_document(b'{"a": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\"[[["}', "text")["a"]


MANIFESTS = {
    "also_an_index": ({"manifests": []}, Refusal.MANIFEST_AMBIGUOUS),
    "also_of_schema_1": ({"fsLayers": []}, Refusal.MANIFEST_AMBIGUOUS),
    "media_type_of_index": ({"mediaType": INDEX}, Refusal.MEDIA_TYPE),
    "media_type_of_config": ({"mediaType": CONFIG}, Refusal.MEDIA_TYPE),
    "schema_1": ({"schemaVersion": 1}, Refusal.MEDIA_TYPE),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_hostile_manifest_is_refused_for_its_reason(name):
    change, reason = MANIFESTS[name]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []} | change
    with pytest.raises(RefusedError) as caught:
        parse_manifest(json.dumps(manifest).encode(), name)
    assert caught.value.reason is reason


IMAGES = {
    "layer_from_urls": ({"layers": [LAYER | {"urls": ["https://example.org/x"]}]}, {}, Refusal.FOREIGN_LAYER),
    "layer_from_data": ({"layers": [LAYER | {"data": "aGk="}]}, {}, Refusal.FOREIGN_LAYER),
    "layer_size_negative": ({"layers": [LAYER | {"size": -1}]}, {}, Refusal.BLOB_SIZE),
    "layer_size_text": ({"layers": [LAYER | {"size": "5"}]}, {}, Refusal.JSON_TYPE),
    "layer_size_true": ({"layers": [LAYER | {"size": True}]}, {}, Refusal.JSON_TYPE),
    "layer_is_text": ({"layers": ["x"]}, {}, Refusal.JSON_TYPE),
    "layer_is_foreign": (
        {"layers": [LAYER | {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}]},
        {},
        Refusal.MEDIA_TYPE,
    ),
    "layer_is_manifest": ({"layers": [LAYER | {"mediaType": MANIFEST}]}, {}, Refusal.MEDIA_TYPE),
    "layers_are_many": ({"layers": [LAYER] * 201}, {}, Refusal.LAYER_COUNT),
    "layers_are_object": ({"layers": {}}, {}, Refusal.JSON_TYPE),
    "diff_ids_fewer": ({}, {"rootfs": {"diff_ids": []}}, Refusal.DIFF_IDS),
    "diff_ids_more": ({}, {"rootfs": {"diff_ids": [DIGEST, DIGEST]}}, Refusal.DIFF_IDS),
    "rootfs_missing": ({}, {"rootfs": None}, Refusal.JSON_TYPE),
}


def image(root: Path, change: dict, config_change: dict, **lies) -> Image:
    layout = Layout(root)
    config = layout.write(json.dumps(CONTENT | config_change).encode(), CONFIG)
    described = {"mediaType": CONFIG, "digest": config.digest.text, "size": config.size} | lies
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": [LAYER]} | change
    return Image.open(layout, layout.write(json.dumps(manifest).encode(), MANIFEST).digest)


@pytest.mark.parametrize("name", IMAGES)
def test_hostile_image_is_refused_for_its_reason(name, tmp_path):
    change, config_change, reason = IMAGES[name]
    with pytest.raises(RefusedError) as caught:
        image(tmp_path, change, config_change)
    assert caught.value.reason is reason


def test_config_of_another_size_or_type_is_refused(tmp_path):
    for lies, reason in (({"size": 1}, Refusal.BLOB_SIZE), ({"mediaType": LAYER_GZIP}, Refusal.MEDIA_TYPE)):
        with pytest.raises(RefusedError) as caught:
            image(tmp_path, {}, {}, **lies)
        assert caught.value.reason is reason


@pytest.mark.parametrize(
    "digest", ["sha512:" + "0" * 128, "md5:" + "0" * 32, "sha256:" + "A" * 64, "sha256:../../x", ""]
)
def test_digest_of_another_algorithm_or_form_is_refused(digest, tmp_path):
    with pytest.raises(DigestError):
        image(tmp_path, {"layers": [LAYER | {"digest": digest}]}, {})


def test_image_reads_what_its_config_says(tmp_path):
    run = {"User": "1000:1000", "Env": ["A=1", "B=x=y", "A=2"], "Cmd": ["x"], "ExposedPorts": {"80/tcp": {}}}
    found = image(tmp_path, {}, {"config": run | {"Labels": {"a": "b"}, "Entrypoint": None}})
    assert (found.user, dict(found.environment), found.workdir) == ("1000:1000", {"A": "2", "B": "x=y"}, "/")
    assert (found.entrypoint, found.command, found.ports, dict(found.labels)) == ((), ("x",), ("80/tcp",), {"a": "b"})
    assert (found.architecture, [each.text for each in found.diff_ids], found.is_suite) == ("amd64", [DIGEST], False)
