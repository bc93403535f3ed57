"""``Digest``: equal digests are equal content."""

import hashlib
import re
from typing import Self

from runtime.canonical import Json, to_canonical_json
from runtime.data import dataclass
from runtime.errors import DigestError

_FORM = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The SHA-256 of some bytes, written ``sha256:`` and 64 lower-case hexadecimal digits.

    Args:
        text: the whole digest, algorithm included.

    Raises:
        DigestError: ``text`` has another form.

    Source: OCI image specification, descriptor.md, "Digests".
    """

    text: str

    def __post_init__(self) -> None:
        if not _FORM.fullmatch(self.text):
            raise DigestError(f"{self.text!r} is no digest; a digest is 'sha256:' and 64 hexadecimal digits")

    def __str__(self) -> str:
        return self.text

    @property
    def hex(self) -> str:
        """The 64 hexadecimal digits."""
        return self.text.removeprefix("sha256:")

    @property
    def short(self) -> str:
        """``sha256:`` and 12 digits, for a terminal; never for a comparison."""
        return self.text[:19]

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the digest of ``content``."""
        return cls("sha256:" + hashlib.sha256(content).hexdigest())

    @classmethod
    def of_json(cls, value: Json) -> Self:
        """Return the digest of the canonical JSON of ``value``."""
        return cls.of(to_canonical_json(value))
