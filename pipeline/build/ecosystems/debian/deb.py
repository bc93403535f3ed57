"""What is in a ``.deb``, read without dpkg and without trust.

Source: deb(5): an ``ar`` archive of ``debian-binary``, ``control.tar`` and ``data.tar``, the last two compressed.
"""

import contextlib
import io
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.build.ecosystems.debian.header import Header
from pipeline.build.ecosystems.debian.stanza import parse_stanza
from pipeline.build.ecosystems.debian.unpack import Inflated, Window
from pipeline.declare.errors import PackageError
from pipeline.declare.reasons import Reason

_MAGIC = b"!<arch>\n"
_HEADER = 60
_CONTROL_LIMIT = 64 << 20
_CONTROL_FILES = 256
_DATA_LIMIT = 16 << 30
_BUFFER = 1 << 18

_VERSION = re.compile(rb"2\.[0-9]+\n")
_PART = re.compile(r"(?:control|data)\.tar(?:\..+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deb:
    """A ``.deb`` file.

    Args:
        path: the file; it must stay as it is while this is used.
        control: the fields of its control file by lower-case name.
        control_files: every file of ``control.tar`` by name, as ``control``, ``postinst``, ``md5sums``, ``triggers``.
        control_headers: what ``control.tar`` says of each of them: its mode, owner and time.
        newest: the newest modification time in ``control.tar``, in seconds since 1970.
    """

    path: Path
    control: Mapping[str, str]
    control_files: Mapping[str, bytes] = field(repr=False)
    control_headers: Mapping[str, tarfile.TarInfo] = field(repr=False, compare=False)
    newest: int
    _data: tuple[int, int, str] = field(repr=False)

    @contextlib.contextmanager
    def open_data(self) -> Iterator[tarfile.TarFile]:
        """Yield ``data.tar`` as a stream: take its members in order, and read each before the next.

        Member names, link targets, owners and sizes are as hostile as their author; nothing is checked here but the
        whole size and the size of extended headers.

        Raises:
            PackageError: it is damaged or too large; also while members are taken.
        """
        with self.path.open("rb") as file, _tar(file, self._data, _DATA_LIMIT, self.path) as archive:
            yield archive

    @property
    def is_plain(self) -> bool:
        """Whether its data is not compressed."""
        return self._data[2] == "data.tar"

    @contextlib.contextmanager
    def open_plain(self) -> Iterator[tarfile.TarFile]:
        """Yield ``data.tar`` of a package whose data is not compressed: its members can be read in any order.

        Raises:
            PackageError: as of ``open_data``.
        """
        start, size, _ = self._data
        with self.path.open("rb") as file, _damage(self.path, "data.tar"):
            window = Window(file, start, size)
            with tarfile.open(fileobj=window, mode="r:", tarinfo=Header, encoding="utf-8") as archive:
                yield archive

    def write_plain(self, to: Path, *, limit: int) -> "Deb":
        """Write the package with its data as it is before it is compressed, and return that; dpkg takes it too.

        Args:
            to: a new file.
            limit: the most bytes of data.

        Raises:
            PackageError: the data is damaged, or larger; the file is there in part.
        """
        start = self._data[0]
        with self.path.open("rb") as file, to.open("xb") as out:
            shutil.copyfileobj(Window(file, 0, start), out)
            shutil.copyfileobj(_inflated(file, self._data, limit, self.path), out, _BUFFER)
            written = out.tell() - start
            out.write(b"\n" * (written % 2))
            out.seek(start - _HEADER)
            out.write(b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (b"data.tar", 0, 0, 0, b"100644", written))
        return replace(self, path=to, _data=(start, written, "data.tar"))


def read_deb(path: Path) -> Deb:
    """Return what is in a ``.deb``; its data is not read yet.

    Raises:
        PackageError: the file is no ``.deb``, is damaged, or its control data is larger than 64 MiB.
    """
    with path.open("rb") as file:
        members = _members(file, path)
        if not members or members[0][0] != "debian-binary" or not _VERSION.match(_read(file, members[0], 16)):
            raise PackageError(f"{path.name}: is no Debian package of format 2", reason=Reason.DEB_FORMAT)
        # Names with an underscore are for later versions of the format, and everybody's where all else has been.
        parts = [each for each in members if not each[0].startswith("_")][1:3]
        if [_PART.fullmatch(name) and name.partition(".")[0] for name, _, _ in parts] != ["control", "data"]:
            message = f"{path.name}: has no control.tar, or no data.tar right after it"
            raise PackageError(message, reason=Reason.DEB_FORMAT)
        name, start, size = parts[0]
        files, headers, newest = _control_files(file, (start, size, name), path)
    if "control" not in files:
        raise PackageError(f"{path.name}: its control.tar holds no file 'control'", reason=Reason.DEB_FORMAT)
    name, start, size = parts[1]
    control = parse_stanza(files["control"].decode("utf-8", errors="replace"))
    data = (start, size, name)
    return Deb(path=path, control=control, control_files=files, control_headers=headers, newest=newest, _data=data)


def newest_mtime(path: Path) -> int:
    """Return the newest modification time inside a ``.deb``, in seconds since 1970; unpacks all of it to know.

    Raises:
        PackageError: the file is no ``.deb``, or is damaged.
    """
    deb = read_deb(path)
    with deb.open_data() as archive:
        return max((int(member.mtime) for member in archive), default=deb.newest)


def _members(file: io.BufferedReader, path: Path) -> list[tuple[str, int, int]]:
    """Return name, start and size of each member of an ``ar`` archive."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(len(_MAGIC)) != _MAGIC:
        message = f"{path.name}: is no Debian package: it does not begin as an ar archive"
        raise PackageError(message, reason=Reason.DEB_FORMAT)
    members: list[tuple[str, int, int]] = []
    while len(header := file.read(_HEADER)) == _HEADER:
        digits = header[48:58].strip()
        start = file.tell()
        if header[58:] != b"`\n" or not digits.isdigit() or start + int(digits) > end:
            message = f"{path.name}: is damaged: a wrong member header at byte {start - _HEADER}"
            raise PackageError(message, reason=Reason.DEB_DAMAGED)
        size = int(digits)
        members.append((header[:16].decode("ascii", "replace").rstrip().rstrip("/"), start, size))
        file.seek(start + size + size % 2)
    if header.strip(b"\n"):
        raise PackageError(f"{path.name}: is damaged: it ends inside a member header", reason=Reason.DEB_DAMAGED)
    return members


def _read(file: io.BufferedReader, member: tuple[str, int, int], limit: int) -> bytes:
    file.seek(member[1])
    return file.read(min(member[2], limit))


def _control_files(
    file: io.BufferedReader, member: tuple[int, int, str], path: Path
) -> tuple[Mapping[str, bytes], Mapping[str, tarfile.TarInfo], int]:
    files: dict[str, bytes] = {}
    headers: dict[str, tarfile.TarInfo] = {}
    newest = 0
    with _tar(file, member, _CONTROL_LIMIT, path) as archive:
        for entry in archive:
            newest = max(newest, int(entry.mtime))
            name = entry.name.removeprefix("./")
            if entry.isdir() and name in {"", "."}:
                continue
            content = archive.extractfile(entry) if entry.isfile() else None
            if content is None or "/" in name or name in {"", ".", ".."} or len(files) >= _CONTROL_FILES:
                message = f"{path.name}: its control.tar holds {entry.name!r}, which is refused"
                raise PackageError(message, reason=Reason.DEB_CONTROL)
            files[name] = content.read()
            headers[name] = entry
    return files, headers, newest


@contextlib.contextmanager
def _tar(file: io.BufferedReader, member: tuple[int, int, str], limit: int, path: Path) -> Iterator[tarfile.TarFile]:
    inflated = _inflated(file, member, limit, path)
    # tarfile's own errors="surrogateescape" keeps every byte of a name.
    with (
        _damage(path, member[2]),
        tarfile.open(fileobj=inflated, mode="r|", bufsize=_BUFFER, tarinfo=Header, encoding="utf-8") as archive,
    ):
        yield archive


@contextlib.contextmanager
def _damage(path: Path, name: str) -> Iterator[None]:
    """Say of what tarfile refuses in which package it is."""
    try:
        yield
    except (tarfile.TarError, RecursionError) as error:  # the latter from a long chain of extended headers
        raise PackageError(f"{path.name}: {name} is damaged: {error}", reason=Reason.DEB_DAMAGED) from error


def _inflated(file: io.BufferedReader, member: tuple[int, int, str], limit: int, path: Path) -> Inflated:
    start, size, name = member
    return Inflated(Window(file, start, size), name.partition(".tar")[2], limit, f"{path.name}: {name}")
