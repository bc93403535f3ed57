"""The report as one JSON document, and back: CONTRACT section 7, with every fact of the ``Verification``."""

import json

from pipeline.verify.explain import Cause, Rate
from pipeline.verify.notes import Note
from pipeline.verify.verdict import EnvironmentResult, Finding, HostResult, Verification
from runtime.canonical import Json
from runtime.digest import Digest

SCHEMA = "https://seatrial.dev/verdict/v1"
"""What the document is; programs look here first."""


def render(verification: Verification) -> str:
    """Return the document, ending in a line feed.

    It is ASCII: whatever a test wrote into its name cannot act on a terminal that shows it.
    """
    return json.dumps(to_json(verification), indent=1).replace("\x7f", "\\u007f") + "\n"


def to_json(verification: Verification) -> dict[str, object]:
    """Return the document as mappings, sequences and scalars; ``seconds`` are exact to the millisecond."""
    return {
        "schema": SCHEMA,
        "verdict": str(verification.verdict),
        "headline": verification.headline,
        "seconds": _seconds(verification.duration),
        "seed": verification.seed,
        "partial": verification.partial,
        "environments": [_environment(each) for each in verification.environments],
        "unavailable": [
            {"host": each.host, "reason": each.reason, "hint": each.hint} for each in verification.unavailable
        ],
    }


def error(message: str, hint: str, exit_code: int) -> str:
    """Return the document of a command that came to no result."""
    document: Json = {
        "schema": "https://seatrial.dev/error/v1",
        "error": {"message": message, "hint": hint, "exit": exit_code},
    }
    return json.dumps(document, indent=1) + "\n"


def _environment(environment: EnvironmentResult) -> dict[str, object]:
    return {
        "name": environment.name,
        "spec": environment.spec,
        "lock": _digest(environment.lock),
        "image": str(environment.image),
        "suite": str(environment.suite),
        "normalization": _digest(environment.normalization),
        "unstable": list(environment.unstable),
        "verdict": str(environment.verdict),
        "headline": environment.headline,
        "behavior": _digest(environment.behavior),
        "seconds": _seconds(environment.duration),
        "hermetic": environment.hermetic,
        "work": {
            "runs": environment.work.runs,
            "seconds": _seconds(environment.work.duration),
            "longest": _seconds(environment.work.longest),
        },
        "tests": dict(environment.tests),
        "hosts": [_host(each) for each in environment.hosts],
        "reasons": list(environment.reasons),
        "hint": environment.hint,
        "ignored": [
            {"test": each.test, "host": each.host, "reason": each.reason, "used": each.used}
            for each in environment.ignores
        ],
    }


def _host(host: HostResult) -> dict[str, object]:
    return {
        "name": host.name,
        "digest": str(host.digest),
        "factors": dict(host.factors),
        "state": str(host.state),
        "verdict": str(host.verdict),
        "named": host.named,
        "reasons": list(host.reasons),
        "hint": host.hint,
        "behavior": _digest(host.behavior),
        "tests": dict(host.tests),
        "runs": host.runs,
        "cached": host.cached,
        "seconds": _seconds(host.duration),
        "fidelity": str(host.fidelity),
        "emulated": list(host.emulated),
        "evidence": dict(host.evidence),
        "ambient": dict(host.ambient),
        "sandbox": _digest(host.sandbox),
        "calls": host.calls.to_json() if host.calls else None,
        "network": host.network.to_json() if host.network else None,
        "shutdown": None if host.shutdown is None else [each.to_json() for each in host.shutdown],
        "differences": [_difference(each) for each in host.findings],
        "notes": [_note(each) for each in host.notes],
    }


def _difference(finding: Finding) -> dict[str, object]:
    difference = finding.difference
    return {
        "kind": str(difference.kind),
        "id": difference.id,
        "reference": difference.reference,
        "here": difference.here,
        "message": difference.message,
        "file": difference.file,
        "line": difference.line,
        "cut": difference.is_cut,
        "cause": None if finding.cause is None else _cause(finding.cause),
        "reproduce": finding.reproduce,
        "ignored": finding.ignored,
    }


def _cause(cause: Cause) -> dict[str, object]:
    return {
        "factors": dict(cause.factors),
        "state": str(cause.state),
        "confirmed": cause.confirmed,
        "runs": cause.runs,
        "p_value": cause.p_value,
        "test": cause.test,
        "with": _rate(cause.with_),
        "without": _rate(cause.without),
        "removed": {name: _rate(each) for name, each in cause.removed.items()},
        "cleared": list(cause.cleared),
        "alternatives": [dict(each) for each in cause.alternatives],
        "file": cause.file,
        "line": cause.line,
        "hint": cause.hint,
        "reason": cause.reason,
        "predicted": {name: list(signs) for name, signs in cause.predicted.items()},
    }


def _rate(rate: Rate | None) -> dict[str, object] | None:
    return None if rate is None else {"failed": rate.failed, "of": rate.of, "low": rate.low, "high": rate.high}


def _note(note: Note) -> dict[str, object]:
    return {"kind": str(note.kind), "text": note.text}


def _digest(digest: Digest | None) -> str | None:
    return None if digest is None else str(digest)


def _seconds(milliseconds: int) -> int | float:
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000
