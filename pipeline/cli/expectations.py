"""``run --expect``: hold what a run left against what another one did, as the command that shows a difference again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.arguments import UsageError
from pipeline.report.text import visible
from pipeline.verify.observe import traces_of
from runtime.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtime.outcome import Outcome

MISSING = "missing"
"""Stands for the digest of an artifact that is not there."""

_SHOWN_LINES = 20


def parse_expectations(words: Sequence[str]) -> Mapping[str, str]:
    """Return artifact → digest, or ``missing``; a word is split at its last ``=``.

    Raises:
        UsageError: a word has no ``=``, or names no digest.
    """
    expected = {}
    for word in words:
        name, equals, digest = word.rpartition("=")
        if not equals or not name or not (digest == MISSING or digest.startswith("sha256:")):
            raise UsageError(f"--expect {word}: want ARTIFACT=sha256:… or ARTIFACT={MISSING}")
        expected[name] = digest
    return expected


def unmet(outcome: Outcome, expected: Mapping[str, str]) -> Iterator[str]:
    """Yield, in lines for people, each artifact of a run that is another one than expected, with its text."""
    traces = traces_of(outcome)
    found = {name: digest.text for name, digest in outcome.artifacts.items()}
    found |= {name: Digest.of_json(list(lines)).text for name, lines in traces.items()}
    for name, digest in expected.items():
        here = found.get(name, MISSING)
        if here != digest:
            yield f"artifact {visible(name)} is {here}, want {digest}"
            lines = [*traces[name]] if name in traces else outcome.texts.get(name, "").splitlines()
            yield from (f"  {visible(line)}" for line in lines[:_SHOWN_LINES])
