"""The report for a job summary or a comment: verdict first, causes next, evidence last, at most 60 kB."""

from collections.abc import Sequence

from pipeline.report.groups import Group, Reading, groups, key_of, rates
from pipeline.report.sentences import happens, levels, removals, times, title, transition, trial
from pipeline.report.summary import Counts, caveats, counts, not_run, outcomes, untold
from pipeline.report.text import count, listed, seconds, visible
from pipeline.verify.compare import Kind
from pipeline.verify.explain import CauseState
from pipeline.verify.verdict import EnvironmentResult, HostResult, State, VerdictWord, Verification

BUDGET = 60_000
"""Bytes: a comment on GitHub holds 65,536 characters, and a summary over its limit is dropped whole."""

IN_FULL = 10
"""So many causes are told in full; the others get a row each."""

MARK = {VerdictWord.PASSED: "✅", VerdictWord.FAILED: "❌", VerdictWord.INCONCLUSIVE: "❔"}

_MESSAGE = 1500
_NAMES = 50
_ENTITIES = {each: f"&#{ord(each)};" for each in "&<>`*[]|~@#\\"}


def render(verification: Verification) -> str:
    """Return the report, ending in a line feed; what does not fit is counted, never dropped in silence."""
    every = [(environment, group) for environment in verification.environments for group in groups(environment)]
    loud = [(where, group) for where, group in every if group.reading in {Reading.DIFFERENT, Reading.UNDECIDED}]
    flaky = [(where, group) for where, group in every if group.reading is Reading.FLAKY]
    tail = [*_flaky(flaky), *_inconclusive(verification), *_accepted(verification), *_not_run(verification)]
    parts = [_head(verification), _table(verification)]
    parts += [_cause(environment, group) for environment, group in loud[:IN_FULL]]
    if loud[IN_FULL:]:
        parts.append(_rows(loud[IN_FULL:]))
    return _fit([*parts, *tail, *_digests(verification)])


def _head(verification: Verification) -> str:
    tests = sum(sum(each.tests.values()) for each in verification.environments)
    hosts = max((counts(each).ran for each in verification.environments), default=0)
    good = sum(each.verdict is VerdictWord.PASSED for each in verification.environments)
    total = len(verification.environments)
    title = f"### {MARK[verification.verdict]} {verification.verdict}: {_plain(verification.headline)}"
    line = f"{good} of {count(total, 'image')} may move on. "
    line += f"{count(tests, 'test')} on {count(hosts, 'host')} in {seconds(verification.duration)}."
    partial = "\n\n**Interrupted**: what is missing did not run." if verification.partial else ""
    return f"{title}\n\n{line}{partial}"


def _table(verification: Verification) -> str:
    rows = ["| | image | tests | hosts | different | flaky | not run |", "|---|---|--:|--:|--:|--:|--:|"]
    for each in verification.environments:
        found = counts(each)
        rows.append(
            f"| {MARK[each.verdict]} **{_plain(each.name)}** | `{each.image.short}` | {found.tests} | {found.ran} "
            f"| {_loud(found)} | {found.flaky} | {found.not_run} |"
        )
    return "\n".join(rows)


def _loud(found: Counts) -> str:
    different = f"**{found.different}**" if found.different else "0"
    return different + (f" (+{found.undecided} undecided)" if found.undecided else "")


def _cause(environment: EnvironmentResult, group: Group) -> str:
    finding = group.findings[0]
    cause = finding.cause
    caused = cause is not None and cause.state is CauseState.CAUSED
    heading = f"caused by {_code(levels(cause.factors))}" if cause and caused else "cause not found"
    if not any(host.state is not State.REFERENCE for host in group.hosts):
        heading = "on the reference itself"
    lines = [f"#### {_plain(environment.name)}: {heading}", "", _sentence(group)]
    for said in filter(None, (trial(finding), removals(finding))):
        lines[-1] += f" {_plain(said[0].upper() + said[1:])}."
    if cause and not caused and cause.reason:
        lines[-1] += f" The cause was not found: {_plain(cause.reason.rstrip('.'))}."
    if finding.difference.message:
        lines += ["", _fence(visible(finding.difference.message.strip(), lines=True), _language(group))]
    if finding.reproduce:
        lines += ["", "Reproduce it on any machine:", "", _fence(visible(finding.reproduce), "sh")]
    if cause and cause.hint:
        lines += ["", f"Likely fix: {_plain(cause.hint)}"]
    return "\n".join(lines + _same_way(group))


def _sentence(group: Group) -> str:
    difference = group.findings[0].difference
    return f"{_code(title(difference))} {_plain(transition(difference, group.hosts))}."


def _language(group: Group) -> str:
    """Return the language of a message: what changed in a text is colored as such."""
    return "diff" if group.findings[0].difference.kind in {Kind.ARTIFACT, Kind.OUTPUT} else "text"


def _same_way(group: Group) -> list[str]:
    rest = group.findings[1:]
    if not rest:
        return []
    lines = ["", f"<details><summary>{count(len(rest), 'other')} in the same way</summary>", ""]
    lines += [f"* {_code(title(each.difference))}" for each in rest[:_NAMES]]
    lines += [f"* and {count(len(rest) - _NAMES, 'other')} in the report"] * (len(rest) > _NAMES)
    return [*lines, "", "</details>"]


def _rows(loud: Sequence[tuple[EnvironmentResult, Group]]) -> str:
    rows = [f"#### {count(len(loud), 'further cause')}", "", "| | test | hosts | cause |", "|---|---|---|---|"]
    for environment, group in loud[:_NAMES]:
        cause = group.findings[0].cause
        more = f" and {len(group.findings) - 1} more" if len(group.findings) > 1 else ""
        hosts = _plain(listed([host.name for host in group.hosts]))
        why = _code(levels(cause.factors)) if cause and cause.factors else "not found"
        name = _code(title(group.findings[0].difference))
        rows.append(f"| {_plain(environment.name)} | {name}{more} | {hosts} | {why} |")
    rows += ["", f"and {count(len(loud) - _NAMES, 'cause')} more in the report."] * (len(loud) > _NAMES)
    return "\n".join(rows)


def _flaky(flaky: Sequence[tuple[EnvironmentResult, Group]]) -> list[str]:
    lines: list[str] = []
    for _, group in flaky:
        seen_on = rates(group)
        for finding in group.findings:
            found = seen_on[key_of(finding)]
            seen = listed([f"{times(rate)} times on **{_plain(name)}**" for name, rate in found])
            where = _plain(listed([host.name for host in group.hosts]))
            said = f"{happens(finding.difference)} {seen}" if seen else f"differs now and then on **{where}**"
            lines.append(f"{_code(title(finding.difference))} {said}.")
    heading = f"⚠️ {count(len(lines), 'flaky test')}: no host is to blame"
    return [_details(heading, "\n\n".join(lines))] if lines else []


def _inconclusive(verification: Verification) -> list[str]:
    """Return what explains a verdict and is no difference: a level not in effect, a run lost, nothing that ran."""
    lines = []
    for environment in verification.environments:
        reasons = [("", reason) for reason in untold(environment)]
        reasons += [(host.name, reason) for host in environment.hosts for reason in _reasons(host)]
        for host, reason in reasons:
            on = f" on **{_plain(host)}**" if host else ""
            lines.append(f"* {_plain(environment.name)}{on}: {_plain(reason)}")
        lines += [f"* {_plain(environment.name)}: {_plain(each)}" for each in caveats(environment)]
    return ["\n".join(lines)] if lines else []


def _reasons(host: HostResult) -> tuple[str, ...]:
    notes = tuple(f"{each.kind}: {each.text}" for each in host.notes)
    return (*host.reasons, *((host.hint,) if host.hint else ()), *notes) if host.state is not State.UNAVAILABLE else ()


def _accepted(verification: Verification) -> list[str]:
    rules = [(each, rule) for each in verification.environments for rule in each.ignores]
    if not rules:
        return []
    rows = ["| | test | host | reason | used |", "|---|---|---|---|--:|"]
    rows += [
        f"| {_plain(each.name)} | {_code(rule.test)} | {_plain(rule.host)} | {_plain(rule.reason)} | {rule.used} |"
        for each, rule in rules
    ]
    return [_details(count(len(rules), "rule") + " that accept differences", "\n".join(rows))]


def _not_run(verification: Verification) -> list[str]:
    number = len(verification.unavailable)
    if not number:
        return []
    rows = ["| host | why | to add it |", "|---|---|---|"]
    for hosts, each in not_run(verification):
        hint = _code(each.hint) if each.hint else ""
        rows.append(f"| {_plain(', '.join(hosts))} | {_plain(each.reason)} | {hint} |")
    return [_details(f"{count(number, 'host')} {'was' if number == 1 else 'were'} not run", "\n".join(rows))]


def _digests(verification: Verification) -> list[str]:
    rows = ["| | image | suite | behavior on the reference | outcomes there |", "|---|---|---|---|---|"]
    for each in verification.environments:
        behavior = f"`{each.behavior}`" if each.behavior else "none"
        rows.append(f"| {_plain(each.name)} | `{each.image}` | `{each.suite}` | {behavior} | {outcomes(each.tests)} |")
    return [_details("Digests, to verify by hand", "\n".join(rows))] if verification.environments else []


def _fit(parts: list[str]) -> str:
    """Return as many parts as the budget holds, and say how many are left out."""
    kept, size = [], 0
    for index, part in enumerate(parts):
        size += len(part.encode()) + 2
        if size > BUDGET - 200:
            kept.append(f"{count(len(parts) - index, 'section')} more in the report, `.seatrial/report.json`.")
            break
        kept.append(part)
    return "\n\n".join(kept) + "\n"


def _details(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _fence(text: str, language: str) -> str:
    cut = (
        text
        if len(text) <= _MESSAGE
        else f"{text[:_MESSAGE]}\n… and {len(text) - _MESSAGE} more characters in the report"
    )
    ticks = "```"
    while ticks in cut:
        ticks += "`"
    return f"{ticks}{language}\n{cut}\n{ticks}"


def _code(text: str) -> str:
    """Return text as a code span that holds backticks and pipes, in a table too."""
    shown = visible(text).replace("|", "\\|") if "|" in text else visible(text)
    ticks = "`"
    while ticks in shown:
        ticks += "`"
    blank = " " if len(ticks) > 1 else ""
    return f"{ticks}{blank}{shown}{blank}{ticks}"


def _plain(text: str) -> str:
    """Return a sentence in which nothing is markup, in a table too: no HTML, no link, no mention, no emphasis."""
    return "".join(_ENTITIES.get(each, each) for each in visible(text))
