"""``Layout``: an OCI image layout on disk, a store that any OCI tool can read.

Source: OCI image specification, image-layout.md.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

from runtime.canonical import to_canonical_json
from runtime.data import replace
from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.descriptor import INDEX, REF_NAME, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, items, member, parse_document
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.temporary import PREFIX, new_file, sweep, sync_folder, write_whole

_CHUNK = 1 << 20
_MOST_MANIFESTS = 10_000
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOENT)


class Layout:
    """An OCI image layout, made on first use.

    Many processes may use one layout at a time: a blob appears whole, ``index.json`` changes under a lock.

    Args:
        root: its folder.
        make: False leaves a folder that others made as it is; see ``existing``.

    Raises:
        StoreError: the folder cannot be made or written.
    """

    def __init__(self, root: Path, *, make: bool = True) -> None:
        self.root = root
        self._blobs = root / "blobs" / "sha256"
        if not make:
            return
        try:
            self._blobs.mkdir(parents=True, exist_ok=True)
            if not (root / "oci-layout").exists():
                write_whole(root / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        except OSError as error:
            raise _unusable(root, error) from error

    @classmethod
    def existing(cls, root: Path) -> Self:
        """Return a layout that others made, to be read: nothing is written into it.

        Raises:
            StoreError: there is none, or one of another version.
            RefusedError: what says its version is malformed.
        """
        try:
            with _open_file(root / "oci-layout") as file:
                raw = file.read(DOCUMENT_LIMIT + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            is_there = root.exists()
            raise StoreError(
                f"{root} is no OCI layout: {'it has no file oci-layout' if is_there else 'there is no such folder'}",
                hint="`skopeo copy docker://NAME oci:DIR` writes one, `seatrial build SPEC` another into the store",
            ) from error
        except OSError as error:
            raise _unusable(root, error) from error
        version = parse_document(raw, f"{root}/oci-layout").get("imageLayoutVersion")
        if not isinstance(version, str) or not version.startswith("1."):
            raise StoreError(f"{root} is an OCI layout of version {version!a}; 1.0.0 is read")
        return cls(root, make=False)

    def path(self, digest: Digest) -> Path:
        """Return where the blob lies or would lie."""
        return self._blobs / digest.hex

    def has(self, digest: Digest) -> bool:
        """Tell whether the blob is here; its bytes are not looked at."""
        return self.path(digest).is_file()

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return a whole blob, verified; see ``Store.read``."""
        with self.open(digest) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise StoreError(f"blob {digest} in {self.root} is longer than {limit} bytes")
        found = Digest.of(content)
        if found != digest:
            raise _damaged(self.path(digest), found, digest)
        return content

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob to be streamed; see ``Store.open``."""
        try:
            return _open_file(self.path(digest))
        except FileNotFoundError as error:
            raise StoreError(f"blob {digest} is not in {self.root}") from error
        except OSError as error:
            raise _unusable(self.root, error) from error

    def write(self, content: bytes | Iterable[bytes], media_type: str, *, expected: Digest | None = None) -> Descriptor:
        """Put a blob in; see ``Store.write``."""
        with self.stage() as file:
            for part in (content,) if isinstance(content, bytes) else content:
                file.write(part)
            return self.commit(file, media_type, expected=expected)

    @contextlib.contextmanager
    def stage(self) -> Iterator[BinaryIO]:
        """Open a new temporary file of this layout; whoever fills it hands it to ``commit``. It is gone afterwards."""
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(new_file(self._blobs))
            except OSError as error:
                raise _unusable(self.root, error) from error
            yield file

    def commit(self, file: BinaryIO, media_type: str, *, expected: Digest | None = None) -> Descriptor:
        """Make a staged file a blob, by hash, fsync and rename.

        Raises:
            DigestError: the content has another digest than ``expected``.
            StoreError: it could not be written.
        """
        try:
            file.flush()
            file.seek(0)
            found, size = hash_stream(file)
            if expected is not None and found != expected:
                raise _damaged(Path(str(file.name)), found, expected)
            self._place(file, found)
        except OSError as error:
            raise _unusable(self.root, error) from error
        return Descriptor(media_type=media_type, digest=found, size=size)

    def link(self, blob: Descriptor, source: Self) -> bool:
        """Take a verified blob of another layout as a second name of one file.

        Args:
            blob: what is wanted; nothing of that name is here.
            source: has it.

        Returns:
            False where it has to be copied: it is on another file system, or others may write the file.

        Raises:
            StoreError: the source has no such blob, or this layout cannot be written.
            DigestError: the source's bytes have another digest or size.
        """
        with source.open(blob.digest) as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                return False
            found, size = hash_stream(file)
            if (found, size) != (blob.digest, blob.size):
                raise _damaged(source.path(blob.digest), found, blob.digest)
            return self._link(file, blob.digest)

    def add_manifest(self, descriptor: Descriptor, *, name: str = "") -> None:
        """Name a manifest in ``index.json``.

        Args:
            descriptor: of a manifest that is here; naming it again changes nothing.
            name: its reference name; an older manifest of that name loses it. Empty: it is listed without a name.

        Raises:
            StoreError: the manifest is not here.
        """
        if not self.has(descriptor.digest):
            raise StoreError(f"manifest {descriptor.digest} is not in {self.root}, it cannot be named {name!r}")
        with self._locked():
            self._name(descriptor, name)

    def update_manifest(self, name: str, change: Callable[[Descriptor | None], Descriptor]) -> None:
        """Name another manifest in place of an older one, which nobody changes meanwhile.

        Args:
            name: its reference name.
            change: takes what has that name now, or None, and returns what gets it; that is here by then.
        """
        with self._locked():
            self._name(change(self.resolve(name)), name)

    def manifests(self) -> tuple[Descriptor, ...]:
        """Return what ``index.json`` lists, in its order.

        Raises:
            ImageError: ``index.json`` is malformed.
        """
        try:
            with _open_file(self.root / "index.json") as file:
                raw = file.read(DOCUMENT_LIMIT + 1)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _unusable(self.root, error) from error
        what = f"{self.root}/index.json"
        listed = items(member(parse_document(raw, what), "manifests", what), what)
        if len(listed) > _MOST_MANIFESTS:
            message = f"{what} lists {len(listed)} manifests; at most {_MOST_MANIFESTS} are read"
            raise RefusedError(Refusal.MANIFEST_COUNT, message)
        return tuple(Descriptor.parse(each, what) for each in listed)

    def images(self) -> tuple[Descriptor, ...]:
        """Return what ``index.json`` lists but the lists of what is attached to an image; see ``manifests``."""
        return tuple(each for each in self.manifests() if not _lists_referrers(each))

    def resolve(self, name: str) -> Descriptor | None:
        """Return the manifest of that name, or None."""
        found = [each for each in self.manifests() if each.annotations.get(REF_NAME) == name]
        return found[-1] if found else None

    def digests(self) -> tuple[Digest, ...]:
        """Return the digests of all blobs, sorted."""
        names = (each.name for each in self._blobs.iterdir() if not each.name.startswith(PREFIX))
        return tuple(Digest(f"sha256:{name}") for name in sorted(names))

    def verify(self) -> int:
        """Hash every blob again, and look for every manifest that is listed.

        Returns:
            How many blobs there are.

        Raises:
            DigestError: a blob has another digest than its name.
            StoreError: a listed manifest is missing.
        """
        for each in self.damages():
            raise each
        return len(self.digests())

    def damages(self) -> Iterator[DigestError | StoreError]:
        """Hash every blob again, and yield what is wrong with any of them and with the list of manifests."""
        for path in sorted(self._blobs.iterdir()):
            if path.name.startswith(PREFIX):
                continue
            try:
                digest = Digest(f"sha256:{path.name}")
                with path.open("rb") as file:
                    found, _ = hash_stream(file)
            except DigestError:
                yield StoreError(f"{path} is no blob: its name is no digest", hint="remove it")
            except OSError as error:
                yield _unusable(self.root, error)
            else:
                if found != digest:
                    yield _damaged(path, found, digest)
        for manifest in self.manifests():
            if not self.has(manifest.digest):
                yield StoreError(f"{self.root}/index.json lists {manifest.digest}, which is not among the blobs")

    def sweep(self) -> int:
        """Remove what dead processes left half-written, beside any living ones; return how many files that were."""
        return sum(sweep(each) for each in (self.root, self._blobs))

    def _place(self, file: BinaryIO, digest: Digest) -> None:
        target = self.path(digest)
        if target.exists():
            return
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
        Path(str(file.name)).rename(target)
        sync_folder(self._blobs)

    def _link(self, file: BinaryIO, digest: Digest) -> bool:
        """Give a blob's name to an open file, the very one that was read; tell False where that cannot be."""
        folder = os.open(self._blobs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(file.fileno())
            # With a folder's descriptor linkat(2) is called, which follows the link of /proc; link(2) does not.
            os.link(f"/proc/self/fd/{file.fileno()}", digest.hex, dst_dir_fd=folder, follow_symlinks=True)
            os.fsync(folder)
        except FileExistsError:
            return True
        except OSError as error:
            if error.errno in _NO_LINK:
                return False
            raise _unusable(self.root, error) from error
        finally:
            os.close(folder)
        return True

    def _name(self, descriptor: Descriptor, name: str) -> None:
        named = replace(descriptor, annotations={**descriptor.annotations, REF_NAME: name}) if name else descriptor
        listed = self.manifests()
        if named not in listed:
            self._write_index([*(each for each in listed if not _replaced_by(each, named)), named])

    def _write_index(self, manifests: list[Descriptor]) -> None:
        listed = [each.to_json() for each in manifests]
        content = to_canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
        write_whole(self.root / "index.json", content)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.root / ".lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def hash_stream(file: BinaryIO) -> tuple[Digest, int]:
    """Read a file to its end; return the digest of what was read and how many bytes that were."""
    state, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        state.update(chunk)
        size += len(chunk)
    return Digest(f"sha256:{state.hexdigest()}"), size


def _open_file(path: Path) -> BinaryIO:
    """Open a file to be read; a pipe or a device, which could keep the reader waiting for ever, is an error."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def _lists_referrers(descriptor: Descriptor) -> bool:
    """Tell by the name, ``sha256-HEX``; see ``runtime.oci.referrers.list_tag``."""
    name = descriptor.annotations.get(REF_NAME, "")
    return descriptor.media_type == INDEX and name.startswith("sha256-") and len(name) == len("sha256-") + 64


def _replaced_by(old: Descriptor, new: Descriptor) -> bool:
    name = new.annotations.get(REF_NAME)
    same_name = old.annotations.get(REF_NAME) == name
    return same_name and (name is not None or old.digest == new.digest)


def _damaged(path: Path, found: Digest, wanted: Digest) -> DigestError:
    return DigestError(
        f"{path} has the digest {found}, expected {wanted}",
        hint="remove the file; what needs it will be fetched or built again",
    )


def _unusable(root: Path, error: OSError) -> StoreError:
    return StoreError(f"the store {root} cannot be used: {error.strerror} ({error.filename})")
