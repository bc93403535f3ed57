"""``WheelFile``: a wheel whose every member was judged before one is read."""

import base64
import configparser
import hashlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path
from types import TracebackType

from packaging.utils import canonicalize_name

from pipeline.build.ecosystems.pypi.record import Row, parse_record
from pipeline.build.ecosystems.pypi.tree_writer import clean
from pipeline.declare.errors import PackageError
from pipeline.declare.reasons import Reason

MAX_MEMBERS = 200_000
MAX_UNPACKED = 8 << 30
"""Bytes of all members: the largest wheels on PyPI unpack to about 4 GiB."""
MAX_METADATA = 64 << 20
"""Bytes of a file that is read whole."""

_BLOCK = 1 << 20
_ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4, bit 0
_SIGNATURES = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s"})
_ENTRY = re.compile(r"([\w.]+)\s*:\s*([\w.]+)\s*(?:\[.*\])?")
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_HASHES = frozenset({"sha256", "sha384", "sha512"})

EntryPoint = tuple[str, str, str]
"""Name of the program, module, attribute."""


class _CaseKept(configparser.RawConfigParser):
    """Programs' names keep their case."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One regular file of a wheel.

    Args:
        path: with ``/``, inside the wheel.
        size: in bytes, unpacked.
        date: year to second, in the zone of whoever packed it.
        is_executable: whether its packer marked it so.
        hash: as RECORD holds it.
        info: where it is in the archive.
    """

    path: str
    size: int
    date: tuple[int, int, int, int, int, int]
    is_executable: bool
    hash: str
    info: zipfile.ZipInfo


class WheelFile(AbstractContextManager["WheelFile"]):
    """A wheel, open for reading. Its file name decides nothing: a cache names files by hash.

    Args:
        path: the file.

    Raises:
        PackageError: it is no wheel, or one that is refused: a path that leaves the tree, a link or device, a name
            twice, a member that is encrypted, too much of it, a RECORD that does not list just what is there, a version
            of the format that is not known.
    """

    def __init__(self, path: Path) -> None:
        self.owner = path.name
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise self._refusal(Reason.WHEEL_FORMAT, f" is no wheel: {error}") from None
        try:
            infos = self._judged()
            self.dist_info = self._find_dist_info(infos)
            name, _, version = self.dist_info.removesuffix(".dist-info").rpartition("-")
            self.project = canonicalize_name(name)
            self.owner = f"{self.project} {version}"
            self.data = f"{self.dist_info.removesuffix('.dist-info')}.data"
            self._require_format(infos)
            self.members = tuple(self._member(each, row) for each, row in self._recorded(infos))
        except BaseException:
            self._zip.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._zip.close()

    def blocks(self, member: Member) -> Iterator[bytes]:
        """Yield a member's content, and compare its hash with RECORD's when all of it was read.

        Raises:
            PackageError: it is damaged, longer than it says, or has another hash.
        """
        algorithm, _, wanted = member.hash.partition("=")
        digest = hashlib.new(algorithm)
        for block in self._raw_blocks(member.info):
            digest.update(block)
            yield block
        actual = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
        if actual != wanted:
            raise self._refusal(Reason.WHEEL_HASH, f": {member.path!r} has the hash {actual}, and RECORD says {wanted}")

    def entry_points(self) -> tuple[EntryPoint, ...]:
        """Return the programs that the wheel asks for, sorted.

        Raises:
            PackageError: the file of entry points is malformed, or a program's name is a path.
        """
        member = next((each for each in self.members if each.path == f"{self.dist_info}/entry_points.txt"), None)
        if member is None:
            return ()
        parser = _CaseKept(delimiters=("=",), strict=False, comment_prefixes=("#", ";"))
        try:
            parser.read_string(b"".join(self.blocks(member)).decode("utf-8"))
        except (configparser.Error, UnicodeDecodeError) as error:
            raise self._refusal(Reason.WHEEL_PROGRAM, f": entry_points.txt is malformed: {error}") from None
        found = [
            self._entry_point(name, value)
            for section in ("console_scripts", "gui_scripts")
            if parser.has_section(section)
            for name, value in parser.items(section)
        ]
        return tuple(sorted(set(found)))

    def _refusal(self, reason: Reason, message: str) -> PackageError:
        return PackageError(f"{self.owner}{message}", reason=reason)

    def _entry_point(self, name: str, value: str) -> EntryPoint:
        found = _ENTRY.fullmatch(value.strip())
        if found is None or not _PROGRAM.fullmatch(name):
            raise self._refusal(Reason.WHEEL_PROGRAM, f": the program {name!r} = {value!r} is refused")
        return name, found[1], found[2]

    def _judged(self) -> dict[str, zipfile.ZipInfo]:
        listed = self._zip.infolist()
        if len(listed) > MAX_MEMBERS or sum(each.file_size for each in listed) > MAX_UNPACKED:
            raise self._refusal(Reason.WHEEL_SIZE, f" holds more than {MAX_MEMBERS} files or {MAX_UNPACKED} bytes")
        found: dict[str, zipfile.ZipInfo] = {}
        for info in listed:
            path = clean(info.filename, self.owner)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise self._refusal(Reason.WHEEL_KIND, f": {path!r} is neither a file nor a folder")
            if info.is_dir():
                continue
            if info.flag_bits & _ENCRYPTED:
                raise self._refusal(Reason.WHEEL_ENCRYPTED, f": {path!r} is encrypted")
            if path in found:
                raise self._refusal(Reason.WHEEL_TWICE, f": {path!r} is in it twice")
            found[path] = info
        return found

    def _find_dist_info(self, infos: Mapping[str, zipfile.ZipInfo]) -> str:
        found = {path.split("/")[0] for path in infos if path.split("/")[0].endswith(".dist-info")}
        if len(found) != 1 or "-" not in next(iter(found)):
            raise self._refusal(
                Reason.WHEEL_FORMAT, f" is no wheel: it has {len(found)} folders *.dist-info, and one is wanted"
            )
        return found.pop()

    def _require_format(self, infos: Mapping[str, zipfile.ZipInfo]) -> None:
        info = infos.get(f"{self.dist_info}/WHEEL")
        version = BytesParser().parsebytes(self._whole(info)).get("Wheel-Version", "") if info else ""
        if version.split(".")[0] != "1":
            raise self._refusal(Reason.WHEEL_FORMAT, f": the wheel format {version!r} is not known; 1.x is")

    def _recorded(self, infos: Mapping[str, zipfile.ZipInfo]) -> Iterator[tuple[zipfile.ZipInfo, Row]]:
        """Yield each member with its row of RECORD, in the order of their paths; the two must list the same."""
        record = infos.get(f"{self.dist_info}/RECORD")
        if record is None:
            raise self._refusal(Reason.WHEEL_RECORD, " is no wheel: it has no RECORD")
        try:
            rows = {clean(row.path, self.owner): row for row in parse_record(self._whole(record))}
        except ValueError as error:
            raise self._refusal(Reason.WHEEL_RECORD, f": RECORD is malformed: {error}") from None
        signatures = {f"{self.dist_info}/{name}" for name in _SIGNATURES}
        odd = sorted((set(rows) ^ set(infos)) - signatures)
        if odd:
            where = "in RECORD only" if odd[0] in rows else "not in RECORD"
            raise self._refusal(Reason.WHEEL_RECORD, f": {odd[0]!r} is {where}")
        for path in sorted(set(infos) - signatures):
            yield infos[path], rows[path]

    def _member(self, info: zipfile.ZipInfo, row: Row) -> Member:
        path = clean(info.filename, self.owner)
        if row.hash.partition("=")[0] not in _HASHES:
            raise self._refusal(Reason.WHEEL_RECORD, f": RECORD has no hash of {path!r} that is trusted")
        if row.size not in {-1, info.file_size}:
            raise self._refusal(
                Reason.WHEEL_RECORD, f": {path!r} has {info.file_size} bytes, and RECORD says {row.size}"
            )
        mode = info.external_attr >> 16
        return Member(
            path=path,
            size=info.file_size,
            date=info.date_time,
            is_executable=bool(mode & 0o111),
            hash=row.hash.rstrip("="),
            info=info,
        )

    def _whole(self, info: zipfile.ZipInfo) -> bytes:
        if info.file_size > MAX_METADATA:
            raise self._refusal(Reason.WHEEL_SIZE, f": {info.filename!r} has more than {MAX_METADATA} bytes")
        return b"".join(self._raw_blocks(info))

    def _raw_blocks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        left = info.file_size
        try:
            with self._zip.open(info) as file:
                while block := file.read(_BLOCK):
                    left -= len(block)
                    if left < 0:
                        raise self._refusal(Reason.WHEEL_SIZE, f": {info.filename!r} is longer than it says")
                    yield block
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
            raise self._refusal(Reason.WHEEL_DAMAGED, f": {info.filename!r} is damaged: {error}") from None
