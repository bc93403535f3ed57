"""What differs between two records of behavior: of one image, one suite and one host at two times."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.verify.compare import EXIT_ID, Difference, Kind
from pipeline.verify.suite import TestOutcome
from runtime.canonical import to_canonical_json

_MISSING = TestOutcome.MISSING.value


def differences_since(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return every behavior that differs between two records, sorted; the earlier one is the reference's side.

    An exit that differs beside tests is none of its own.

    Args:
        before: as ``pipeline.verify.observe.behavior_record`` made it; nothing else was signed.
        now: likewise, under the same normalization.
    """
    found = [*_tests(before["tests"], now["tests"])]
    if not found and before["exit"] != now["exit"]:
        found.append(_difference(Kind.EXIT, EXIT_ID, _exit(before["exit"]), _exit(now["exit"])))
    for kind, key in ((Kind.ARTIFACT, "artifacts"), (Kind.OUTPUT, "output")):
        for name in _differing(before[key], now[key]):
            sides = (_word(each[key].get(name)) for each in (before, now))
            found.append(_difference(kind, name, *sides))
    return tuple(sorted(found))


def _tests(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in _differing(before, now):
        sides = [each.get(name) for each in (before, now)]
        short = [_outcome(each) for each in sides]
        yield _difference(Kind.TEST, name, *(short if short[0] != short[1] else map(_whole, sides)))


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    absent = object()
    return sorted(name for name in before.keys() | now.keys() if before.get(name, absent) != now.get(name, absent))


def _difference(kind: Kind, name: str, before: str, now: str) -> Difference:
    return Difference(kind=kind, id=name, reference=before, here=now)


def _outcome(test: Mapping[str, Any] | None) -> str:
    return _MISSING if test is None else str(test["outcome"])


def _whole(test: Mapping[str, Any] | None) -> str:
    """Return all that is behavior of a test: two of one outcome differ in the rest."""
    if test is None:
        return _MISSING
    rest = {key: value for key, value in test.items() if key != "outcome" and value not in ("", None)}
    return f"{test['outcome']} {to_canonical_json(rest).decode()}"


def _exit(ended: Mapping[str, Any]) -> str:
    kind, value = next(((key, value) for key, value in ended.items() if value is not None), ("code", "varying"))
    return f"{'exit' if kind == 'code' else kind} {value}"


def _word(digest: str | None) -> str:
    return digest or _MISSING
