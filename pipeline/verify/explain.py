"""``Cause``: the smallest set of factor levels that makes a difference appear, and the runs that show it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from pipeline.verify.alone import leaning_on_others
from pipeline.verify.compare import Difference, Key, Kind
from pipeline.verify.hints import hint
from pipeline.verify.laboratory import Budget, BudgetError, Laboratory, Levels, Pair
from pipeline.verify.narrow import Oracle, UnconfirmedError, narrow
from pipeline.verify.normalization import Normalization
from pipeline.verify.prediction import NOTHING, Foresee, Prediction, Predictions
from pipeline.verify.proven import Proven, Shown
from pipeline.verify.schedule import LostRunError, Runner
from pipeline.verify.statistics import LOOK, Decision, Tally, decide, interval, p_text
from pipeline.verify.suite import Results
from runtime.errors import FactorError


class CauseState(StrEnum):
    """What reruns said of a difference."""

    CAUSED = "CAUSED"
    FLAKY = "FLAKY"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often a behavior other than the reference's was seen.

    Args:
        failed: how often it was seen.
        of: in how many runs.
        low: lower end of the exact 95 % interval of the rate, as decimal text such as ``0.05``.
        high: upper end.
    """

    failed: int
    of: int
    low: str
    high: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What makes a difference appear.

    Args:
        state: CAUSED: the factors below, and nothing smaller. FLAKY: no host is to blame. INCONCLUSIVE: see ``reason``.
        factors: factor name → level, the smallest set; empty unless one was found.
        confirmed: whether reruns showed that the host behaves differently, whatever the cause.
        runs: how many runs the counts below rest on.
        p_value: of the counts below, as decimal text; empty without counts.
        test: name of the statistical test.
        with_: how often the difference was seen under ``factors`` (or, without factors, under the whole host).
        without: how often it was seen on the reference.
        removed: factor → how often the difference was seen with all other ``factors`` but it; none for one alone.
        cleared: names of the host's other factors, shown to be innocent by runs that had them without ``factors``.
        alternatives: other sets of the host's levels that make the same difference appear by themselves.
        file: where the test fails; may be empty.
        line: likewise, from 1; 0 if unknown.
        hint: the likely fix, one or two sentences; may be empty.
        reason: why nothing was found, for INCONCLUSIVE.
        predicted: the factors of the host that a traced run of the reference made likely, the likeliest first → the
            signs that spoke for them. It ordered the search, and is no evidence.
    """

    state: CauseState
    factors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    confirmed: bool = False
    runs: int = 0
    p_value: str = ""
    test: str = "fisher-two-sided"
    with_: Rate | None = None
    without: Rate | None = None
    removed: Mapping[str, Rate] = field(default_factory=lambda: MappingProxyType({}))
    cleared: tuple[str, ...] = ()
    alternatives: tuple[Mapping[str, str], ...] = ()
    file: str = ""
    line: int = 0
    hint: str = ""
    reason: str = ""
    predicted: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What reruns said of the differences of one host.

    Args:
        causes: difference → what makes it appear.
        whole_suite: differences that appear only if the whole suite runs, or other tests that differ too.
        runs: how many runs were asked for.
        cached: how many of them came from the cache.
    """

    causes: Mapping[Difference, Cause]
    whole_suite: frozenset[Difference]
    runs: int
    cached: int


def explain(
    differences: Sequence[Difference],
    pair: Pair,
    *,
    runner: Runner,
    budget: Budget,
    normalization: Normalization,
    seed: int,
    proven: Proven,
    foresee: Foresee = lambda _, __: NOTHING,
) -> Explanation:
    """Rerun a host and the reference, interleaved, until each difference is its own or chance; find the cause.

    Where the suite is pytest's, only the tests that differ are rerun. What does not appear then (a test that relies on
    another) is rerun with the whole suite.

    Args:
        differences: of the first runs.
        pair: the hosts.
        runner: makes the runs.
        budget: of the environment.
        normalization: what is no difference.
        seed: orders the runs.
        proven: causes that other hosts have shown; those that this one shows are added.
        foresee: says where to look first; asked of differences that are searched for a cause.

    Returns:
        A cause for each difference. Lost runs and a spent budget make causes INCONCLUSIVE; they raise nothing.
    """

    def laboratory(pair: Pair, tests: Sequence[str] | None) -> Laboratory:
        return Laboratory(pair=pair, runner=runner, budget=budget, normalization=normalization, seed=seed, tests=tests)

    remaining = list(differences)
    causes: dict[Difference, Cause] = {}
    leaning: Sequence[Difference] = ()
    laboratories = []
    tests = [each.id for each in differences if each.kind is Kind.TEST]
    if tests and pair.seen_reference.report.source is Results.PYTEST:
        few = laboratory(pair, tests)
        laboratories.append(few)
        selected = _appearing(
            few, [each for each in differences if each.kind is Kind.TEST or _is_cut(each, pair)], proven
        )
        causes |= _explained(few, selected, seed, proven=proven, foresee=lambda each: foresee(each, False))  # noqa: FBT003
        remaining = [each for each in differences if each not in causes]
        if len(tests) > 1:
            found = [each for each in selected if each.kind is Kind.TEST and causes[each].state is CauseState.CAUSED]
            caused = {each: causes[each].factors for each in found}
            leaning, asked = leaning_on_others(caused, pair, laboratory, proven)
            laboratories += asked
    if remaining:
        whole = laboratory(pair, None)
        laboratories.append(whole)
        is_suite = len(laboratories) > 1
        causes |= _explained(whole, remaining, seed, proven=proven, foresee=lambda each: foresee(each, is_suite))
    return Explanation(
        causes=causes,
        whole_suite=frozenset([*remaining, *leaning]),
        runs=sum(each.runs for each in laboratories),
        cached=sum(each.cached for each in laboratories),
    )


def _is_cut(difference: Difference, pair: Pair) -> bool:
    """Tell whether a difference is that one side was cut off: the test that was running then is all it takes."""
    return difference.kind is Kind.EXIT and not (pair.seen_reference.exit.is_own and pair.seen_host.exit.is_own)


def _appearing(laboratory: Laboratory, differences: Sequence[Difference], proven: Proven) -> list[Difference]:
    """Return the differences that a selection of tests shows too, and of which its reference is the reference's."""
    everything = frozenset(laboratory.pair.differing)
    known = [each for each in differences if _shown_before(laboratory, (each.kind, each.id), proven)]
    if len(known) == len(differences):
        return known
    try:
        pairs = [laboratory.pair_of_runs(everything, index) for index in (1, 2)]
    except (BudgetError, LostRunError, FactorError):
        return list(differences)  # the tally meets the same, and says so
    return known + [
        each
        for each in differences
        if each not in known
        and any(laboratory.deviates((each.kind, each.id), here) for here, _ in pairs)
        and not all(laboratory.deviates((each.kind, each.id), reference) for _, reference in pairs)
    ]


def _shown_before(laboratory: Laboratory, key: Key, proven: Proven) -> dict[Levels, Shown]:
    return proven.of(key, laboratory.seen_on_host(key), laboratory.pair, whole=laboratory.is_whole)


def _explained(
    laboratory: Laboratory,
    differences: Sequence[Difference],
    seed: int,
    *,
    proven: Proven,
    foresee: Callable[[Difference], Prediction],
) -> dict[Difference, Cause]:
    """Return the cause of each difference.

    What has a proven cause is not confirmed anew. What few reruns show every time is searched for its cause at once: to
    confirm that confirms the difference too. All else, and what has no cause, is rerun until it is the host's or
    chance; what is the host's is then searched.
    """
    keys = {(each.kind, each.id): each for each in differences}
    everything = frozenset(laboratory.pair.differing)
    predictions = Predictions(lambda key: foresee(keys[key]))
    known = {key: Tally() for key in keys if _shown_before(laboratory, key, proven)}
    try:
        new = [key for key in keys if key not in known]
        looks = laboratory.tally(new, everything, LOOK) if len(everything) > 1 else {}
        likely = known | {key: each for key, each in looks.items() if each.is_likely}
        causes, reasons = _isolated(laboratory, likely, seed, proven=proven, predictions=predictions)
        tallies = laboratory.tally([key for key in keys if key not in causes], everything)
    except (LostRunError, FactorError) as error:
        return {each: _inconclusive(error.message) for each in differences}
    confirmed = {key: tally for key, tally in tallies.items() if decide(tally) is Decision.CAUSED}
    causes |= {key: _unconfirmed(tally) for key, tally in tallies.items() if key not in confirmed}
    open_ = {key: confirmed[key] for key in confirmed if key not in reasons}
    later, later_reasons = _isolated(laboratory, open_, seed, proven=proven, predictions=predictions)
    causes |= later
    reasons |= later_reasons
    causes |= {key: _inconclusive(reasons[key], confirmed[key]) for key in confirmed if key not in causes}
    return {
        difference: replace(
            causes[key],
            file=difference.file,
            line=difference.line,
            predicted=predictions.told(key, everything),
        )
        for key, difference in keys.items()
    }


def _isolated(
    laboratory: Laboratory, tallies: Mapping[Key, Tally], seed: int, *, proven: Proven, predictions: Predictions
) -> tuple[dict[Key, Cause], dict[Key, str]]:
    """Return the causes that were found, and for the other behaviors why none was. All share their runs."""
    causes: dict[Key, Cause] = {}
    reasons: dict[Key, str] = {}
    factors = frozenset(laboratory.pair.differing)
    before = {key: known for key in tallies if (known := _shown_before(laboratory, key, proven))}
    oracle = Oracle(laboratory, tallies, seed, before, predictions.weights)
    for key in tallies:
        try:
            found, innocent = narrow(oracle, key, factors)
        except BudgetError:
            reasons[key] = "the budget ended before the cause was found"
        except UnconfirmedError:
            reasons[key] = "reruns of the smallest set of levels that was found did not confirm it"
        except (LostRunError, FactorError) as error:
            reasons[key] = error.message
        else:
            shown = before.get(key, {}).get(found[0]) or _shown(laboratory, key, found[0])
            causes[key] = _cause(laboratory.pair, found, shown, innocent)
            if oracle.exact[key] and key not in before:
                for levels in found:
                    factors_ = {name: laboratory.pair.differing[name] for name in sorted(levels)}
                    proven.add(
                        key,
                        laboratory.seen_on_host(key),
                        factors_,
                        _shown(laboratory, key, levels),
                        whole=laboratory.is_whole,
                    )
    return causes, reasons


def _shown(laboratory: Laboratory, key: Key, levels: Levels) -> Shown:
    """Return how often a behavior was seen under levels and without, and with all but one, as far as that was tried."""
    without = {name: laboratory.known(key, levels - {name}) for name in sorted(levels) if len(levels) > 1}
    removed = {name: tally for name, tally in without.items() if tally.with_of}
    return Shown(tally=laboratory.tally([key], levels)[key], removed=removed)


def _cause(pair: Pair, found: Sequence[Levels], shown: Shown, innocent: Levels) -> Cause:
    factors, *others = ({name: pair.differing[name] for name in sorted(levels)} for levels in found)
    return replace(
        _counted(CauseState.CAUSED, shown.tally),
        factors=factors,
        confirmed=True,
        removed={name: rate(tally.with_failed, tally.with_of) for name, tally in shown.removed.items()},
        cleared=tuple(sorted(innocent)),
        alternatives=tuple(others),
        hint=hint(factors),
    )


def _unconfirmed(tally: Tally) -> Cause:
    match decide(tally):
        case Decision.FLAKY:
            return _counted(CauseState.FLAKY, tally)
        case Decision.CONTINUE:
            reason = f"the budget ended after {tally.with_of} pairs of runs"
        case _:
            reason = f"{tally.with_of} pairs of runs do not tell a cause from chance"
    return replace(_counted(CauseState.INCONCLUSIVE, tally), reason=reason)


def _inconclusive(reason: str, tally: Tally | None = None) -> Cause:
    """Return the cause of a difference whose cause was not found; with a tally the difference itself is confirmed."""
    if tally is None:
        return Cause(state=CauseState.INCONCLUSIVE, reason=reason)
    return replace(_counted(CauseState.INCONCLUSIVE, tally), confirmed=True, reason=reason)


def _counted(state: CauseState, tally: Tally) -> Cause:
    if tally.with_of == 0:
        return Cause(state=state)
    return Cause(
        state=state,
        runs=tally.with_of + tally.without_of,
        p_value=p_text(tally.p_value),
        with_=rate(tally.with_failed, tally.with_of),
        without=rate(tally.without_failed, tally.without_of),
    )


def rate(failed: int, of: int) -> Rate:
    """Return a rate with its exact 95 % interval."""
    low, high = interval(failed, of)
    return Rate(failed=failed, of=of, low=low, high=high)
