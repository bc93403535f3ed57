"""Observations as JSON, for the cache of results: ``from_json(to_json(x)) == x``."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.verify.observe import Exit, Observation
from pipeline.verify.suite import Results, Shadow, TestOutcome, TestReport, TestResult
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.outcome import Calls, Ending, Evidence, Fidelity, Limit, Network, Resources
from runtime.trace import Trace


def to_json(observation: Observation) -> Json:
    """Return an observation as JSON."""
    report = observation.report
    return {
        "suite": observation.suite.text,
        "report": {
            "source": str(report.source),
            "tests": [_test(each) for each in report.tests.values()],
            "collected": list(report.collected),
            "complete": report.complete,
            "fault": report.fault,
            "shadows": [[each.module, each.loaded, each.image] for each in report.shadows],
            "root": report.root,
        },
        "exit": [observation.exit.code, observation.exit.signal, observation.exit.limit],
        "artifacts": {name: digest.text for name, digest in observation.artifacts.items()},
        "texts": dict(observation.texts),
        "streams": {name: content.hex() for name, content in observation.streams.items()},
        "tail": observation.tail,
        "changed": list(observation.changed),
        "resources": observation.resources.to_json(),
        "evidence": {name: [each.found, each.holds, str(each.fidelity)] for name, each in observation.evidence.items()},
        "ambient": dict(observation.ambient),
        "sandbox": observation.sandbox.text if observation.sandbox else None,
        "calls": observation.calls.to_json() if observation.calls else None,
        "network": observation.network.to_json() if observation.network else None,
        "trace": observation.trace.to_json() if observation.trace else None,
        "shutdown": None if observation.shutdown is None else [each.to_json() for each in observation.shutdown],
        "duration": observation.duration,
    }


def from_json(value: Any) -> Observation:  # noqa: ANN401 - what a file holds
    """Return the observation that ``to_json`` wrote.

    Raises:
        KeyError, TypeError, ValueError, DigestError: the value is none.
    """
    report = value["report"]
    results = [_result(each) for each in report["tests"]]
    code, signal, limit = value["exit"]
    return Observation(
        suite=Digest(value["suite"]),
        report=TestReport(
            source=Results(report["source"]),
            tests=MappingProxyType({each.id: each for each in results}),
            collected=tuple(report["collected"]),
            complete=report["complete"],
            fault=report["fault"],
            shadows=tuple(Shadow(module=a, loaded=b, image=c) for a, b, c in report["shadows"]),
            root=report["root"],
        ),
        exit=Exit(code=code, signal=signal, limit=None if limit is None else Limit(limit)),
        artifacts=MappingProxyType({name: Digest(text) for name, text in value["artifacts"].items()}),
        texts=MappingProxyType(dict(value["texts"])),
        streams=MappingProxyType({name: bytes.fromhex(text) for name, text in value["streams"].items()}),
        tail=value["tail"],
        changed=tuple(value["changed"]),
        resources=Resources.from_json(value["resources"]),
        evidence=MappingProxyType(_evidence(value["evidence"])),
        ambient=MappingProxyType(dict(value["ambient"])),
        sandbox=Digest(value["sandbox"]) if value["sandbox"] else None,
        calls=Calls.from_json(value["calls"]) if value["calls"] else None,
        network=Network.from_json(value["network"]) if value["network"] else None,
        trace=Trace.from_json(value["trace"]) if value.get("trace") else None,
        shutdown=None if value["shutdown"] is None else tuple(map(Ending.from_json, value["shutdown"])),
        duration=value["duration"],
    )


def _evidence(value: Mapping[str, tuple[str, bool, str]]) -> dict[str, Evidence]:
    return {name: Evidence(found=a, holds=b, fidelity=Fidelity(c)) for name, (a, b, c) in value.items()}


def _test(result: TestResult) -> Json:
    return [
        result.id,
        str(result.outcome),
        result.phase,
        result.reason,
        result.exception,
        result.errno,
        result.message,
        result.file,
        result.line,
    ]


def _result(value: Any) -> TestResult:  # noqa: ANN401 - what a file holds
    name, outcome, phase, reason, exception, errno, message, file, line = value
    return TestResult(
        id=name,
        outcome=TestOutcome(outcome),
        phase=phase,
        reason=reason,
        exception=exception,
        errno=errno,
        message=message,
        file=file,
        line=line,
    )
