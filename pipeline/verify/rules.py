"""What a spec says of verdicts: which differences it accepts, and what an unstable test means."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from pipeline.verify.verdict import HostResult, IgnoreUse, VerdictWord
from pipeline.verify.wording import tests


class Flaky(StrEnum):
    """What an unstable test means for the verdict."""

    REPORT = "report"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """An accepted difference.

    Args:
        test: pattern of ids: ``*`` and ``?`` only, since ids have brackets of their own.
        host: pattern of host names; ``reference`` accepts a test that fails there.
        reason: why.
    """

    test: str
    host: str
    reason: str

    def accepts(self, name: str, host: str) -> bool:
        """Tell whether the rule accepts a behavior called ``name`` on ``host``."""
        return fnmatchcase(name, self.test.replace("[", "[[]")) and fnmatchcase(host, self.host.replace("[", "[[]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the spec says of verdicts."""

    flaky: Flaky = Flaky.REPORT
    ignore: tuple[Ignore, ...] = ()

    def reason(self, name: str, host: str) -> str:
        """Return the reason for which a behavior is accepted on a host; empty if it is not."""
        return next((each.reason for each in self.ignore if each.accepts(name, host)), "")


def ignore_uses(rules: Rules, hosts: Sequence[HostResult]) -> tuple[IgnoreUse, ...]:
    """Return every rule with how many differences it accepted; the first that accepts one is the one that counts."""
    uses = dict.fromkeys(range(len(rules.ignore)), 0)
    for host in hosts:
        for finding in host.findings:
            name = finding.difference.id
            accepting = next((i for i, each in enumerate(rules.ignore) if each.accepts(name, host.name)), None)
            if finding.ignored and accepting is not None:
                uses[accepting] += 1
    return tuple(
        IgnoreUse(test=each.test, host=each.host, reason=each.reason, used=uses[index])
        for index, each in enumerate(rules.ignore)
    )


def judge_unstable(rules: Rules, flaky: int) -> tuple[VerdictWord, tuple[str, ...]]:
    """Return what some unstable tests mean for the verdict, and the sentence that says so."""
    if flaky == 0:
        return VerdictWord.PASSED, ()
    sentence = f"{tests(flaky)} {'is' if flaky == 1 else 'are'} flaky"
    return (VerdictWord.FAILED if rules.flaky is Flaky.FAIL else VerdictWord.PASSED), (sentence,)
