"""What documents for programs of others share: facts, names that last, and texts that every reader takes."""

import hashlib
import json
import re
from dataclasses import asdict

from pipeline.report.json import SCHEMA
from pipeline.report.summary import closing, counts
from pipeline.report.text import visible
from pipeline.verify.verdict import Finding, Verification

_UNSHOWN = re.compile(r"\\[bfrtu]|\x7f")
"""An escape of something that may have to be shown. Most reports have none, and to look costs a third of showing."""


def written(document: object) -> str:
    """Return a document of mappings, sequences and scalars as JSON, ending in a line feed.

    Every text in it is shown: no control, no lone surrogate, which many a reader refuses, and nothing but ASCII. It is
    one line: to break it takes three times as long, and nobody reads a report of ten thousand tests.
    """
    text = json.dumps(document)
    return (json.dumps(_shown(document)) if _UNSHOWN.search(text) else text) + "\n"


def identity(*names: str) -> str:
    """Return 64 hexadecimal digits that are the same wherever the names are."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def facts(verification: Verification) -> dict[str, object]:
    """Return what was found, without its findings: the verdicts, the digests, and what every format counts."""
    return {
        "schema": SCHEMA,
        "verdict": verification.verdict,
        "headline": closing(verification),
        "partial": verification.partial,
        "seed": verification.seed,
        "environments": [
            {
                "name": each.name,
                "spec": each.spec,
                "verdict": each.verdict,
                "image": str(each.image),
                "suite": str(each.suite),
                "behavior": str(each.behavior or ""),
                "counts": asdict(counts(each)),
            }
            for each in verification.environments
        ],
    }


def details(finding: Finding) -> dict[str, object]:
    """Return a finding for whom its sentence is not enough: both sides, the cause, and the command."""
    difference, cause = finding.difference, finding.cause
    found: dict[str, object] = {
        "kind": difference.kind,
        "reference": difference.reference,
        "here": difference.here,
        "reproduce": finding.reproduce,
    }
    if cause is None:
        return found
    return found | {"cause": {"state": cause.state, "factors": dict(cause.factors), "p_value": cause.p_value}}


def _shown(value: object) -> object:
    match value:
        case str():
            return visible(value, lines=True)
        case dict():
            return {_shown(key): _shown(each) for key, each in value.items()}
        case list() | tuple():
            return [_shown(each) for each in value]
        case _:
            return value
