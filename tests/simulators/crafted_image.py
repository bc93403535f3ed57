"""Images of a few entries, in a layout or as an archive of ``docker save``, of which every byte can be chosen."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


def entry(name, content=b"", **fields):
    """Return one entry; a name that ends with a slash is a directory's."""
    info = tarfile.TarInfo(name.rstrip("/"))
    info.size, info.mode, info.mtime = len(content), 0o644, 1_700_000_000
    if name.endswith("/"):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def pack(*entries, form=tarfile.PAX_FORMAT, end=10240):
    """Return an archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
        size = archive.offset
    raw = out.getvalue()[:size] + bytes(1024)
    return raw + bytes(-len(raw) % end)


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Crafted:
    """One image.

    Args:
        layers: their archives, the lowest first.
        compress: makes a blob of each.
        kinds: the media types of manifest, config and layers.
        config, manifest, descriptor: fields over the usual ones.
        write: makes bytes of a document.
    """

    def __init__(
        self,
        *layers,
        compress=lambda raw: gzip.compress(raw, mtime=0),
        kinds=(MANIFEST, CONFIG, GZIP),
        config=None,
        manifest=None,
        descriptor=None,
        write=compact,
    ):
        self.layers = layers
        blobs = [compress(each) for each in layers]
        ids = [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers]
        run = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"]}
        self.config = write({
            "created": "2024-01-01T00:00:00Z",
            "architecture": "amd64",
            "os": "linux",
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": ids},
            "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"step {each}"} for each in range(3)],
            **(config or {}),
        })  # fmt: skip
        self.manifest = write({
            "schemaVersion": 2,
            "mediaType": kinds[0],
            "config": described(self.config, kinds[1]),
            "layers": [{**described(each, kinds[2]), **(descriptor or {})} for each in blobs],
            **(manifest or {}),
        })  # fmt: skip
        self.blobs = (*blobs, self.config, self.manifest)
        self.described = described(self.manifest, kinds[0])

    def lay(self, folder: Path) -> str:
        """Write a layout that lists it alone, and return how it is called."""
        return lay(folder, self.blobs, self.described)

    def save(self, path: Path, *, link=False) -> str:
        """Write it as ``docker save`` does, and return how it is called."""
        name = f"{hashlib.sha256(self.config).hexdigest()}.json"
        names = [f"{index}/layer.tar" for index, _ in enumerate(self.layers)]
        listed = compact([{"Config": name, "RepoTags": ["a:b"], "Layers": names}])
        with tarfile.open(path, "w") as archive:
            files = zip(names, self.layers, strict=True)
            for each, content in ((name, self.config), *files, ("manifest.json", listed)):
                if link and content == self.layers[0] and each != names[0]:
                    info, _ = entry(each, type=tarfile.SYMTYPE, linkname=f"../{names[0]}")
                else:
                    info, _ = entry(each, content)
                archive.addfile(info, io.BytesIO(content))
        return f"docker-archive:{path}"


def lay_index(folder: Path, *images: Crafted, platforms=("amd64", "arm64", "riscv64"), **fields) -> str:
    """Write a layout with an index of images, and return how it is called."""
    listed = [
        {**image.described, "platform": {"os": "linux", "architecture": each}}
        for image, each in zip(images, platforms, strict=False)
    ]
    index = compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed, **fields})
    return lay(folder, (index, *(blob for image in images for blob in image.blobs)), described(index, INDEX))


def lay(folder: Path, blobs, top) -> str:
    place = folder / "blobs/sha256"
    place.mkdir(parents=True)
    for each in blobs:
        (place / hashlib.sha256(each).hexdigest()).write_bytes(each)
    (folder / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_bytes(compact({"schemaVersion": 2, "manifests": [top]}))
    return f"oci:{folder}"


def described(content: bytes, kind: str) -> dict:
    return {"mediaType": kind, "digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}
