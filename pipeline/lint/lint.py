"""``lint``: ask every rule about one image."""

import time
from collections.abc import Iterator, Sequence

from pipeline.lint.contents import Contents
from pipeline.lint.reading import read_contents
from pipeline.lint.rule import Found, Rule, Severity
from pipeline.lint.rules import RULES
from runtime.data import dataclass
from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """What was found in one image.

    Args:
        name: as the caller calls it.
        digest: of its manifest.
        findings: each rule that found something, in the order of severity and then of the table, and what it found.
    """

    name: str
    digest: Digest
    findings: tuple[tuple[Rule, tuple[Found, ...]], ...]

    def count(self, severity: Severity) -> int:
        """Return how many findings are of a severity."""
        return sum(len(found) for rule, found in self.findings if rule.severity is severity)


def lint(store: Store, name: str, digest: Digest, rules: Sequence[Rule] = RULES, now: int | None = None) -> Linted:
    """Ask every rule about one image.

    Args:
        store: where the image is.
        name: as the caller calls it.
        digest: of its manifest.
        rules: which to ask.
        now: seconds since 1970; None for the clock's.

    Raises:
        StoreError: a blob is missing.
        DigestError: a document is damaged.
        RefusedError: a document is malformed. A layer that is refused is a finding.
    """
    image = Image.open(store, digest)
    contents = read_contents(store, image, (each.reads for each in rules), int(time.time()) if now is None else now)
    return Linted(name=name, digest=digest, findings=tuple(_ask(contents, rules)))


def _ask(contents: Contents, rules: Sequence[Rule]) -> Iterator[tuple[Rule, tuple[Found, ...]]]:
    for severity in Severity:
        for rule in (each for each in rules if each.severity is severity):
            found = tuple(rule.find(contents))
            if found:
                yield rule, found
