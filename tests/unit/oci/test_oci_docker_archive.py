import gzip
import io
import json
import tarfile

import pytest

from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.errors import ImageError, SeatrialError, StoreError
from runtime.oci.docker_archive import CONVERTED, convert_docker_archive
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.refusal import Refusal, RefusedError


def layer_of(name):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


ONE, TWO = layer_of("one"), layer_of("two")
CONFIG = to_canonical_json(
    {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [Digest.of(each).text for each in (ONE, TWO)]}}
)
LISTED = [{"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]


def saved(path, files=(), links=()):
    """Write an archive of the older form; ``files`` are put in place of its own, None leaves one out."""
    content = {
        "config.json": CONFIG,
        "1/layer.tar": ONE,
        "2/layer.tar": TWO,
        "manifest.json": json.dumps(LISTED).encode(),
        **dict(files),
    }
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, raw in content.items():
            if raw is not None:
                entry = tarfile.TarInfo(name)
                entry.size = len(raw)
                archive.addfile(entry, io.BytesIO(raw))
        for name, target in dict(links).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return path


@pytest.fixture
def here(tmp_path):
    return Layout(tmp_path / "here")


def test_image_of_an_archive_has_the_config_as_it_was_and_a_manifest_that_says_what_it_is(here, tmp_path):
    image = Image.open(here, convert_docker_archive(saved(tmp_path / "a.tar"), "", here))
    assert image.manifest["config"]["digest"] == Digest.of(CONFIG).text
    assert image.manifest["annotations"] == {CONVERTED: "docker-archive"}
    assert [here.read(each.descriptor.digest, 1 << 20) for each in image.layers] == [ONE, TWO]


def test_both_forms_and_their_links_give_the_same_image(here, tmp_path):
    older = convert_docker_archive(saved(tmp_path / "older.tar"), "app:1", here)
    names = [f"blobs/sha256/{Digest.of(each).hex}" for each in (CONFIG, ONE, TWO)]
    listed = [{"Config": names[0], "RepoTags": ["app:1"], "Layers": names[1:]}]
    moved = {"config.json": None, "1/layer.tar": None, "2/layer.tar": None}
    newer = {**moved, **dict(zip(names, (CONFIG, ONE, TWO), strict=True)), "manifest.json": json.dumps(listed).encode()}
    assert convert_docker_archive(saved(tmp_path / "newer.tar", newer), "", here) == older
    linked = saved(tmp_path / "linked.tar", {"1/layer.tar": None, "one.tar": ONE}, {"1/layer.tar": "../one.tar"})
    assert convert_docker_archive(linked, "", here) == older


def test_compressed_layer_is_taken_as_it_is(here, tmp_path):
    packed = gzip.compress(ONE)
    image = Image.open(here, convert_docker_archive(saved(tmp_path / "a.tar", {"1/layer.tar": packed}), "", here))
    assert here.read(image.layers[0].descriptor.digest, 1 << 20) == packed
    assert [each.text for each in image.diff_ids] == [Digest.of(each).text for each in (ONE, TWO)]


def test_one_of_several_images_is_named(here, tmp_path):
    other = {**LISTED[0], "RepoTags": ["other:1"], "Layers": ["1/layer.tar"]}
    path = saved(tmp_path / "a.tar", {"manifest.json": json.dumps([*LISTED, other]).encode()})
    with pytest.raises(ImageError, match="has 2 images, and none is named\nhint: it has app:1, other:1"):
        convert_docker_archive(path, "", here)
    with pytest.raises(ImageError, match="has no image 'third:1'"):
        convert_docker_archive(path, "third:1", here)
    assert here.has(convert_docker_archive(path, "app:1", here))


@pytest.mark.parametrize(
    ("files", "links", "reason"),
    [
        ({"1/layer.tar": TWO}, {}, Refusal.DIFF_ID),
        ({"1/layer.tar": gzip.compress(ONE)[:-9]}, {}, Refusal.COMPRESSION),
        ({"1/layer.tar": None}, {}, Refusal.LINK_TARGET),
        ({"1/layer.tar": None}, {"1/layer.tar": "layer.tar"}, Refusal.LINK_TARGET),
        ({"1/layer.tar": None}, {"1/layer.tar": "/etc/passwd"}, Refusal.LINK_TARGET),
        ({"1/layer.tar": None}, {"1/layer.tar": "../../../etc/passwd"}, Refusal.LINK_TARGET),
        ({"../escape": b""}, {}, Refusal.NAME_PARENT),
        ({"config.json": b"[]"}, {}, Refusal.JSON_TYPE),
        ({"config.json": b'{"rootfs": {"diff_ids": []}}'}, {}, Refusal.DIFF_IDS),
        ({"manifest.json": b"{}"}, {}, Refusal.JSON_TYPE),
        ({"manifest.json": b"[1]"}, {}, Refusal.JSON_TYPE),
        ({"manifest.json": b'[], "images": []'}, {}, Refusal.JSON_DUPLICATE_KEY),
        ({"manifest.json": b"[" * 40}, {}, Refusal.JSON_DEPTH),
        ({"manifest.json": None}, {}, Refusal.LINK_TARGET),
    ],
    ids=[
        "layer-swapped",
        "layer-truncated",
        "layer-missing",
        "link-to-itself",
        "link-absolute",
        "link-escaping",
        "name-escaping",
        "config-no-object",
        "config-without-layers",
        "list-no-list",
        "list-of-numbers",
        "list-smuggling",
        "list-too-deep",
        "list-missing",
    ],
)
def test_hostile_archive_is_refused_for_its_reason_and_gives_no_manifest(files, links, reason, here, tmp_path):
    with pytest.raises(RefusedError) as caught:
        convert_docker_archive(saved(tmp_path / "a.tar", files, links), "", here)
    assert caught.value.reason is reason
    assert not any(b"schemaVersion" in here.read(each, 1 << 20) for each in here.digests())


def test_archive_that_is_cut_is_refused(here, tmp_path):
    path = saved(tmp_path / "a.tar")
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(SeatrialError):
        convert_docker_archive(path, "", here)


def test_archive_that_is_not_there_is_named(here, tmp_path):
    with pytest.raises(StoreError, match=r"a\.tar cannot be read: No such file"):
        convert_docker_archive(tmp_path / "a.tar", "", here)
