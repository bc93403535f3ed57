"""Read a report of the warm process as an outcome."""

import os
import signal
from collections.abc import Mapping
from types import MappingProxyType

from runtime.backends.native.collector import Findings
from runtime.backends.native.one_id import is_emulated
from runtime.backends.native.order import Report
from runtime.data import replace
from runtime.digest import Digest
from runtime.factors import FACTORS
from runtime.factors.factor import Factor
from runtime.outcome import Evidence, Fidelity, Limit, Outcome, Resources, Stream
from runtime.plan import Plan
from runtime.trace import Trace

_KILLED_CHILD = 128 + signal.SIGKILL  # how a shell reports that its child was killed


def to_outcome(
    plan: Plan,
    report: Report,
    findings: Findings,
    streams: tuple[Stream, Stream],
    ambient: Mapping[str, str],
    *,
    flooded: bool,
    answers_itself: frozenset[str] = frozenset(),
) -> Outcome:
    """Return what the kernel reported of a run.

    Args:
        plan: what was run.
        report: what the warm process saw.
        findings: what the run left.
        streams: stdout and stderr.
        ambient: facts of the machine.
        flooded: whether the run was ended because it wrote too much.
        answers_itself: factors whose default the runtime fulfills in a way of its own.
    """
    code = os.waitstatus_to_exitcode(report.status)
    limit = limit_of(report, flooded=flooded)
    used = _resources(report)
    evidence = {each.name: _evidence(each, plan, report, used) for each in _asked(report)}
    for name in answers_itself & evidence.keys():
        evidence[name] = replace(evidence[name], holds=True, fidelity=Fidelity.EMULATED)
    if plan.architecture:
        evidence = {name: replace(each, fidelity=Fidelity.ADVISORY) for name, each in evidence.items()}
    return Outcome(
        exit_code=code if code >= 0 and limit is None else None,
        signal=-code if code < 0 and limit is None else None,
        limit=limit,
        stdout=streams[0],
        stderr=streams[1],
        results=findings.results,
        artifacts=MappingProxyType({path: Digest(text) for path, text in findings.artifacts.items()}),
        texts=MappingProxyType(dict(findings.texts)),
        changed=findings.changed,
        resources=used,
        evidence=MappingProxyType(evidence),
        ambient=ambient,
        sandbox=MappingProxyType(dict(report.sandbox)),
        calls=report.calls,
        network=report.network,
        trace=_trace(report.trace),
        shutdown=report.shutdown,
        duration=report.duration,
    )


def _trace(written: bytes) -> Trace | None:
    """Return what a traced run touched; None where nobody looked, or nothing whole was written down in time."""
    import json  # noqa: PLC0415 - few runs are traced

    try:
        return Trace.from_json(json.loads(written)) if written else None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None


def limit_of(report: Report, *, flooded: bool) -> Limit | None:
    """Return which limit ended a run.

    A program that ended by itself before its run was killed ended by itself. The kernel's OOM killer may have taken a
    child only: that is the run's end if the program died of SIGKILL too, or says so as shells do, with 137.
    """
    code = os.waitstatus_to_exitcode(report.status)
    if code == -signal.SIGKILL and flooded:
        return Limit.OUTPUT
    if code == -signal.SIGKILL and report.deadline:
        return Limit.DEADLINE
    if code in (-signal.SIGKILL, _KILLED_CHILD) and report.usage.oom_kills > 0:
        return Limit.OOM
    return None


def _resources(report: Report) -> Resources:
    strain = report.strain
    return Resources(
        peak_memory=report.usage.memory,
        peak_processes=report.usage.processes,
        cpu_time=report.cpu_time,
        throttled_periods=strain.throttled_periods,
        throttled_time=strain.throttled_time,
        pressure=MappingProxyType(dict(strain.pressure)),
        has_own_pressure=strain.has_own_pressure,
        oom_kills=report.usage.oom_kills,
        victims=strain.victims,
        written=strain.written,
    )


def _asked(report: Report) -> tuple[Factor, ...]:
    """Return the factors that there is evidence of: all, or none where the run was started without."""
    return FACTORS if report.evidence.keys() - {"pid1", "runtime"} else ()


def _evidence(each: Factor, plan: Plan, report: Report, used: Resources) -> Evidence:
    level = plan.levels.get(each.name, each.default)
    in_effect = report.usage.in_effect or {}
    if each.name in report.evidence:
        judged = _judged(each, level, report.evidence[each.name], plan)
        is_real = not report.one_id or not is_emulated(each.name, level)
        return judged if is_real else replace(judged, fidelity=Fidelity.EMULATED)
    if each.name in in_effect:
        return _judged(each, level, in_effect[each.name], plan)
    if not each.needs(level):
        return _judged(each, level, "max" if each.accounted else "not probed", plan)
    below = each.stayed_below(level, used)
    peak = used.peak_memory if each.name == "memory" else used.peak_processes
    return Evidence(found=f"peak {peak}, watched", holds=below is True, fidelity=Fidelity.EMULATED)


def _judged(each: Factor, level: str, found: str, plan: Plan) -> Evidence:
    try:
        holds = each.holds(level, found, plan)
    except (ValueError, IndexError, KeyError):
        holds = False  # the probe found something that is no value of this factor at all
    return Evidence(found=found, holds=holds, fidelity=each.fidelity(level))
