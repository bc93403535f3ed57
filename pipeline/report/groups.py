"""How findings are to be read, and which of them are told of together: those that differ in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.verify.compare import Key, Kind
from pipeline.verify.explain import CauseState, Rate
from pipeline.verify.verdict import EnvironmentResult, Finding, HostResult


class Reading(StrEnum):
    """How a finding is to be read."""

    DIFFERENT = "different"
    FLAKY = "flaky"
    UNDECIDED = "undecided"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Findings that differ in the same way, on the same hosts, by the same cause.

    Args:
        reading: how to read them.
        hosts: where they were seen.
        findings: one for each test, that of the first host.
    """

    reading: Reading
    hosts: tuple[HostResult, ...]
    findings: tuple[Finding, ...]


def reading(finding: Finding) -> Reading:
    """Tell how a finding is to be read."""
    if finding.ignored:
        return Reading.ACCEPTED
    cause = finding.cause
    if cause is None:  # the reference's own failures have equal sides; anything else was not rerun
        is_own = finding.difference.reference == finding.difference.here
        return Reading.DIFFERENT if is_own else Reading.UNDECIDED
    if cause.state is CauseState.CAUSED:
        return Reading.DIFFERENT
    if cause.state is CauseState.FLAKY:
        return Reading.FLAKY
    return Reading.DIFFERENT if cause.confirmed else Reading.UNDECIDED


def groups(environment: EnvironmentResult) -> tuple[Group, ...]:
    """Return the findings of an environment, those that differ in the same way together, worst first."""
    hosts: dict[object, list[HostResult]] = {}
    first: dict[object, Finding] = {}
    for host in environment.hosts:
        for finding in host.findings:
            key: object = (finding.difference.kind, finding.difference.id, _way(finding))
            hosts.setdefault(key, []).append(host)
            if key not in first or (finding.cause and finding.cause.with_ and not _with(first[key])):
                first[key] = finding
    together: dict[object, list[object]] = {}
    for key, finding in first.items():
        together.setdefault((tuple(host.name for host in hosts[key]), _way(finding)), []).append(key)
    found = [
        Group(reading=reading(first[keys[0]]), hosts=tuple(hosts[keys[0]]), findings=tuple(first[key] for key in keys))
        for keys in together.values()
    ]
    return tuple(sorted(found, key=lambda group: list(Reading).index(group.reading)))


def rates(group: Group) -> Mapping[Key, list[tuple[str, Rate]]]:
    """Return how often each behavior of a flaky group was seen: on each host of it, then on the reference."""
    found: dict[Key, list[tuple[str, Rate]]] = {key_of(finding): [] for finding in group.findings}
    reference: dict[Key, list[Rate]] = {name: [] for name in found}
    for host in group.hosts:
        for each in host.findings:
            name = key_of(each)
            if name in found and each.cause is not None:
                found[name] += [(host.name, each.cause.with_)] if each.cause.with_ else []
                reference[name] += [each.cause.without] if each.cause.without else []
    for name, those in reference.items():
        most = max(those, key=lambda rate: rate.of, default=None)
        found[name] += [("the reference", most)] if most else []
    return found


def key_of(finding: Finding) -> Key:
    """Return what names the behavior that differs."""
    return finding.difference.kind, finding.difference.id


def _with(finding: Finding) -> Rate | None:
    return finding.cause.with_ if finding.cause else None


def _way(finding: Finding) -> object:
    cause = finding.cause
    factors = tuple(sorted(cause.factors.items())) if cause else ()
    difference = finding.difference
    # An artifact's digest is all its own; the lines that changed in it can be those of others too.
    sides = (difference.reference, difference.here)
    side = (
        sides if difference.kind is not Kind.ARTIFACT else (difference.message, *(each == "missing" for each in sides))
    )
    return (
        difference.kind,
        side,
        difference.is_cut,
        reading(finding),
        factors,
        finding.ignored,
        cause.state if cause else None,
    )
