"""Crafted manifests, configs and lists of manifests, each with the reason for which it is refused."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.digest import Digest
from runtime.oci.descriptor import CONFIG, INDEX, LAYER_GZIP, MANIFEST
from runtime.oci.document import DOCUMENT_LIMIT, parse_document
from runtime.oci.image import Image, parse_manifest
from runtime.oci.layout import Layout
from runtime.oci.referrers import parse_list, referrer_of
from runtime.oci.refusal import Refusal

DIGEST = Digest.of(b"layer").text
LAYER = {"mediaType": LAYER_GZIP, "digest": DIGEST, "size": 5}
CONTENT = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [DIGEST]}}
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

TEXTS = {
    "no_json": (b"{", Refusal.JSON_SYNTAX),
    "no_utf8": (b'{"a": "\xff"}', Refusal.JSON_SYNTAX),
    "two_values": (b"{}{}", Refusal.JSON_SYNTAX),
    "byte_order_mark": (b"\xef\xbb\xbf{}", Refusal.JSON_SYNTAX),
    "nothing": (b"", Refusal.JSON_SYNTAX),
    "key_twice": (b'{"layers": [], "layers": [1]}', Refusal.JSON_DUPLICATE_KEY),
    "key_twice_by_escape": (b'{"a": 1, "\\u0061": 2}', Refusal.JSON_DUPLICATE_KEY),
    "key_twice_deep_inside": (b'{"config": {"a": {"b": 1, "b": 2}}}', Refusal.JSON_DUPLICATE_KEY),
    "too_deep": (b'{"a":' * 40 + b"1" + b"}" * 40, Refusal.JSON_DEPTH),
    "too_deep_for_the_parser": (b"[" * 100_000, Refusal.JSON_DEPTH),
    "float": (b'{"size": 1.5}', Refusal.JSON_NUMBER),
    "exponent": (b'{"size": 1e9}', Refusal.JSON_NUMBER),
    "not_a_number": (b'{"size": NaN}', Refusal.JSON_NUMBER),
    "infinity": (b'{"size": -Infinity}', Refusal.JSON_NUMBER),
    "huge_number": (b'{"size": ' + b"9" * 5000 + b"}", Refusal.JSON_NUMBER),
    "list": (b"[]", Refusal.JSON_TYPE),
    "null": (b"null", Refusal.JSON_TYPE),
    "too_large": (b" " * (DOCUMENT_LIMIT + 1), Refusal.DOCUMENT_SIZE),
}

MANIFESTS = {
    "also_an_index": ({"manifests": []}, Refusal.MANIFEST_AMBIGUOUS),
    "also_of_schema_1": ({"fsLayers": []}, Refusal.MANIFEST_AMBIGUOUS),
    "media_type_of_index": ({"mediaType": INDEX}, Refusal.MEDIA_TYPE),
    "media_type_of_config": ({"mediaType": CONFIG}, Refusal.MEDIA_TYPE),
    "media_type_in_capitals": ({"mediaType": MANIFEST.upper()}, Refusal.MEDIA_TYPE),
    "media_type_is_a_list": ({"mediaType": [MANIFEST]}, Refusal.MEDIA_TYPE),
    "schema_1": ({"schemaVersion": 1}, Refusal.MEDIA_TYPE),
    "schema_is_text": ({"schemaVersion": "2"}, Refusal.MEDIA_TYPE),
}

IMAGES = {
    "layer_from_urls": ({"layers": [LAYER | {"urls": ["https://example.org/x"]}]}, {}, Refusal.FOREIGN_LAYER),
    "layer_from_data": ({"layers": [LAYER | {"data": "aGk="}]}, {}, Refusal.FOREIGN_LAYER),
    "layer_size_negative": ({"layers": [LAYER | {"size": -1}]}, {}, Refusal.BLOB_SIZE),
    "layer_size_text": ({"layers": [LAYER | {"size": "5"}]}, {}, Refusal.JSON_TYPE),
    "layer_size_true": ({"layers": [LAYER | {"size": True}]}, {}, Refusal.JSON_TYPE),
    "layer_size_missing": ({"layers": [{"mediaType": LAYER_GZIP, "digest": DIGEST}]}, {}, Refusal.JSON_TYPE),
    "layer_annotation_is_number": ({"layers": [LAYER | {"annotations": {"a": 1}}]}, {}, Refusal.JSON_TYPE),
    "layer_is_text": ({"layers": ["x"]}, {}, Refusal.JSON_TYPE),
    "layer_is_foreign": ({"layers": [LAYER | {"mediaType": FOREIGN}]}, {}, Refusal.MEDIA_TYPE),
    "layer_is_manifest": ({"layers": [LAYER | {"mediaType": MANIFEST}]}, {}, Refusal.MEDIA_TYPE),
    "layers_are_many": ({"layers": [LAYER] * 201}, {}, Refusal.LAYER_COUNT),
    "layers_are_object": ({"layers": {}}, {}, Refusal.JSON_TYPE),
    "diff_ids_fewer": ({}, {"rootfs": {"diff_ids": []}}, Refusal.DIFF_IDS),
    "diff_ids_more": ({}, {"rootfs": {"diff_ids": [DIGEST, DIGEST]}}, Refusal.DIFF_IDS),
    "rootfs_missing": ({}, {"rootfs": None}, Refusal.JSON_TYPE),
    "digest_of_another_algorithm": (
        {"layers": [LAYER | {"digest": "sha512:" + "0" * 128}]},
        {},
        Refusal.DIGEST_FORM,
    ),
    "digest_of_a_weak_algorithm": ({"layers": [LAYER | {"digest": "md5:" + "0" * 32}]}, {}, Refusal.DIGEST_FORM),
    "digest_in_capitals": ({"layers": [LAYER | {"digest": "sha256:" + "A" * 64}]}, {}, Refusal.DIGEST_FORM),
    "digest_is_a_path": ({"layers": [LAYER | {"digest": "sha256:../../x"}]}, {}, Refusal.DIGEST_FORM),
    "digest_is_empty": ({"layers": [LAYER | {"digest": ""}]}, {}, Refusal.DIGEST_FORM),
    "diff_id_is_a_path": ({}, {"rootfs": {"diff_ids": ["sha256:/../../../etc"]}}, Refusal.DIGEST_FORM),
}

LIES = {
    "config_of_another_size": ({"size": 1}, Refusal.BLOB_SIZE),
    "config_of_another_type": ({"mediaType": LAYER_GZIP}, Refusal.MEDIA_TYPE),
    "config_is_an_index": ({"mediaType": INDEX}, Refusal.MEDIA_TYPE),
    "config_from_urls": ({"urls": ["file:///etc/passwd"]}, Refusal.FOREIGN_LAYER),
    "config_digest_of_another_algorithm": ({"digest": "sha1:" + "0" * 40}, Refusal.DIGEST_FORM),
}

ENTRY = {"mediaType": MANIFEST, "digest": DIGEST, "size": 5}
LISTS = {
    "list_with_key_twice": (b'{"manifests": [], "manifests": []}', Refusal.JSON_DUPLICATE_KEY),
    "list_too_large": (b'{"manifests": [' + b" " * DOCUMENT_LIMIT + b"]}", Refusal.DOCUMENT_SIZE),
    "list_of_object": (b'{"manifests": {}}', Refusal.JSON_TYPE),
    "list_from_urls": (json.dumps({"manifests": [ENTRY | {"urls": ["https://x"]}]}).encode(), Refusal.FOREIGN_LAYER),
    "list_of_many": (json.dumps({"manifests": [ENTRY] * 10_001}).encode(), Refusal.MANIFEST_COUNT),
}
SUBJECT = {"mediaType": MANIFEST, "digest": DIGEST, "size": 5}
REFERRERS = {
    "referrer_without_subject": ({}, Refusal.MANIFEST_SUBJECT),
    "referrer_of_another_subject": (
        {"subject": SUBJECT | {"digest": Digest.of(b"other").text}},
        Refusal.MANIFEST_SUBJECT,
    ),
    "referrer_of_a_list": ({"subject": [SUBJECT]}, Refusal.JSON_TYPE),
}
REFERRER_LISTS = {
    "referrers_in_a_manifest": ({"schemaVersion": 2, "mediaType": MANIFEST}, Refusal.MEDIA_TYPE),
    "referrers_that_are_many": ({"schemaVersion": 2, "manifests": [ENTRY] * 10_001}, Refusal.MANIFEST_COUNT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that must be refused: how it is read, given a fresh folder, and why it is refused."""

    read: Callable[[Path], object]
    reason: Refusal


def image(root: Path, change: Mapping, config_change: Mapping, **lies: object) -> Image:
    """Open an image whose manifest, config and description of the config are changed."""
    layout = Layout(root)
    config = layout.write(json.dumps(CONTENT | config_change).encode(), CONFIG)
    described = {"mediaType": CONFIG, "digest": config.digest.text, "size": config.size} | lies
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": [LAYER]} | change
    return Image.open(layout, layout.write(json.dumps(manifest).encode(), MANIFEST).digest)


def manifest(change: Mapping) -> object:
    """Parse a manifest that is changed."""
    whole = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []} | change
    return parse_manifest(json.dumps(whole).encode(), "changed")


def listed(root: Path, raw: bytes) -> object:
    """Read the list of manifests of a layout."""
    layout = Layout(root)
    (root / "index.json").write_bytes(raw)
    return layout.manifests()


def referrer(change: Mapping) -> object:
    """Read an artifact as what refers to an image."""
    whole = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []} | change
    return referrer_of(json.dumps(whole).encode(), Digest(DIGEST))


def cyclic(root: Path) -> object:
    """Open an index as an image: it can name itself by no digest, but a list of its layout can name it."""
    layout = Layout(root)
    inner = layout.write(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode(), INDEX)
    entry = {"mediaType": INDEX, "digest": inner.digest.text, "size": inner.size}
    outer = layout.write(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode(), INDEX)
    layout.add_manifest(outer, name="cyclic")
    named = layout.resolve("cyclic")
    return Image.open(layout, named.digest)


def _documents() -> Mapping[str, Document]:
    found = {
        name: Document(read=lambda _, raw=raw: parse_document(raw, "text"), reason=why)
        for name, (raw, why) in TEXTS.items()
    }
    found |= {name: Document(read=lambda _, x=x: manifest(x), reason=why) for name, (x, why) in MANIFESTS.items()}
    found |= {
        name: Document(read=lambda root, x=x, y=y: image(root, x, y), reason=why)
        for name, (x, y, why) in IMAGES.items()
    }
    found |= {
        name: Document(read=lambda root, x=x: image(root, {}, {}, **x), reason=why) for name, (x, why) in LIES.items()
    }
    found |= {
        name: Document(read=lambda root, raw=raw: listed(root, raw), reason=why) for name, (raw, why) in LISTS.items()
    }
    found |= {
        name: Document(read=lambda _, x=x: referrer(x), reason=why) for name, (x, why) in REFERRERS.items()
    }
    found |= {
        name: Document(read=lambda _, x=x: parse_list(json.dumps(x).encode(), "list"), reason=why)
        for name, (x, why) in REFERRER_LISTS.items()
    }
    return found | {"index_as_image": Document(read=cyclic, reason=Refusal.MANIFEST_AMBIGUOUS)}


DOCUMENTS = _documents()
"""Every hostile document by name."""

SHAPES = tuple(
    (kind, *value[:-1])
    for kind, table in enumerate((TEXTS, MANIFESTS, IMAGES, LIES, LISTS, REFERRERS, REFERRER_LISTS))
    for value in table.values()
)
"""What makes each of them hostile; no two are the same."""
