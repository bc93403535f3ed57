"""Read what the plug-in says that tests of a traced run touch: lines that the app under test may have cut or forged."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from pipeline.verify.suite import MAXIMAL_TESTS
from runtime.trace import MOST_TEXT, Signs, Trace, key_of

_EVENT = b'"event":"touched"'
_MOST_LINE = 1 << 20
_MOST_SIGNS = 1000


def with_touched(trace: Trace | None, raw: bytes) -> Trace | None:
    """Return a trace with what the plug-in says beside it.

    Args:
        trace: what the kernel told; None where nobody looked.
        raw: the lines of the plug-in.

    Returns:
        None where neither tells anything.
    """
    if _EVENT not in raw:
        return trace
    tests: dict[str, Signs] = dict(trace.tests) if trace else {}
    for line in raw.split(b"\n")[:-1]:
        if _EVENT in line and len(line) <= _MOST_LINE:
            test, signs = _event(line)
            if test and (test in tests or len(tests) <= MAXIMAL_TESTS):
                tests[test] = MappingProxyType({**tests.get(test, {}), **signs})
    return Trace(tests=MappingProxyType(tests), is_whole=trace is None or trace.is_whole)


def _event(line: bytes) -> tuple[str, Mapping[str, int]]:
    """Return the key of a test and its signs; empty where the line is no event of the plug-in."""
    try:
        event = json.loads(line)
        told = list(event["signs"].items())[:_MOST_SIGNS]
        return key_of(str(event["id"])), {_clean(sign)[:MOST_TEXT]: int(count) for sign, count in told}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError):
        return "", {}


def _clean(text: str) -> str:
    # A lone surrogate has no form in canonical JSON.
    return text.encode("utf-8", errors="backslashreplace").decode()
