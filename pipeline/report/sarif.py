"""The report as SARIF 2.1.0: a result for each behavior that differs in one way, whatever the number of its hosts.

Source: OASIS SARIF 2.1.0; sections are named where they decide something. GitHub reads a part of it: it follows an
alert by its rule, its file and the fingerprint ``primaryLocationLineHash``, and refuses files of more than 25,000
results, or with a result that has no physical location.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pipeline.report.cases import fails_as_flaky
from pipeline.report.document import details, facts, identity, written
from pipeline.report.groups import Group, Reading, groups, key_of, rates
from pipeline.report.sarif_rules import FAILING_HOST, INCONCLUSIVE_HOST, Rule, rule_of
from pipeline.report.sentences import happens, place, removals, times, title, transition, trial
from pipeline.report.summary import caveats, not_run, notes, untold
from pipeline.report.text import count, listed, visible
from pipeline.verify.explain import Rate
from pipeline.verify.verdict import EnvironmentResult, Finding, HostResult, VerdictWord, Verification

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

MOST = 25_000
"""Results of one run: a file with more is refused by GitHub."""

ROOT = "%SRCROOT%"
"""What paths are relative to: the working tree (section 3.14.14)."""

_LINK = re.compile(r"\[(?=[^\[\]]*\]\()")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """One result before it is written; ``names`` tell it from all others of its rule."""

    rule: Rule
    level: str
    text: str
    names: tuple[str, ...]
    where: dict[str, object]
    extra: dict[str, object]
    accepted: str = ""


def render(verification: Verification, version: str) -> str:
    """Return the document, ending in a line feed.

    Args:
        verification: what was found.
        version: this program's; may be empty.
    """
    found = [each for environment in verification.environments for each in _results(environment)]
    found.sort(key=lambda each: ("error", "warning", "note").index(each.level))
    shown = found[:MOST]
    rules = sorted({each.rule.id: each.rule for each in shown}.values(), key=lambda rule: rule.id)
    run = {
        "tool": {"driver": _driver(rules, version)},
        "originalUriBaseIds": {ROOT: {"description": _message("The folder in which Seatrial was run.")}},
        "invocations": [_invocation(verification, len(found) - len(shown))],
        "results": _written(shown, {rule.id: index for index, rule in enumerate(rules)}),
        "properties": facts(verification),
    }
    return written({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _driver(rules: list[Rule], version: str) -> dict[str, object]:
    return {
        "name": "Seatrial",
        **({"version": version} if version else {}),
        "rules": [
            {
                "id": rule.id,
                "shortDescription": _message(rule.short),
                "fullDescription": _message(rule.short),
                "help": _message(rule.help),
                "defaultConfiguration": {"level": rule.level},
                "properties": {"tags": ["portability"]},
            }
            for rule in rules
        ],
    }


def _results(environment: EnvironmentResult) -> Iterator[_Result]:
    for group in groups(environment):
        yield from _differences(environment, group)
    for host in environment.hosts:
        # A host of a set that is not here changes no verdict: it is a notification.
        if not host.findings and host.verdict is not VerdictWord.PASSED:
            yield _host(environment, host)


def _differences(environment: EnvironmentResult, group: Group) -> Iterator[_Result]:
    rule, level, hosts = rule_of(group), _level(group), [host.name for host in group.hosts]
    seen_on = rates(group) if group.reading is Reading.FLAKY else {}
    for finding in group.findings:
        key = key_of(finding)
        said = _flaky(group, finding, seen_on[key]) if key in seen_on else _different(group, finding)
        yield _Result(
            rule=rule,
            level=level,
            text=_message_of(f"{environment.name}: {title(finding.difference)} {said}", finding),
            names=(environment.name, *key),
            where=_location(environment, finding),
            extra={"environment": environment.name, "hosts": hosts, **details(finding)},
            accepted=finding.ignored,
        )


def _level(group: Group) -> str:
    """Return how loud a group is: no louder than what it did to the verdicts of its hosts."""
    rule = rule_of(group)
    if group.reading is Reading.FLAKY:
        return "error" if any(fails_as_flaky(host) for host in group.hosts) else rule.level
    if group.reading is not Reading.DIFFERENT:
        return rule.level
    verdicts = {host.verdict for host in group.hosts}
    if VerdictWord.FAILED in verdicts:
        return "error"
    return "warning" if VerdictWord.INCONCLUSIVE in verdicts else "note"


def _different(group: Group, finding: Finding) -> str:
    said = (transition(finding.difference, group.hosts), trial(finding), removals(finding))
    return "; ".join(each for each in said if each)


def _flaky(group: Group, finding: Finding, seen_on: Sequence[tuple[str, Rate]]) -> str:
    seen = listed([f"{times(rate)} times on {name}" for name, rate in seen_on])
    where = seen or f"now and then on {listed([host.name for host in group.hosts])}"
    return f"{happens(finding.difference)} {where}: no host is to blame"


def _message_of(said: str, finding: Finding) -> str:
    """Return the message: what is different, where and why, in its first line; the rest behind it."""
    reason, fix = (finding.cause.reason, finding.cause.hint) if finding.cause else ("", "")
    said += f"; accepted: {finding.ignored}" * bool(finding.ignored)
    said += f"; the cause was not found: {reason}" * bool(reason)
    lines = [f"{said.rstrip('.')}.", finding.difference.message.strip()]
    lines += [f"Likely fix: {fix}"] * bool(fix)
    lines += [f"Reproduce: {finding.reproduce}"] * bool(finding.reproduce)
    return "\n".join(line for line in lines if line)


def _host(environment: EnvironmentResult, host: HostResult) -> _Result:
    rule = FAILING_HOST if host.verdict is VerdictWord.FAILED else INCONCLUSIVE_HOST
    reason = "; ".join(host.reasons).rstrip(".") or "nothing can be said of this host"
    text = f"{environment.name} on {host.name}: {reason}.\n{host.hint}".strip()
    return _Result(
        rule=rule,
        level=rule.level,
        text=text,
        names=(environment.name, host.name),
        where=_location(environment, None),
        extra={"environment": environment.name, "hosts": [host.name], "state": host.state},
    )


def _written(found: list[_Result], indices: dict[str, int]) -> list[dict[str, object]]:
    """Return the results as the format has them; of those with one identity each has its number."""
    seen: Counter[str] = Counter()
    written: list[dict[str, object]] = []
    for each in found:
        mark = identity(each.rule.id, *each.names)
        seen[mark] += 1
        fingerprint = f"{mark[:32]}:{seen[mark]}"
        result: dict[str, object] = {
            "ruleId": each.rule.id,
            "ruleIndex": indices[each.rule.id],
            "level": each.level,
            "message": _message(each.text),
            "locations": [each.where],
            "partialFingerprints": {"seatrialFinding/v1": fingerprint, "primaryLocationLineHash": fingerprint},
            "properties": each.extra,
        }
        if each.accepted:
            result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": each.accepted}]
        written.append(result)
    return written


def _location(environment: EnvironmentResult, finding: Finding | None) -> dict[str, object]:
    """Return where the test failed, where that is in the working tree; the spec otherwise."""
    where = place(finding.difference) if finding else None
    physical: dict[str, object] = {"artifactLocation": _artifact(where[0] if where else environment.spec or ".")}
    if where is not None:
        physical["region"] = {"startLine": where[1]}
    location: dict[str, object] = {"physicalLocation": physical}
    if finding is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": title(finding.difference)}]
    return location


def _artifact(path: str) -> dict[str, str]:
    """Return a path as a URI: relative to the working tree, unless the user named the spec by an absolute one."""
    written = quote(visible(path))  # a colon too: a first folder with one would be a scheme
    return {"uri": f"file://{written}"} if path.startswith("/") else {"uri": written, "uriBaseId": ROOT}


def _invocation(verification: Verification, left: int) -> dict[str, object]:
    told = [{"level": level, "message": _message(text)} for level, text in _notifications(verification)]
    if left:
        told.insert(0, {"level": "warning", "message": _message(f"{count(left, 'result')} more in the report.")})
    return {"executionSuccessful": not verification.partial, "toolExecutionNotifications": told}


def _notifications(verification: Verification) -> Iterator[tuple[str, str]]:
    """Yield what no result tells: what limits all that was seen, the hosts that did not run, and notes on traces."""
    for environment in verification.environments:
        for text in (*untold(environment), *caveats(environment)):
            yield "warning", f"{environment.name}: {text.rstrip('.')}."
        for note, names in notes(environment).items():
            yield "note", f"{environment.name} on {listed(names)}: {note.text.rstrip('.')}."
    for hosts, each in not_run(verification):
        remedy = f" To add it: {each.hint}" if each.hint else ""
        yield "note", f"Not run: {listed(list(hosts))}: {each.reason.rstrip('.')}.{remedy}"


def _message(text: str) -> dict[str, str]:
    """Return a message of plain text, in which nothing is a placeholder (3.11.5) or a link (3.11.6)."""
    return {"text": _LINK.sub(r"\\[", text.replace("{", "{{").replace("}", "}}"))}
