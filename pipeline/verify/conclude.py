"""Put the results of hosts together to that of an environment, and those of environments to a verification."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.verify.baseline import Known
from pipeline.verify.headline import headline, headline_of_all, unverified
from pipeline.verify.inquiry import Inquiry
from pipeline.verify.judge import test_counts, worst
from pipeline.verify.rules import ignore_uses
from pipeline.verify.verdict import (
    EnvironmentResult,
    HostResult,
    State,
    Unavailable,
    VerdictWord,
    Verification,
    Work,
)


def conclude_environment(
    inquiry: Inquiry,
    known: Known,
    reference: HostResult,
    hosts: Sequence[HostResult],
    *,
    duration: int,
    work: Work,
) -> EnvironmentResult:
    """Return the result of an environment: the worst of its hosts'. Nothing checked is never PASSED.

    Args:
        inquiry: what was asked.
        known: what is known of the reference.
        reference: as judged.
        hosts: likewise, in the order of the report.
        duration: milliseconds from the first run to the verdict.
        work: the runs that it took.
    """
    everything = (reference, *hosts)
    verdict = worst([each.verdict for each in everything])
    is_compared = inquiry.alone or any(each.state is not State.UNAVAILABLE for each in hosts)
    if verdict is VerdictWord.PASSED and not is_compared:
        verdict = VerdictWord.INCONCLUSIVE
        reason = "no host beside the reference could be tried" if hosts else "there is no host beside the reference"
        everything = (replace(reference, verdict=verdict, reasons=(reason, *reference.reasons)), *hosts)
    return EnvironmentResult(
        name=inquiry.name,
        spec=inquiry.spec,
        lock=inquiry.lock,
        image=inquiry.image,
        suite=inquiry.suite.digest,
        normalization=known.digested.digest if known.runs else None,
        unstable=tuple(sorted(known.normalization.unstable)),
        verdict=verdict,
        headline=headline(inquiry.name, verdict, everything),
        behavior=reference.behavior,
        tests=test_counts(known.runs[0].report) if known.runs else {},
        hosts=everything,
        reasons=_reasons(everything),
        hint=next((each.hint for each in everything if each.hint and each.verdict is verdict), ""),
        ignores=ignore_uses(inquiry.rules, everything),
        duration=duration,
        hermetic=inquiry.hermetic,
        work=work,
        inquiry=inquiry,
        normalized=known.digested if known.runs else None,
    )


def conclude(
    environments: Sequence[EnvironmentResult],
    *,
    duration: int,
    seed: int,
    partial: bool = False,
    unbegun: Sequence[str] = (),
) -> Verification:
    """Return the whole verification: the worst verdict, its sentence, and every host that could not run, once.

    Args:
        environments: what is known.
        duration: milliseconds.
        seed: plans the same runs again.
        partial: whether it was interrupted.
        unbegun: names of environments of which nothing is known: without them nothing has PASSED.
    """
    ended = worst([each.verdict for each in environments])
    verdict = worst([ended, VerdictWord.INCONCLUSIVE]) if unbegun else ended
    hosts = (host for environment in environments for host in environment.hosts)
    lacking = {
        host.name: Unavailable(host=host.name, reason=" ".join(host.reasons), hint=host.hint)
        for host in hosts
        if host.state is State.UNAVAILABLE
    }
    return Verification(
        verdict=verdict,
        headline=headline_of_all(environments, ended) if verdict is ended else unverified(environments, unbegun),
        environments=tuple(environments),
        unavailable=tuple(lacking[name] for name in sorted(lacking)),
        duration=duration,
        seed=seed,
        partial=partial,
    )


def _reasons(hosts: Sequence[HostResult]) -> tuple[str, ...]:
    """Return the reasons of all hosts whose verdict is not PASSED, the worst first."""
    return tuple(
        f"{host.name}: {reason}"
        for verdict in (VerdictWord.FAILED, VerdictWord.INCONCLUSIVE)
        for host in hosts
        if host.verdict is verdict
        for reason in host.reasons
    )
