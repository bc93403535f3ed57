"""The recipe of an image: what it is built from beside packages: the spec, its lock, and local files that they name.

It lies beside the image as an artifact, so whoever has the image can build it again without the project's own tree.
What is equal has equal bytes: neither times nor owners are in it.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter
from pipeline.build.files import find_files
from pipeline.build.lock import lock_path
from pipeline.build.workshop import FORMAT
from pipeline.declare.dependencies import dependency_files
from pipeline.declare.errors import BuildError
from pipeline.declare.image import LocalFiles
from pipeline.declare.spec import EnvSpec
from pipeline.declare.tree import MARKS, project_tree
from runtime.digest import Digest
from runtime.oci.archive import Limits, read_content, read_entries
from runtime.oci.attached import Artifact, Attachable, attach_artifact, read_artifact
from runtime.oci.descriptor import LAYER_TAR, Descriptor
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.stream import LayerStream
from runtime.oci.tar import END, Entry, Kind, padding, to_header

KIND = "application/vnd.seatrial.recipe.v1"
SPEC = "dev.seatrial.recipe.spec"
"""The annotation that says which of the files is the spec."""
LOCK = "dev.seatrial.recipe.lock"
"""The annotation that says the digest of the lock in it."""
ASSEMBLY = "dev.seatrial.recipe.assembly"
"""The annotation that says the format of the assembly: another one gives other bytes."""

_LIMITS = Limits(total=8 * 1024**3, entries=200_000)
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFile:
    """One file or link of a recipe.

    Args:
        path: relative to the top of the project.
        source: where its content is read.
        is_executable: whether it may be run.
        target: of a link; empty for a file.
    """

    path: str
    source: Path
    is_executable: bool = False
    target: str = ""


def attach_recipe(spec: EnvSpec, lock: Digest, image: Digest, store: Attachable) -> Descriptor:
    """Put the recipe of a spec beside the image that was built from it; an equal one is not put there again.

    Raises:
        BuildError: a local file changed while it was read.
        StoreError: it cannot be written.
    """
    blob = store.write(_archive(recipe_files(spec)), LAYER_TAR)
    path = os.path.relpath(os.path.realpath(spec.path), project_tree(spec.path))
    return attach_artifact(Artifact(kind=KIND, blobs=(blob,), annotations=_notes(path, lock)), image, store)


def recipe_files(spec: EnvSpec) -> tuple[RecipeFile, ...]:
    """Return the files of a spec's recipe, sorted by path."""
    directory = spec.directory
    named = [spec.path, lock_path(spec.path), *(directory / each for each in dependency_files(spec))]
    if spec.extends:
        named.append(directory / spec.extends)
    found = {each.path: each for path in named for each in [_file(spec, path)]}
    for entry in _local_entries(spec):
        for local in find_files([entry], directory):
            each = _file(spec, local.source, target=local.target)
            found[each.path] = each
    return tuple(found[path] for path in sorted(found, key=os.fsencode))


def lay_recipe(listed: Descriptor, image: Digest, store: Attachable, folder: Path) -> Path:
    """Write the files of a recipe into an empty folder, as hostile, and return the path of the spec.

    Args:
        listed: the recipe, as the list of what is attached to the image has it.
        image: which it is attached to.
        store: has both.
        folder: takes the files.

    Raises:
        RefusedError: it is malformed, or holds what is refused.
        PackageError: a path leaves the folder.
        StoreError: a part of it is missing.
    """
    artifact = read_artifact(listed, image, store)
    spec = artifact.annotations.get(SPEC, "")
    if artifact.kind != KIND or len(artifact.blobs) != 1 or artifact.blobs[0].media_type != LAYER_TAR:
        raise RefusedError(Refusal.MEDIA_TYPE, f"artifact {listed.digest} is no recipe")
    (blob,) = artifact.blobs
    with store.open(blob.digest) as file, TreeWriter(folder, "recipe") as tree:
        stream = LayerStream(file, blob, blob.digest, _LIMITS)
        for entry in read_entries(stream, _LIMITS):
            _lay(entry, read_content(stream, entry.size), tree)
        stream.finish()
        tree.folder(MARKS[0])  # the top of the project, whatever lies above
    found = folder / spec
    for each in (found, lock_path(found)):  # what a spec names beside them is judged when the spec is read
        real = Path(os.path.realpath(each))
        if not spec or not real.is_relative_to(os.path.realpath(folder)) or not real.is_file():
            message = f"artifact {listed.digest} names the spec {spec!a}, and has no {each.name!a} of that"
            raise RefusedError(Refusal.NAME_PARENT, message)
    return found


def is_of(listed: Descriptor, lock: Digest) -> bool:
    """Tell whether a recipe that is listed has a lock, and is of the assembly that this version does."""
    return _notes(listed.annotations.get(SPEC, ""), lock) == dict(listed.annotations)


def _notes(spec: str, lock: Digest) -> dict[str, str]:
    return {SPEC: spec, LOCK: lock.text, ASSEMBLY: str(FORMAT)}


def _lay(entry: Entry, content: Iterator[bytes], tree: TreeWriter) -> None:
    path = entry.path.decode("utf-8", errors="surrogateescape")
    match entry.kind:
        case Kind.FILE:
            tree.file(path, content, mode=0o755 if entry.mode & 0o100 else 0o644, mtime=0)
        case Kind.SYMLINK:
            tree.link(path, entry.target.decode("utf-8", errors="surrogateescape"), mtime=0)
        case Kind.DIRECTORY | Kind.HARDLINK:
            raise RefusedError(Refusal.TAR_TYPE, f"the recipe has {path!a}, which is neither a file nor a link")


def _file(spec: EnvSpec, source: Path, *, target: str = "") -> RecipeFile:
    # By the words of the path: a folder that is a link is one folder of the recipe, with the same files in it.
    inside = os.path.relpath(source, spec.directory)
    whole = os.path.normpath(os.path.join(os.path.realpath(spec.directory), inside))  # noqa: PTH118 - words
    path = os.path.relpath(whole, project_tree(spec.path))
    is_executable = not target and bool(source.stat().st_mode & stat.S_IXUSR)
    return RecipeFile(path=path, source=source, is_executable=is_executable, target=target)


def _local_entries(part: object) -> Iterator[LocalFiles]:
    """Yield the local entries of a spec, wherever they stand."""
    if isinstance(part, LocalFiles):
        yield part
    elif isinstance(part, BaseModel):
        for _, each in part:
            yield from _local_entries(each)
    elif isinstance(part, tuple | list):
        for each in part:
            yield from _local_entries(each)
    elif isinstance(part, dict):
        for each in part.values():
            yield from _local_entries(each)


def _archive(files: tuple[RecipeFile, ...]) -> Iterator[bytes]:
    for each in files:
        path, target = os.fsencode(each.path), os.fsencode(each.target)
        if target:
            yield to_header(Entry(path=path, kind=Kind.SYMLINK, mode=0o777, uid=0, gid=0, mtime=0, target=target))
            continue
        size, mode = each.source.stat().st_size, 0o755 if each.is_executable else 0o644
        yield to_header(Entry(path=path, kind=Kind.FILE, mode=mode, uid=0, gid=0, mtime=0, size=size))
        yield from _content(each.source, size)
        yield padding(size)
    yield END


def _content(source: Path, size: int) -> Iterator[bytes]:
    left = size
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            left -= len(block)
            yield block
    if left:
        raise BuildError(f"{source} changed while it was read")
