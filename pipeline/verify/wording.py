"""Counts in words, as every sentence of a verdict says them."""

from collections.abc import Sequence

from pipeline.verify.compare import Kind
from pipeline.verify.verdict import Finding


def tests(count: int) -> str:
    """Return ``1 test`` or ``3 tests``."""
    return f"{count} test{'s' * (count != 1)}"


def behaviors_text(findings: Sequence[Finding]) -> str:
    """Return how many behaviors some findings are, in words."""
    if all(each.difference.kind is Kind.TEST for each in findings):
        return tests(len(findings))
    return f"{len(findings)} behavior{'s' * (len(findings) != 1)}"
