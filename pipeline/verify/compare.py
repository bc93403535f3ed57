"""``Difference``: one behavior that differs between two observations, with both sides."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from pipeline.verify.changes import changed_lines
from pipeline.verify.cuts import cut_text, is_under_way, is_unreached
from pipeline.verify.normalization import Normalization, masked
from pipeline.verify.observe import Observation, output_digests, test_behavior
from pipeline.verify.suite import Results, TestOutcome, TestResult
from runtime.canonical import to_canonical_json

_LONGEST_MESSAGE = 500  # characters


class Kind(StrEnum):
    """What kind of behavior differs."""

    TEST = "test"
    EXIT = "exit"
    ARTIFACT = "artifact"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Difference:
    """One behavior that differs.

    Args:
        kind: what kind of behavior.
        id: the test's id, the artifact's path, the stream's name; ``exit`` for the exit.
        reference: the reference's side, in a word: an outcome, ``exit 0``, a digest, ``missing``.
        here: this side, likewise.
        message: the text of the exception of the side that failed, or what says most; may be empty.
        file: where it failed, relative to the working folder; may be empty.
        line: likewise, from 1; 0 if unknown.
        is_cut: whether a test is ``missing`` as the run was cut off while it was running: it hung, or brought all down.
    """

    kind: Kind
    id: str
    reference: str
    here: str
    message: str = ""
    file: str = ""
    line: int = 0
    is_cut: bool = False


Key: TypeAlias = tuple[Kind, str]
"""What names one behavior: its kind and its id."""

EXIT_ID = "exit"

_TEST_CODES = frozenset({0, 1, 2, 5})
"""Exit codes by which pytest says what became of tests: none failed, some did, interrupted by them, none ran."""


def behaviors(observation: Observation, normalization: Normalization) -> Mapping[Key, str]:
    """Return every behavior of a run by name, as text that is equal if the behavior is.

    Unstable artifacts are left out and unstable lines masked; unstable tests are in, for reruns to tell how unstable.
    """
    found: dict[Key, str] = {
        (Kind.TEST, name): to_canonical_json(test_behavior(result)).decode()
        for name, result in observation.report.tests.items()
        if result.outcome is not TestOutcome.MISSING
    }
    found[Kind.EXIT, EXIT_ID] = str(observation.exit)
    found |= {
        (Kind.ARTIFACT, path): digest.text
        for path, digest in observation.artifacts.items()
        if path not in normalization.unstable_artifacts
    }
    outputs = output_digests(observation, normalization)
    return found | {(Kind.OUTPUT, name): digest.text for name, digest in outputs.items()}


def compare(
    reference: Observation, other: Observation, normalization: Normalization | None = None
) -> tuple[Difference, ...]:
    """Return every behavior that differs, in either direction, sorted.

    A difference of exits that tests explain is none of its own, nor is a test that is missing only because its run was
    cut off before it. ``compare(b, a)`` names the same behaviors with the sides exchanged.
    """
    normalization = normalization or Normalization()
    left, right = behaviors(reference, normalization), behaviors(other, normalization)
    differing = {key for key in left.keys() | right.keys() if left.get(key) != right.get(key)}
    differing = {key for key in differing if not _is_cut_off(key, reference, other)}
    has_tests = any(kind is Kind.TEST for kind, _ in differing)
    if has_tests and _tests_explain(reference, other):
        differing.discard((Kind.EXIT, EXIT_ID))
    return tuple(
        _difference(key, reference, other, (left.get(key), right.get(key)), normalization) for key in sorted(differing)
    )


def _is_cut_off(key: Key, reference: Observation, other: Observation) -> bool:
    """Tell whether a test is missing from one side only because its run was cut off, which its exit tells."""
    kind, name = key
    if kind is not Kind.TEST or reference.exit == other.exit:
        return False
    return is_unreached(reference, name) or is_unreached(other, name)


def _tests_explain(reference: Observation, other: Observation) -> bool:
    if reference.report.source is Results.EXIT:
        return True  # there the only test is the exit itself
    codes = {reference.exit.code, other.exit.code}
    if reference.report.source is Results.PYTEST:
        return codes <= _TEST_CODES
    return None not in codes


def _difference(
    key: Key,
    reference: Observation,
    other: Observation,
    behavior: tuple[str | None, str | None],
    normalization: Normalization,
) -> Difference:
    kind, name = key
    if kind is Kind.TEST:
        return _test_difference(name, reference, other)
    left, right = (text or "missing" for text in behavior)
    message = ""
    match kind:
        case Kind.EXIT:
            message = _exit_message(reference if other.exit.code == 0 else other)
        case Kind.OUTPUT:
            sides = [_shown_stream(each, name, normalization) for each in (reference, other)]
            message = changed_lines(*sides)
        case Kind.ARTIFACT if name in reference.texts and name in other.texts:
            message = changed_lines(reference.texts[name], other.texts[name])
    return Difference(kind=kind, id=name, reference=left, here=right, message=message)


def _exit_message(failing: Observation) -> str:
    """Return how the run that failed was cut off, and the last lines that it wrote, but for dots of progress."""
    cut = [] if failing.exit.is_own else [cut_text(failing)]
    written = [line for line in failing.tail.strip().splitlines() if any(each.isalnum() for each in line)]
    return "\n".join([*cut, *written[-3:]])[:_LONGEST_MESSAGE]


def _shown_stream(observation: Observation, name: str, normalization: Normalization) -> str:
    """Return a declared stream for people, with a sign in place of what varies on the reference."""
    content = masked(observation.streams.get(name, b""), normalization.masks.get(name, ()))
    return content.decode("utf-8", "backslashreplace").replace("\0", "…")


def _test_difference(name: str, reference: Observation, other: Observation) -> Difference:
    sides = reference.report.tests.get(name), other.report.tests.get(name)
    left, right = (_side(each, is_long=False) for each in sides)
    if left == right:
        left, right = (_side(each, is_long=True) for each in sides)
    telling = _telling(*sides)
    if telling is None:
        return Difference(kind=Kind.TEST, id=name, reference=left, here=right)
    message = telling.message or telling.reason
    if telling.outcome is TestOutcome.SKIPPED and telling.reason:
        message = f"skipped: {telling.reason}"
    elif not message and None in sides and reference.report.source is Results.PYTEST:
        message = f"{'this host' if sides[1] is None else 'the reference'} collects no such test"
    cut = next((each for each in (other, reference) if is_under_way(each, name) and not each.exit.is_own), None)
    if cut is not None:
        text = cut_text(cut, name)
        return Difference(kind=Kind.TEST, id=name, reference=left, here=right, message=text, is_cut=True)
    if not message and reference.report.source is Results.EXIT:
        message = str(other.exit if other.exit.code != 0 else reference.exit)
    return Difference(
        kind=Kind.TEST, id=name, reference=left, here=right, message=message, file=telling.file, line=telling.line
    )


def _side(result: TestResult | None, *, is_long: bool) -> str:
    if result is None:
        return str(TestOutcome.MISSING)
    if not is_long:
        return str(result.outcome)
    if result.outcome is TestOutcome.SKIPPED:
        return f"{result.outcome}: {result.reason}"
    errno = f" errno {result.errno}" if result.errno is not None else ""
    phase = f" in {result.phase}" if result.phase else ""
    return f"{result.outcome}{phase}: {result.exception}{errno}"


def _telling(reference: TestResult | None, here: TestResult | None) -> TestResult | None:
    """Return the side that says most: the one that did not pass, this one before the reference's."""
    sides = [each for each in (here, reference) if each is not None]
    for outcome in (TestOutcome.FAILED, TestOutcome.ERRORED, TestOutcome.SKIPPED, TestOutcome.MISSING):
        for each in sides:
            if each.outcome is outcome:
                return each
    return sides[0] if sides else None
