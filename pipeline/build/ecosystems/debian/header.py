"""``Header``: of a member of an archive inside a ``.deb``, read as dpkg reads it, or refused.

Source: dpkg's lib/dpkg/tarfn.c; POSIX, pax, "ustar Interchange Format"; GNU tar, "Basic Tar Format".
"""

import math
import re
import tarfile
from typing import Self

_EXTENSION_LIMIT = 1 << 20

_NAME_AT, _TYPE_AT, _MAGIC_AT, _POSIX = slice(100), 156, slice(257, 263), b"ustar\0"
_NUMBERS_AT = tuple(slice(start, end) for start, end in ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148)))
_NUMBER = re.compile(rb" *[0-7]*[\0 ]*|[\x80\xff].*", re.DOTALL)
"""How dpkg reads numbers of a header: octal, or binary with a first byte that no digit is."""

_SIZE, _IDS = 1 << 62, range(1 << 32)
_WRONG = (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError, ValueError, OverflowError)  # type: ignore[attr-defined]


class Header(tarfile.TarInfo):
    """A header, to be given to ``tarfile.open``, which takes a damaged one for the end of the archive by itself.

    It also reads a long name or pax records whole into memory.
    """

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """Return the next member, with what its extended headers say of it; tarfile calls it.

        Raises:
            tarfile.ReadError: it is damaged, or says what no file has.
        """
        try:
            found = super().fromtarfile(archive)
        except _WRONG as error:
            raise tarfile.ReadError(str(error)) from error
        if not (math.isfinite(found.mtime) and 0 <= found.size < _SIZE and found.uid in _IDS and found.gid in _IDS):
            raise tarfile.ReadError("a size, an owner or a time that no file has")
        return found

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return what the 512 bytes of a header say.

        Raises:
            tarfile.ReadError: dpkg would read anything else in it.
        """
        found = super().frombuf(buf, encoding, errors)
        name, _, _ = bytes(buf[_NAME_AT]).partition(b"\0")
        if not name or not all(_NUMBER.fullmatch(buf[each]) for each in _NUMBERS_AT):
            raise tarfile.ReadError("a name or a number that is none")
        if found.isdir() and buf[_TYPE_AT] == 0 and buf[_MAGIC_AT].startswith(b"ustar"):
            raise tarfile.ReadError("a file with the name of a folder")
        if buf[_MAGIC_AT] != _POSIX and found.type not in tarfile.GNU_TYPES:
            found.name = name.decode(encoding, errors)
            found.name = found.name.rstrip("/") if found.isdir() else found.name
        return found

    def _proc_gnulong(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        self._refuse_large()
        return super()._proc_gnulong(archive)  # type: ignore[misc,no-any-return]

    def _proc_pax(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        self._refuse_large()
        return super()._proc_pax(archive)  # type: ignore[misc,no-any-return]

    def _refuse_large(self) -> None:
        if not 0 <= self.size <= _EXTENSION_LIMIT:
            raise tarfile.ReadError(f"an extended header of {self.size} bytes")
