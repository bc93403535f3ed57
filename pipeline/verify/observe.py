"""``Observation``: an outcome read as behavior, with its behavior digest and the evidence that each factor held."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pipeline.verify.normalization import Normalization, masked
from pipeline.verify.pytest_results import read_pytest
from pipeline.verify.shutdowns import shutdown_lines
from pipeline.verify.suite import Results, TestOutcome, TestReport, TestResult, read_exit
from runtime.canonical import Json, to_text
from runtime.digest import Digest
from runtime.outcome import Calls, Ending, Evidence, Limit, Network, Outcome, Resources, Stream
from runtime.trace import Trace

FORMAT = 1
"""Of the behavior digest. Digests of different formats are never compared."""

FILES = "(files)"
"""The artifact that stands for the paths that a run changed, where ``suite.behavior`` names them."""

SHUTDOWN = "(shutdown)"
"""The artifact that stands for how what outlived the suite shut down, likewise."""

_TAIL = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFacts:
    """What is asked of an image, as far as reading a run's behavior needs it.

    Args:
        digest: the suite digest.
        command: the program that runs the suite, and its arguments.
        results: how it reports.
        output: which of ``stdout`` and ``stderr`` are behavior.
        behavior: traces that are behavior for this app, of ``files`` and ``shutdown``.
        shadows: modules that the suite tree may shadow.
        document: what ``digest`` is the digest of; empty where nobody has to ask it again.
    """

    digest: Digest
    command: tuple[str, ...]
    results: Results = Results.PYTEST
    output: tuple[str, ...] = ()
    behavior: tuple[str, ...] = ()
    shadows: tuple[str, ...] = ()
    document: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a run ended: exactly one of the three is set."""

    code: int | None = None
    signal: int | None = None
    limit: Limit | None = None

    def __str__(self) -> str:
        if self.limit is not None:
            return f"limit {self.limit}"
        return f"signal {self.signal}" if self.signal is not None else f"exit {self.code}"

    @property
    def is_own(self) -> bool:
        """Whether the program ended by itself."""
        return self.code is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """An outcome read as behavior.

    Args:
        suite: the suite digest.
        report: the tests.
        exit: how the run ended.
        artifacts: path → digest of declared artifacts.
        texts: path → content of artifacts, as far as it is short text and kept; for people.
        streams: content of the declared streams, as far as the backend kept it, with a digest where it did not.
        tail: the end of what the program wrote, for people; never behavior.
        changed: paths that the run changed in its tree.
        resources: what it used.
        evidence: factor → what was found in effect.
        ambient: facts of the machine.
        sandbox: digest of the effective sandbox; None where nobody looked.
        calls: what the filter of system calls denied; None where nobody looked.
        network: how it tried to reach beyond itself; likewise.
        trace: what it touched, of a traced run; likewise.
        shutdown: how what outlived the suite ended; likewise.
        duration: milliseconds.
    """

    suite: Digest
    report: TestReport
    exit: Exit
    artifacts: Mapping[str, Digest] = field(default_factory=lambda: MappingProxyType({}))
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    streams: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    tail: str = ""
    changed: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    evidence: Mapping[str, Evidence] = field(default_factory=lambda: MappingProxyType({}))
    ambient: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sandbox: Digest | None = None
    calls: Calls | None = None
    network: Network | None = None
    trace: Trace | None = None
    shutdown: tuple[Ending, ...] | None = None
    duration: int = 0


def observe(outcome: Outcome, suite: SuiteFacts) -> Observation:
    """Return an outcome read as behavior. Never raises for what the run wrote."""
    ended = Exit(code=outcome.exit_code, signal=outcome.signal, limit=outcome.limit)
    traces = {name: lines for name, lines in traces_of(outcome).items() if name.strip("()") in suite.behavior}
    artifacts = dict(sorted(outcome.artifacts.items()))
    artifacts |= {name: Digest.of_json(list(lines)) for name, lines in traces.items()}
    texts = {**outcome.texts, **{name: "".join(f"{line}\n" for line in lines) for name, lines in traces.items()}}
    written = {"stdout": outcome.stdout, "stderr": outcome.stderr}
    tail = (outcome.stdout.content[-_TAIL:] + outcome.stderr.content[-_TAIL:]).decode("utf-8", "backslashreplace")
    return Observation(
        suite=suite.digest,
        report=_report(outcome, suite.results),
        exit=ended,
        artifacts=MappingProxyType(artifacts),
        texts=MappingProxyType(texts),
        streams=MappingProxyType({name: _whole(written[name]) for name in sorted(suite.output)}),
        tail=tail,
        changed=outcome.changed,
        resources=outcome.resources,
        evidence=outcome.evidence,
        ambient=outcome.ambient,
        sandbox=Digest.of_json(outcome.sandbox) if outcome.sandbox else None,
        calls=outcome.calls,
        network=outcome.network,
        trace=_trace(outcome, suite.results),
        shutdown=outcome.shutdown,
        duration=outcome.duration,
    )


def traces_of(outcome: Outcome) -> Mapping[str, tuple[str, ...]]:
    """Return the traces that can be behavior, as lines, by the names of the artifacts that stand for them."""
    traces = {FILES: outcome.changed}
    return traces if outcome.shutdown is None else {**traces, SHUTDOWN: shutdown_lines(outcome.shutdown)}


def behavior_digest(observation: Observation, normalization: Normalization) -> Digest:
    """Return the digest of how a run behaved, format 1 of CONTRACT section 4. No host or image is in it."""
    return Digest.of_json(behavior_record(observation, normalization))


def behavior_record(observation: Observation, normalization: Normalization) -> Mapping[str, Json]:
    """Return how a run behaved: what its behavior digest is the digest of."""
    tests: dict[str, Json] = {
        name: None if name in normalization.unstable else test_behavior(result)
        for name, result in observation.report.tests.items()
        if result.outcome is not TestOutcome.MISSING
    }
    # A test that is unstable may be absent too; its name alone would then tell two equal behaviors apart.
    tests |= dict.fromkeys(normalization.unstable)
    return {
        "format": FORMAT,
        "suite": observation.suite.text,
        "normalization": normalization.digest.text,
        "tests": tests,
        "exit": _exit(observation, normalization),
        "artifacts": {
            name: None if name in normalization.unstable_artifacts else digest.text
            for name, digest in observation.artifacts.items()
        },
        "output": {name: digest.text for name, digest in output_digests(observation, normalization).items()},
    }


def test_behavior(result: TestResult) -> Json:
    """Return what of a test is behavior: no message, no place."""
    behavior: dict[str, Json] = {"outcome": str(result.outcome), "phase": result.phase}
    if result.outcome is TestOutcome.SKIPPED:
        behavior["reason"] = result.reason
    if result.outcome in (TestOutcome.FAILED, TestOutcome.ERRORED):
        behavior |= {"exception": result.exception, "errno": result.errno}
    return behavior


def output_digests(observation: Observation, normalization: Normalization) -> Mapping[str, Digest]:
    """Return the digest of each declared stream, its unstable lines masked."""
    return {
        name: Digest.of(to_text(masked(content, normalization.masks.get(name, ()))).encode())
        for name, content in observation.streams.items()
    }


def suite_document(
    *,
    tree: Digest,
    command: Sequence[str],
    results: Json,
    timeout: int,
    network: str,
    artifacts: Sequence[str],
    output: Sequence[str],
    behavior: Sequence[str],
    services: Mapping[str, Digest],
) -> Mapping[str, Json]:
    """Return what is asked of an image, of which the suite digest is the digest: CONTRACT section 4.

    Args:
        tree: digest of the suite's layers.
        command: the program and its arguments.
        results: as the spec has it: a name, or ``{"junit": PATH}``.
        timeout: milliseconds.
        network: ``loopback`` or ``outbound``.
        artifacts: patterns; their order says nothing.
        output: streams that are behavior; likewise.
        behavior: traces that are; likewise.
        services: name → digest of its image.
    """
    return {
        "format": FORMAT,
        "tree": tree.text,
        "command": list(command),
        "results": results,
        "timeout": timeout,
        "network": network,
        "artifacts": sorted(artifacts),
        "output": sorted(output),
        "behavior": sorted(behavior),
        "services": {name: digest.text for name, digest in services.items()},
    }


def _report(outcome: Outcome, results: Results) -> TestReport:
    match results:
        case Results.PYTEST:
            return read_pytest(outcome.results)
        case Results.JUNIT:
            from pipeline.verify.junit_results import read_junit  # noqa: PLC0415 - loads XML, which few suites need

            return read_junit(outcome.results)
        case Results.TAP:
            from pipeline.verify.tap_results import read_tap  # noqa: PLC0415 - few suites need it

            return read_tap(outcome.stdout.content, is_cut=outcome.stdout.size > len(outcome.stdout.content))
        case Results.EXIT:
            return read_exit(outcome.exit_code)


def _trace(outcome: Outcome, results: Results) -> Trace | None:
    """Return what a traced run touched, as the kernel and the plug-in tell it."""
    if results is not Results.PYTEST:
        return outcome.trace
    from pipeline.verify.touched import with_touched  # noqa: PLC0415 - few runs are traced

    return with_touched(outcome.trace, outcome.results or b"")


def _whole(stream: Stream) -> bytes:
    if stream.size == len(stream.content):
        return stream.content
    return stream.content + f"\n(cut at {len(stream.content)} of {stream.size} bytes, {stream.digest})".encode()


def _exit(observation: Observation, normalization: Normalization) -> Json:
    """Return the exit; where unstable tests decide between 0 and 1, it is as unstable as they are."""
    ended = observation.exit
    if ended.code in (0, 1) and normalization.unstable:
        failing = observation.report.having(TestOutcome.FAILED, TestOutcome.ERRORED)
        if normalization.unstable.issuperset(failing):
            return {"code": None, "signal": None, "limit": None}
    return {"code": ended.code, "signal": ended.signal, "limit": None if ended.limit is None else str(ended.limit)}
