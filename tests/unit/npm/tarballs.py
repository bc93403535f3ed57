"""Packages of npm, made for tests."""

import base64
import gzip
import hashlib
import io
import json
import tarfile

TIME = 1_700_000_000


def member(name, kind=tarfile.REGTYPE, *, content=b"", link="", mode=0o644, mtime=TIME):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime, info.size = kind, link, mode, mtime, len(content)
    return info, content


def tarball(*members, manifest=None, top="package"):
    """Return the bytes of a package: a package.json and the members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for info, content in (
            *([] if manifest is None else [member(f"{top}/package.json", content=json.dumps(manifest).encode())]),
            *members,
        ):
            file.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def integrity(content, algorithm="sha512"):
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"
