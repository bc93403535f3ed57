"""An index names the images of several architectures, the same bytes whatever order they were built in."""

import json

from pipeline.build.assemble import assemble_image, assemble_index
from pipeline.cli.cache import _damaged
from pipeline.declare.image import BuiltImage
from runtime.oci.layout import Layout
from runtime.oci.reference import pick
from runtime.plan import Variant


def variants(layout):
    spec = BuiltImage.model_validate({"debian": "bookworm"})
    for name in ("arm64", "amd64"):
        image = assemble_image(spec, (), layout, name=f"web.{name}", architecture=name, epoch=0)
        yield Variant(architecture=name, image=image, suite=image)


def test_index_lists_each_architecture_whatever_their_order(tmp_path):
    layout = Layout(tmp_path / "oci")
    built = tuple(variants(layout))
    digest = assemble_index(built, layout, name="web")
    assert digest == assemble_index(built[::-1], layout, name="web") == layout.resolve("web/index").digest
    raw = layout.read(digest, 1 << 20)
    listed = json.loads(raw)["manifests"]
    assert [each["platform"] for each in listed] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    assert [each["size"] for each in listed] == [layout.path(each.image).stat().st_size for each in built[::-1]]
    assert [pick("web", raw, digest, each.architecture) for each in built] == [each.image for each in built]


def test_store_with_an_index_is_whole(tmp_path):
    layout = Layout(tmp_path / "oci")
    assemble_index(tuple(variants(layout)), layout, name="web")
    assert _damaged(tmp_path) == []
