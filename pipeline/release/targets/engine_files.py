"""What differs in a container's files from its image, as one digest."""

import hashlib
import io
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runtime.backends.engines.connection import ChunkFile
from runtime.canonical import Json
from runtime.digest import Digest

_OF_THE_ENGINE = ("/.dockerenv", "/run/.containerenv", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab")
"""Files that an engine lays into each container itself."""

_OF_THE_KERNEL = ("/dev", "/proc", "/sys")

_MOST = 5000
"""Changes whose content is read: what a program writes by the thousand belongs on a volume."""

_SHOWN = 20

_MOST_BYTES = 64 << 20
"""Of one file; a larger one counts by its size and its time."""

_ADDED, _DELETED = 1, 2
# Docker Engine API 1.41, ``ContainerChanges``: 0 modified, 1 added, 2 deleted.


def files_of(client: Any, container: str, points: Iterable[str]) -> dict[str, Json]:  # noqa: ANN401 - an APIClient
    """Return ``files``, the digest of all that differs from the image, None where nothing does; and ``changed``, where.

    A folder whose time alone changed does not differ. Neither do mount points, nor what an engine lays into each
    container.

    Args:
        client: of the docker SDK.
        container: its id.
        points: where something is mounted, which is no file of the container.
    """
    changes = {each["Path"]: int(each["Kind"]) for each in client.diff(container) or ()}
    wanted = differing(changes, frozenset(points))
    found = {path: _content(client, container, path, kind) for path, kind in list(wanted.items())[:_MOST]}
    found |= {path: str(kind) for path, kind in list(wanted.items())[_MOST:]}
    return {"files": Digest.of_json(found).text if found else None, "changed": list(found)[:_SHOWN]}


def differing(changes: Mapping[str, int], points: frozenset[str]) -> dict[str, int]:
    """Return the changes that are differences: path → kind, sorted.

    Args:
        changes: as an engine tells them, with each folder above a change.
        points: where something is mounted.
    """
    above = {parent for path in changes for parent in _parents(path)} | {
        parent for path in points for parent in _parents(path)
    }
    return {
        path: kind
        for path, kind in sorted(changes.items())
        if not (path in above and kind != _DELETED)
        and path not in points
        and not any(_is_below(path, each) for each in (*points, *_OF_THE_KERNEL))
        and path not in _OF_THE_ENGINE
    }


def _content(client: Any, container: str, path: str, kind: int) -> Json:  # noqa: ANN401 - likewise
    """Return what a path is now; a folder above others is told by these."""
    if kind == _DELETED:
        return "deleted"
    from docker.errors import DockerException  # noqa: PLC0415 - the SDK is large

    try:
        chunks, _ = client.get_archive(container, path)
        return _told_of(chunks)
    except (DockerException, tarfile.TarError):
        return "gone"  # a program may remove what it wrote a moment ago, or end meanwhile


def _told_of(chunks: Iterable[bytes]) -> Json:
    with tarfile.open(fileobj=io.BufferedReader(ChunkFile(iter(chunks))), mode="r|") as archive:
        entry = archive.next()
        if entry is None:
            return "gone"
        seen: dict[str, Json] = {"mode": entry.mode, "uid": entry.uid, "gid": entry.gid, "type": repr(entry.type)}
        if entry.isfile():
            return seen | (_hashed(archive, entry) if entry.size <= _MOST_BYTES else _told(entry))
        return seen | {"link": entry.linkname}


def _hashed(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> dict[str, Json]:
    file = archive.extractfile(entry)
    return {"content": hashlib.file_digest(file, "sha256").hexdigest() if file else ""}  # type: ignore[arg-type]


def _told(entry: tarfile.TarInfo) -> dict[str, Json]:
    return {"size": entry.size, "time": int(entry.mtime)}


def _parents(path: str) -> Iterator[str]:
    while path not in {"/", ""}:
        path = posixpath.dirname(path)
        yield path


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
