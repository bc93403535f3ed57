"""What a lock pins: files by place, size and hash, and the packages that they hold."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pipeline.declare.errors import LockError
from runtime.canonical import Json

HASH_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hexadecimal digits of each hash that a lock may hold, the weakest first."""

_SOURCE = re.compile(r"[a-z][a-z0-9-]*:[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file of a package archive.

    Args:
        source: the archive and the path in it, as ``debian:pool/main/t/tzdata/…``, ``debian-security:…`` or
            ``pypi:NAME``; never a URL, so that a lock can be used with any mirror.
        size: its length in bytes.
        hash: the strongest hash that the archive lists, ``ALGORITHM:HEX``.
        sha256: its SHA-256 in hexadecimal, or empty where the archive lists none.

    Raises:
        LockError: a field has another form; a lock is a file that others can write.
    """

    source: str
    size: int
    hash: str
    sha256: str = ""

    def __post_init__(self) -> None:
        if not _SOURCE.fullmatch(self.source) or ".." in self.path.split("/") or self.path.startswith("/"):
            raise LockError(
                f"{self.source!r} is no artifact source; it is 'ARCHIVE:PATH' with a path below the archive"
            )
        algorithm, _, digits = self.hash.partition(":")
        if HASH_LENGTHS.get(algorithm) != len(digits) or not _is_hex(digits):
            raise LockError(f"{self.source}: {self.hash!r} is no hash; it is 'sha256:' or 'sha512:' and its digits")
        if self.sha256 and (len(self.sha256) != HASH_LENGTHS["sha256"] or not _is_hex(self.sha256)):
            raise LockError(f"{self.source}: {self.sha256!r} is no SHA-256 in hexadecimal")
        if self.size < 0:
            raise LockError(f"{self.source}: the size {self.size} is negative")

    @property
    def archive(self) -> str:
        """The archive's name: the part of ``source`` before the colon."""
        return self.source.partition(":")[0]

    @property
    def path(self) -> str:
        """The path in the archive: the part of ``source`` after the colon."""
        return self.source.partition(":")[2]

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        return self.path.rpartition("/")[2]

    def to_json(self) -> dict[str, Json]:
        """Return the artifact as a lock holds it; an unknown ``sha256`` is left out."""
        fields: dict[str, Json] = {"source": self.source, "size": self.size, "hash": self.hash}
        return fields | {"sha256": self.sha256} if self.sha256 and self.hash != f"sha256:{self.sha256}" else fields

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Return the artifact that ``to_json`` wrote.

        Raises:
            LockError: a key is missing, unknown or of another type.
        """
        fields = _mapping(value, "an artifact")
        strongest = _text(fields, "hash", "an artifact")
        algorithm, _, digits = strongest.partition(":")
        sha256 = _text(fields, "sha256", "an artifact") if "sha256" in fields else digits * (algorithm == "sha256")
        _refuse_unknown(fields, {"source", "size", "hash", "sha256"}, "an artifact")
        return cls(
            source=_text(fields, "source", "an artifact"),
            size=_number(fields, "size", "an artifact"),
            hash=strongest,
            sha256=sha256,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One package at one version, and the file that holds it.

    Args:
        name: as the archive writes it.
        version: as the archive writes it.
        architecture: ``amd64`` and the like, ``all``, or empty where the archive has no such notion.
        artifact: the file.
    """

    name: str
    version: str
    architecture: str
    artifact: Artifact

    def to_json(self) -> dict[str, Json]:
        """Return the package as a lock holds it."""
        return {
            "name": self.name,
            "version": self.version,
            "architecture": self.architecture,
            **self.artifact.to_json(),
        }

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Return the package that ``to_json`` wrote.

        Raises:
            LockError: a key is missing, unknown or of another type.
        """
        fields = dict(_mapping(value, "a package"))
        own = {key: _text(fields, key, "a package") for key in ("name", "version", "architecture")}
        rest = {key: item for key, item in fields.items() if key not in own}
        return cls(**own, artifact=Artifact.from_json(rest))


def _is_hex(digits: str) -> bool:
    return re.fullmatch("[0-9a-f]+", digits) is not None


def _mapping(value: Json, what: str) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise LockError(f"{what} in a lock is a JSON object, not {type(value).__name__}")
    return value


def _text(fields: Mapping[str, Json], key: str, what: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise LockError(f"{what} in a lock needs {key!r} as text, and has {value!r}")
    return value


def _number(fields: Mapping[str, Json], key: str, what: str) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise LockError(f"{what} in a lock needs {key!r} as a whole number, and has {value!r}")
    return value


def _refuse_unknown(fields: Mapping[str, Json], known: set[str], what: str) -> None:
    unknown = sorted(set(fields) - known)
    if unknown:
        raise LockError(f"{what} in a lock has the unknown key {unknown[0]!r}")
