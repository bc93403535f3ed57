"""Put layers together to an image or to a suite, and images to an index: config and manifest, in canonical JSON."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pipeline.declare.image import BuiltImage
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.oci.descriptor import INDEX, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT
from runtime.oci.image import SUITE, SUITE_CONFIG, Layer
from runtime.oci.layout import Layout
from runtime.plan import Variant

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"


def assemble_image(
    spec: BuiltImage, layers: Sequence[Layer], layout: Layout, *, name: str, architecture: str, epoch: int
) -> Digest:
    """Write config and manifest of an image, and return the manifest's digest.

    The layout lists the manifest under two names, its digest and ``name``: the first always means the same image, the
    second the one that was built last. So any tool of the field can reach it, as ``skopeo copy oci:STORE/oci:NAME …``.

    Args:
        spec: says what a container of it runs.
        layers: the lowest first; they are in the layout.
        layout: takes the image.
        name: of the environment.
        architecture: in Go's words.
        epoch: when it was created; seconds since 1970.

    Source: OCI image specification, config.md and manifest.md.
    """
    user = spec.user
    run: dict[str, Json] = {
        "User": f"{user.uid}:{user.uid}",
        "Env": [f"{key}={value}" for key, value in sorted(spec.env.items())],
        "WorkingDir": spec.workdir,
        "Entrypoint": list(spec.entrypoint) or None,
        "Cmd": list(spec.command) or None,
        "ExposedPorts": {f"{port}/tcp": {} for port in spec.ports} or None,
        "Labels": dict(spec.labels) or None,
    }
    config = _config(layers, architecture, epoch) | {"config": {key: item for key, item in run.items() if item}}
    return _write(config, _CONFIG, layers, layout, name=name, artifact={})


def assemble_suite(layers: Sequence[Layer], layout: Layout, *, name: str, architecture: str, epoch: int) -> Digest:
    """Write config and manifest of a suite tree, and return the manifest's digest.

    It is listed by its digest and as ``NAME/suite``, as ``assemble_image`` lists an image; a name has no slash.
    """
    config = _config(layers, architecture, epoch)
    return _write(config, SUITE_CONFIG, layers, layout, name=f"{name}/suite", artifact={"artifactType": SUITE})


def assemble_index(variants: Sequence[Variant], layout: Layout, *, name: str) -> Digest:
    """Write an index of the images of several architectures, and return its digest; it is listed as ``NAME/index``.

    Nothing is run for it: it names manifests that are in the layout already.

    Source: OCI image specification, image-index.md.
    """
    manifests = [
        Descriptor(
            media_type=_MANIFEST,
            digest=each.image,
            size=len(layout.read(each.image, DOCUMENT_LIMIT)),
            platform={"os": "linux", "architecture": each.architecture},
        )
        for each in sorted(variants, key=lambda each: each.architecture)
    ]
    index: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [each.to_json() for each in manifests],
    }
    written = layout.write(to_canonical_json(index), INDEX)
    for each in (written.digest.text, f"{name}/index"):
        layout.add_manifest(written, name=each)
    return written.digest


def _config(layers: Sequence[Layer], architecture: str, epoch: int) -> dict[str, Json]:
    return {
        "architecture": architecture,
        "os": "linux",
        "created": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "rootfs": {"type": "layers", "diff_ids": [each.diff_id.text for each in layers]},
    }


def _write(
    config: Mapping[str, Json],
    kind: str,
    layers: Sequence[Layer],
    layout: Layout,
    *,
    name: str,
    artifact: Mapping[str, Json],
) -> Digest:
    described = layout.write(to_canonical_json(config), kind)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": described.to_json(),
        "layers": [each.descriptor.to_json() for each in layers],
        **artifact,
    }
    written: Descriptor = layout.write(to_canonical_json(manifest), _MANIFEST)
    for each in (written.digest.text, name):
        layout.add_manifest(written, name=each)
    return written.digest
