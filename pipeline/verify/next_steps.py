"""What to do about a run of which nothing, or nothing good, can be said: the hint beside the reason."""

import posixpath
import re
import shlex
from pathlib import PurePosixPath

from pipeline.declare.values import print_duration
from pipeline.verify.inquiry import Inquiry
from pipeline.verify.observe import Observation
from pipeline.verify.suite import Results, TestOutcome
from runtime.host import Host
from runtime.outcome import Limit

_FAILED = (TestOutcome.FAILED, TestOutcome.ERRORED)
_RAN = (TestOutcome.PASSED, *_FAILED)

_NO_FILE = re.compile(r"No such file or directory: b?(?P<quote>['\"])(?P<path>[^'\"]+)(?P=quote)")
_NO_MODULE = re.compile(r"No module named '(?P<name>\w+)")

_SHOWN = 3
"""Entries that a hint writes out."""


def next_step(inquiry: Inquiry, host: Host, seen: Observation) -> str:
    """Return the next step for a host whose first run says nothing of it, or ended badly; empty if there is none.

    Args:
        inquiry: what was asked.
        host: the host, or the reference.
        seen: its first run.
    """
    lost = [name for name, evidence in seen.evidence.items() if not evidence.holds]
    if lost:
        return _level(inquiry, host, lost[0])
    look = f"`{_run(inquiry, host)}` shows what it writes"
    match seen.exit.limit:
        case Limit.DEADLINE:
            timeout = print_duration(inquiry.plan.deadline)
            return f"{look}; suite.timeout ({timeout}) can be raised if it only needs longer"
        case Limit.OOM:
            return f"{look}; the reference has 2G of memory, and `reference:` can name a host with more"
        case Limit.OUTPUT:
            return f"{look} (| head)"
        case None:
            return _report(inquiry, seen, look)


def left_behind(inquiry: Inquiry, seen: Observation) -> str:
    """Return the entries of ``files:`` without which tests fail, as far as they are the project's; empty if none are.

    Args:
        inquiry: what was asked.
        seen: a run of the reference.
    """
    places: dict[str, None] = {}
    for each in seen.report.having(*_FAILED):
        places |= dict.fromkeys(_missed(inquiry, seen.report.tests[each].message))
    if not places:
        return ""
    shown = list(places)[:_SHOWN]
    more = f" and {len(places) - len(shown)} more" if len(places) > len(shown) else ""
    entries = ", ".join(f"`- {{from: {inquiry.nearby[place]}, to: {place}}}`" for place in shown)
    lock = shlex.join(["seatrial", "lock", inquiry.spec])
    return f"tests look for what lies beside the files of the spec: add {entries}{more} to suite.files, then `{lock}`"


def _missed(inquiry: Inquiry, message: str) -> list[str]:
    """Return which neighbors of the spec's files the text of an exception misses: files by path, modules by name."""
    workdir = inquiry.plan.workdir
    paths = [posixpath.normpath(posixpath.join(workdir, found["path"])) for found in _NO_FILE.finditer(message)]
    folders = [workdir, *inquiry.plan.environment.get("PYTHONPATH", "").split(":")]
    modules = [posixpath.join(each, found["name"]) for found in _NO_MODULE.finditer(message) for each in folders]
    wanted = [PurePosixPath(each) for each in (*paths, *modules, *(f"{each}.py" for each in modules))]
    places = (str(place) for each in wanted for place in (each, *each.parents))
    return [place for place in places if place in inquiry.nearby]


def _level(inquiry: Inquiry, host: Host, name: str) -> str:
    level = host.factors.get(name, "")
    if name == "locale" and level:
        return f"write `locales: [{level}]` below image, or leave the host out of hosts"
    look = f"`{_run(inquiry, host)} -- sh`"
    return f"leave the host out of hosts, or look around there: {look}" if host.differing else f"look around: {look}"


def _report(inquiry: Inquiry, seen: Observation, look: str) -> str:
    report, results = seen.report, inquiry.suite.results
    if report.tests and not report.count(*_RAN):
        return f"{look}; what the tests need belongs below image, or below suite if only they need it"
    if report.tests and report.fault and results is Results.PYTEST:
        return f"{look}; only the plug-in of pytest may write to {inquiry.plan.results}"
    if not report.tests and not report.fault and results is not Results.JUNIT:
        return f"{look}; suite.files and suite.command say which tests there are"
    if results is Results.PYTEST and not report.tests and seen.exit.code == 0:
        return f"{look}; suite.command must start pytest, or suite.results say how the suite reports"
    return look if report.tests else f"{look}{_wanted(inquiry)}"


def _wanted(inquiry: Inquiry) -> str:
    """Return what a suite must do to leave a report of the form that its spec names."""
    match inquiry.suite.results:
        case Results.JUNIT:
            return f"; suite.results wants the report in {inquiry.plan.results}"
        case Results.TAP:
            return "; suite.command must write TAP to stdout, or suite.results say how the suite reports"
        case _:
            return ""


def _run(inquiry: Inquiry, host: Host) -> str:
    words = ["seatrial", "run", inquiry.spec]
    return shlex.join([*words, "--host", host.name] if host.differing else words)
