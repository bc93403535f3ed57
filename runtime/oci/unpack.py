"""Unpack a layer into an empty directory, as hostile.

Source: OCI image specification, layer.md, "Whiteouts"; Linux Documentation/filesystems/overlayfs.rst.
"""

from collections.abc import Iterable
from typing import BinaryIO

from runtime.data import replace
from runtime.digest import Digest
from runtime.oci.archive import Limits, read_content, read_entries
from runtime.oci.descriptor import Descriptor
from runtime.oci.folder import Folder
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.stream import LayerStream
from runtime.oci.tar import Entry, Kind

WHITEOUT = b".wh."
OPAQUE_WHITEOUT = b".wh..wh..opq"

_COMPONENT = 255
_PATH = 4095


def unpack_layer(
    blob: BinaryIO, descriptor: Descriptor, diff_id: Digest, root: int, limits: Limits | None = None
) -> None:
    """Unpack a layer; the caller makes the directory visible only after this returned.

    Args:
        blob: the layer's bytes.
        descriptor: what its manifest says of it.
        diff_id: what its config says of it.
        root: descriptor of an empty directory that nobody else can reach, on a file system with user.* attributes.
        limits: caps against bombs.

    Raises:
        RefusedError: the layer is not what the manifest says, is malformed, or holds what is refused; ``reason`` says
            which check. The directory may hold a part of it, which must be removed.
        OSError: the directory cannot be written.
    """
    unpack_layers([(blob, descriptor, diff_id)], root, limits)


def unpack_layers(
    layers: Iterable[tuple[BinaryIO, Descriptor, Digest]], root: int, limits: Limits | None = None
) -> None:
    """Unpack layers that have no path in common but folders, as one; see ``unpack_layer``.

    Raises:
        RefusedError: as for one layer, or one gives or hides what another one gives.
        OSError: the directory cannot be written.
    """
    caps = limits or Limits()
    whiteouts: list[bytes] = []
    opaque: list[bytes] = []
    kept = 0
    with Folder(root) as folder:
        for blob, descriptor, diff_id in layers:
            stream = LayerStream(blob, descriptor, diff_id, caps)
            for entry in read_entries(stream, caps):
                kept += _weight(entry)
                path = check_path(entry.path, caps)
                name = path.rpartition(b"/")[2]
                if name.startswith(WHITEOUT):
                    _note_whiteout(replace(entry, path=path), whiteouts, opaque)
                elif not path and entry.kind is not Kind.DIRECTORY:
                    raise RefusedError(Refusal.ROOT_TYPE, "the root of the layer is no directory")
                else:
                    target = check_path(entry.target, caps) if entry.kind is Kind.HARDLINK else entry.target
                    folder.add(replace(entry, path=path, target=target), read_content(stream, entry.size))
                _check_growth(folder, kept, caps)
            stream.finish()
        for path in whiteouts:
            folder.add_whiteout(path)
        for path in opaque:
            folder.make_opaque(path)
        folder.finish()


def check_path(path: bytes, limits: Limits) -> bytes:
    """Return a path of an archive without ``./`` in front; ``b""`` is the root.

    Raises:
        RefusedError: it leaves the tree, is not normal, or is too long.
    """
    if path.startswith(b"/"):
        raise RefusedError(Refusal.NAME_ABSOLUTE, f"{path[:80]!r} is absolute")
    normal = b"" if path == b"." else path.removeprefix(b"./")
    if not normal:
        return normal
    if len(normal) > _PATH:
        raise RefusedError(Refusal.PATH_LENGTH, f"{normal[:80]!r}… has {len(normal)} bytes; at most {_PATH} are a path")
    parts = normal.split(b"/")
    if b".." in parts:
        raise RefusedError(Refusal.NAME_PARENT, f"{path!r} goes up")
    if b"" in parts or b"." in parts:
        raise RefusedError(Refusal.NAME_DOT, f"{path!r} has an empty component or a dot")
    if len(parts) > limits.depth:
        raise RefusedError(
            Refusal.PATH_DEPTH, f"{path[:80]!r}… is {len(parts)} deep; at most {limits.depth} are unpacked"
        )
    if max(map(len, parts)) > _COMPONENT:
        raise RefusedError(Refusal.NAME_LENGTH, f"{path[:80]!r}… has a name of more than {_COMPONENT} bytes")
    return normal


def _weight(entry: Entry) -> int:
    return len(entry.path) + len(entry.target) + sum(len(key) + len(value) for key, value in entry.xattrs.items())


def _check_growth(folder: Folder, kept: int, caps: Limits) -> None:
    """Count what entries make beside themselves: one name can imply more than a hundred folders."""
    if len(folder) > caps.entries:
        raise RefusedError(Refusal.ENTRY_COUNT, f"the layer has more than {caps.entries} paths")
    if folder.names + kept > caps.metadata:
        message = f"the names, links and attributes of the layer have more than {caps.metadata} bytes"
        raise RefusedError(Refusal.METADATA_SIZE, message)


def _note_whiteout(entry: Entry, whiteouts: list[bytes], opaque: list[bytes]) -> None:
    folder, slash, name = entry.path.rpartition(b"/")
    if any(part.startswith(WHITEOUT) for part in folder.split(b"/")):
        raise RefusedError(Refusal.WHITEOUT_NAME, f"{entry.path!r} lies below a whiteout")
    if entry.kind is not Kind.FILE or entry.size:
        raise RefusedError(Refusal.WHITEOUT_TYPE, f"the whiteout {entry.path!r} is no empty file")
    if name == OPAQUE_WHITEOUT:
        opaque.append(folder)
        return
    hidden = name.removeprefix(WHITEOUT)
    if hidden in (b"", b".", b".."):
        reason = Refusal.WHITEOUT_ROOT if not folder else Refusal.WHITEOUT_NAME
        raise RefusedError(reason, f"the whiteout {entry.path!r} hides no name")
    if hidden.startswith(WHITEOUT):
        raise RefusedError(Refusal.WHITEOUT_RESERVED, f"{entry.path!r} is reserved for other union file systems")
    whiteouts.append(folder + slash + hidden)
