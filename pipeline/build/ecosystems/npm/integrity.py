"""``integrity``: the hashes that npm lists for a tarball.

Source: W3C "Subresource Integrity", section 3.5; npm's documentation, package-lock.json, "integrity".
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Self

from pipeline.build.artifact import HASH_LENGTHS


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """The hashes of the strongest algorithm that is listed: a file has to have one of them.

    Args:
        algorithm: ``sha512``, ``sha384`` or ``sha256``.
        digests: in hexadecimal digits.
    """

    algorithm: str
    digests: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the strongest hashes of a list such as ``sha1-… sha512-…``.

        Raises:
            ValueError: none of them is of an algorithm that a lock may hold, or the strongest is no such hash.
        """
        found: dict[str, set[str]] = {}
        for each in text.split():
            algorithm, _, encoded = each.partition("?")[0].partition("-")
            found.setdefault(algorithm, set()).add(encoded)
        strongest = next((each for each in reversed(HASH_LENGTHS) if each in found), None)
        if strongest is None:
            named = " and ".join(sorted(found)) or "nothing"
            raise ValueError(f"it lists {named[:80]}, and a SHA-512, SHA-384 or SHA-256 is needed")
        return cls(algorithm=strongest, digests=frozenset(_hex(strongest, each) for each in found[strongest]))

    def hash_of(self, content: bytes) -> str:
        """Return the hash of ``content`` as a lock writes it.

        Raises:
            ValueError: it is none of these.
        """
        actual = hashlib.new(self.algorithm, content).hexdigest()
        if actual not in self.digests:
            wanted = " or ".join(f"{self.algorithm}:{each}" for each in sorted(self.digests))
            raise ValueError(f"its hash is {self.algorithm}:{actual} and {wanted} is listed")
        return f"{self.algorithm}:{actual}"

    def has(self, text: str) -> bool:
        """Tell whether a hash as a lock writes it is one of these."""
        algorithm, _, digits = text.partition(":")
        return algorithm == self.algorithm and digits in self.digests


def _hex(algorithm: str, encoded: str) -> str:
    try:
        digits = base64.b64decode(encoded, validate=True).hex()
    except (binascii.Error, ValueError):
        digits = ""
    if len(digits) != HASH_LENGTHS[algorithm]:
        raise ValueError(f"its {algorithm} is not {HASH_LENGTHS[algorithm] // 2} bytes in Base64")
    return digits
