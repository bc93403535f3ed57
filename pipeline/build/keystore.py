"""Java's keystore of certificates that are trusted: the moment at which each was added is clamped, as all times are.

Debian's ``ca-certificates-java`` makes it when it is installed, and Java writes the time of now into each entry. The
dates decide nothing; the digest at the end of the file is over them too.

Source: OpenJDK, sun/security/provider/JavaKeyStore.java, ``engineStore``: numbers are big-endian, dates are
milliseconds, texts have their length in two bytes before them.
"""

import hashlib
import os
from dataclasses import dataclass

PATH = "etc/ssl/certs/java/cacerts"
"""Where it lies."""

_MAGIC = bytes.fromhex("feedfeed00000002")
_CERTIFICATE = 2
_SALT = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"  # the password that everybody knows, and Java's own words
_DIGEST = 20
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


def clamp_keystore(root: int, *, epoch: int) -> None:
    """Clamp the dates in the keystore of a tree; owner and mode stay. Nothing happens where there is none of its kind.

    Args:
        root: descriptor of the tree.
        epoch: no date is later; seconds since 1970.
    """
    folder = os.dup(root)
    *above, name = PATH.split("/")
    try:
        for each in above:
            below = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = below
        with open(os.open(name, _FLAGS, dir_fd=folder), "r+b") as file:  # noqa: PTH123 - a descriptor has no path
            clamped = with_dates_until(file.read(), epoch * 1000)
            file.seek(0)
            file.write(clamped)  # it is as long as it was
    except (FileNotFoundError, NotADirectoryError):  # where a stratum removes one of the folders it has no folder
        return
    finally:
        os.close(folder)


def with_dates_until(raw: bytes, latest: int) -> bytes:
    """Return a keystore whose dates are not later than ``latest``, in milliseconds since 1970.

    One that holds anything else than certificates, or has another form or another password, is returned as it is.
    """
    content, digest = raw[:-_DIGEST], raw[-_DIGEST:]
    if not content.startswith(_MAGIC) or _digest(content) != digest:
        return raw
    found = bytearray(content)
    reader = _Reader(content=content, at=len(_MAGIC))
    for _ in range(reader.number(4)):
        if reader.number(4) != _CERTIFICATE:
            return raw
        reader.skip(2)
        date = reader.at
        found[date : date + 8] = min(reader.number(8), latest).to_bytes(8, "big")
        reader.skip(2)
        reader.skip(4)
    return bytes(found) + _digest(bytes(found)) if reader.at == len(content) else raw


def _digest(content: bytes) -> bytes:
    return hashlib.sha1(_SALT + content, usedforsecurity=False).digest()


@dataclass(slots=True, kw_only=True)
class _Reader:
    content: bytes
    at: int

    def number(self, size: int) -> int:
        """Return the number that comes next."""
        self.at += size
        return int.from_bytes(self.content[self.at - size : self.at], "big")

    def skip(self, size: int) -> None:
        """Pass over bytes whose number comes next, in ``size`` bytes."""
        length = self.number(size)
        self.at += length
