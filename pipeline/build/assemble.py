"""Put layers together to an image or to a suite: config and manifest, in canonical JSON."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pipeline.declare.image import BuiltImage
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.oci.descriptor import Descriptor
from runtime.oci.image import SUITE, SUITE_CONFIG, Layer
from runtime.oci.layout import Layout

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"


def assemble_image(
    spec: BuiltImage, layers: Sequence[Layer], layout: Layout, *, architecture: str, epoch: int
) -> Digest:
    """Write config and manifest of an image, and return the manifest's digest.

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
    return _write(config, _CONFIG, layers, layout, {})


def assemble_suite(layers: Sequence[Layer], layout: Layout, *, architecture: str, epoch: int) -> Digest:
    """Write config and manifest of a suite tree, and return the manifest's digest."""
    return _write(_config(layers, architecture, epoch), SUITE_CONFIG, layers, layout, {"artifactType": SUITE})


def _config(layers: Sequence[Layer], architecture: str, epoch: int) -> dict[str, Json]:
    return {
        "architecture": architecture,
        "os": "linux",
        "created": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "rootfs": {"type": "layers", "diff_ids": [each.diff_id.text for each in layers]},
    }


def _write(
    config: Mapping[str, Json], kind: str, layers: Sequence[Layer], layout: Layout, more: Mapping[str, Json]
) -> Digest:
    described = layout.write(to_canonical_json(config), kind)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": described.to_json(),
        "layers": [each.descriptor.to_json() for each in layers],
        **more,
    }
    written: Descriptor = layout.write(to_canonical_json(manifest), _MANIFEST)
    layout.add_manifest(written)
    return written.digest
