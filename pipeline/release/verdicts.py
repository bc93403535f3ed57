"""What a verification found, as statements: one for each host, and one of all of them.

The first are in-toto's own ``test-result``, which policy engines of others read. The second is ``portability``, which
``specs/predicates/portability.md`` describes: what a stage asks for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.release.attest import Statement, Subject
from pipeline.release.keyring import print_time
from pipeline.verify.verdict import EnvironmentResult, Finding, HostResult, State, VerdictWord
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.oci.descriptor import Descriptor
from runtime.oci.image import Image

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
PORTABILITY = "https://seatrial.dev/portability/v1"
VERIFIER = "https://seatrial.dev/verifier/local/v1"
"""This program, on a machine that nobody but its user vouches for."""

_MOST_DIFFERENCES = 200
_SILENT = (State.UNAVAILABLE, State.INCONCLUSIVE)
_FAILURES = frozenset({"failed", "errored", "missing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a verification found of one environment, and what is said beside it.

    Args:
        result: what was found.
        image: the image that was verified.
        at: when, seconds since 1970.
        version: of the verifier; empty where it is not installed.
        question: the digest of what was asked, as the suite's artifact has it; None where nobody can ask it again.
    """

    result: EnvironmentResult
    image: Image
    at: int
    version: str = ""
    question: Digest | None = None

    def statements(self) -> tuple[Statement, ...]:
        """Return all of them, that of all hosts last."""
        return (*self.test_results(), self.portability())

    def test_results(self) -> Iterator[Statement]:
        """Yield a statement for each host that came to a result. What did not run is not spoken of.

        It holds no time: an equal result is an equal statement.
        """
        for host in self.result.hosts:
            if host.state not in _SILENT and host.behavior is not None:
                yield self._statement(TEST_RESULT, _test_result(self.result, host))

    def portability(self) -> Statement:
        """Return the statement of all hosts."""
        result = self.result
        verifier: dict[str, Json] = {"id": VERIFIER}
        if self.version:
            verifier["version"] = {"seatrial": self.version}
        return self._statement(
            PORTABILITY,
            {
                "verdict": result.verdict.value,
                "headline": result.headline,
                "image": _image(self.image),
                "suite": result.suite.text,
                "question": _text(self.question),
                "lock": _text(result.lock),
                "behavior": _text(result.behavior),
                "normalization": _text(result.normalization),
                "unstable": list(result.unstable),
                "hermetic": result.hermetic,
                "hosts": [_host(each) for each in result.hosts],
                "ignored": [
                    {"test": each.test, "host": each.host, "reason": each.reason, "used": each.used}
                    for each in result.ignores
                ],
                "verifier": verifier,
                "verifiedOn": print_time(self.at),
            },
        )

    def _statement(self, predicate_type: str, predicate: Mapping[str, Json]) -> Statement:
        subject = Subject(name=self.result.name, digest=self.result.image)
        return Statement(subjects=(subject,), predicate_type=predicate_type, predicate=predicate)


def _test_result(result: EnvironmentResult, host: HostResult) -> dict[str, Json]:
    """Return the predicate of one host. ``configuration`` begins with the host: others take a test's identity from it.

    Source: in-toto attestation framework, spec/predicates/test-result.md.
    """
    locked = [_resource("lock", result.lock)] if result.lock else []
    failed = sorted({each.difference.id for each in host.findings if each.difference.here in _FAILURES})
    return {
        "result": _word(host),
        "configuration": [_resource(host.name, host.digest), _resource("suite", result.suite), *locked],
        "passedTests": [],
        "warnedTests": [],
        "failedTests": [*failed[:_MOST_DIFFERENCES]],
    }


def _word(host: HostResult) -> str:
    """Return PASSED only where a host behaves as the reference does, and WARNED where it does not and is let pass."""
    if host.verdict is not VerdictWord.PASSED:
        return "FAILED"
    return "PASSED" if host.state in (State.REFERENCE, State.SAME) and not host.findings else "WARNED"


def _resource(name: str, digest: Digest) -> dict[str, Json]:
    return {"name": name, "digest": {"sha256": digest.hex}}


def _image(image: Image) -> dict[str, Json]:
    """Return all by which a running container can be told to be of this image: engines show one or the other."""
    config = Descriptor.parse(image.manifest["config"], f"config of {image.digest}")
    return {
        "config": config.digest.text,
        "layers": [each.descriptor.digest.text for each in image.layers],
        "diffIds": [each.diff_id.text for each in image.layers],
        "architecture": image.architecture,
    }


def _host(host: HostResult) -> dict[str, Json]:
    return {
        "name": host.name,
        "digest": host.digest.text,
        "factors": dict(host.factors),
        "state": host.state.value,
        "verdict": host.verdict.value,
        "behavior": _text(host.behavior),
        "tests": dict(host.tests),
        "runs": host.runs,
        "fidelity": host.fidelity.value,
        "emulated": list(host.emulated),
        "evidence": dict(host.evidence),
        "ambient": dict(host.ambient),
        "sandbox": _text(host.sandbox),
        "differences": [_difference(each) for each in host.findings[:_MOST_DIFFERENCES]],
        "more": max(0, len(host.findings) - _MOST_DIFFERENCES),
    }


def _difference(finding: Finding) -> dict[str, Json]:
    """Return a difference without the texts of exceptions, in which an app may have written anything."""
    found, cause = finding.difference, finding.cause
    return {
        "kind": found.kind.value,
        "id": found.id,
        "reference": found.reference,
        "here": found.here,
        "cause": None if cause is None else {"state": cause.state.value, "factors": dict(cause.factors)},
        "ignored": finding.ignored,
    }


def _text(digest: Digest | None) -> Json:
    return digest.text if digest else None
