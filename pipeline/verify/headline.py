"""The one sentence that says it: made once here, shown by every report."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.verify.explain import CauseState
from pipeline.verify.verdict import EnvironmentResult, HostResult, State, VerdictWord

_SHOWN = 2


def headline(name: str, verdict: VerdictWord, hosts: Sequence[HostResult]) -> str:
    """Return the sentence for one environment, without a full stop."""
    deciding = [each for each in hosts if each.verdict is verdict]
    match verdict:
        case VerdictWord.FAILED:
            return _failed(name, deciding)
        case VerdictWord.INCONCLUSIVE:
            return f"{name} is inconclusive: {_first_reason(deciding)}"
        case VerdictWord.PASSED:
            return _passed(name, hosts)


def headline_of_all(environments: Sequence[EnvironmentResult], verdict: VerdictWord) -> str:
    """Return the sentence for a whole verification: of the worst environment, the first of them."""
    if not environments:
        return "nothing was verified"
    if verdict is not VerdictWord.PASSED or len(environments) == 1:
        return next(each.headline for each in environments if each.verdict is verdict)
    ran, hosts = _ran(each for environment in environments for each in environment.hosts)
    return f"{len(environments)} environments behave the same on {_of(ran, hosts)}"


def unverified(environments: Sequence[EnvironmentResult], unbegun: Sequence[str]) -> str:
    """Return the sentence for a verification that ended before it came to some environments; all others are well."""
    total = len(environments) + len(unbegun)
    names = f": {' and '.join(unbegun)}" if len(unbegun) <= _SHOWN else ""
    return f"{len(unbegun)} of {total} environments {'was' if len(unbegun) == 1 else 'were'} not verified{names}"


def _failed(name: str, hosts: Sequence[HostResult]) -> str:
    reference = next((each for each in hosts if each.state is State.REFERENCE), None)
    if reference is not None:
        return f"{name} does not pass by itself: {_first_reason([reference])}"
    different = [each for each in hosts if each.state is State.DIFFERENT]
    if not different:
        return f"{name} is flaky, which its spec does not accept"
    causes = list(dict.fromkeys(_where(each) for each in different))
    more = len(causes) - _SHOWN
    where = " and ".join(causes[:_SHOWN]) if more <= 0 else f"{', '.join(causes[:_SHOWN])} and {more} more"
    return f"{name} behaves differently {where}"


def _where(host: HostResult) -> str:
    for finding in host.findings:
        cause = finding.cause
        if cause is not None and cause.state is CauseState.CAUSED and not finding.ignored:
            return f"where {levels_text(cause.factors)}"
    return f"on {host.name}"


def levels_text(factors: Mapping[str, str]) -> str:
    """Return levels as people say them: ``umask is 0077 and user is root``."""
    return " and ".join(f"{name} is {level}" for name, level in sorted(factors.items()))


def _passed(name: str, hosts: Sequence[HostResult]) -> str:
    ran, count = _ran(hosts)
    flaky = {each.difference.id for host in hosts for each in host.findings if each.cause and not each.ignored}
    note = f", {len(flaky)} of its tests {'is' if len(flaky) == 1 else 'are'} flaky" if flaky else ""
    return f"{name} behaves the same on {_of(ran, count)}{note}"


def _ran(hosts: Iterable[HostResult]) -> tuple[int, int]:
    """Return how many different hosts ran, and how many there are."""
    states = [(each.name, each.state is not State.UNAVAILABLE) for each in hosts]
    return len({name for name, has_run in states if has_run}), len({name for name, _ in states})


def _of(ran: int, count: int) -> str:
    if ran < count:
        return f"{ran} of {count} hosts"
    return f"{count} host{'s' * (count != 1)}"


def _first_reason(hosts: Sequence[HostResult]) -> str:
    host = next((each for each in hosts if each.reasons), None)
    if host is None:
        return "nothing was checked"
    return host.reasons[0] if host.state is State.REFERENCE else f"{host.name}: {host.reasons[0]}"
