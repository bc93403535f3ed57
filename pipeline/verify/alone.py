"""Whether a test shows a difference when it runs by itself: then it is enough for a reproducer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.verify.compare import Difference
from pipeline.verify.laboratory import BudgetError, Laboratory, Pair
from pipeline.verify.proven import Proven
from pipeline.verify.schedule import LostRunError
from runtime.errors import FactorError

_ORDER = "test-order"


def leaning_on_others(
    caused: Mapping[Difference, Mapping[str, str]],
    pair: Pair,
    laboratory: Callable[[Pair, Sequence[str]], Laboratory],
    proven: Proven,
) -> tuple[list[Difference], list[Laboratory]]:
    """Return the differences that a test shows only after others that differ too, and where that was asked.

    A test may fail only after another one, which filled the disk or left its lock: to rerun all that differ does not
    tell. So they run once more, the last one first; what is not seen then is asked by itself. Each time it must not be
    seen on the reference: a test may need another one, whatever the host.

    Args:
        caused: difference of a test → factor → level, its cause, as reruns of these tests and of others have shown.
        pair: the hosts.
        laboratory: makes one that runs some tests.
        proven: what was asked on other hosts; what is asked is added.
    """
    asked: list[Laboratory] = []
    causes = {frozenset(factors.items()): factors for factors in caused.values()}
    for factors in causes.values():
        alike = [each for each in caused if caused[each] == factors]
        new = [each for each in alike if proven.shows_alone((each.kind, each.id), factors) is None]
        backward: Mapping[Difference, bool] = {}
        # In another order the last one need not have been the last.
        if new and len(alike) > 1 and pair.reference.factors.get(_ORDER, "as-written") == "as-written":
            backward = _ask(laboratory(_backward(pair), [each.id for each in alike]), new, factors, asked)
        for each in new:
            shows = backward.get(each) or _ask(laboratory(pair, [each.id]), [each], factors, asked).get(each)
            if shows is not None:
                proven.keep_alone((each.kind, each.id), factors, shows=shows)
    return [each for each in caused if proven.shows_alone((each.kind, each.id), caused[each]) is False], asked


def _backward(pair: Pair) -> Pair:
    """Return the hosts with the last test first."""
    return replace(pair, reference=replace(pair.reference, factors={**pair.reference.factors, _ORDER: "reverse"}))


def _ask(
    laboratory: Laboratory, differences: Iterable[Difference], factors: Mapping[str, str], asked: list[Laboratory]
) -> dict[Difference, bool]:
    """Return whether each difference is seen in one run under ``factors`` and not without them; none if none can tell.

    A test that needs another one before it fails by itself on any host.
    """
    asked.append(laboratory)
    try:
        with_, without = laboratory.pair_of_runs(frozenset(factors), 1)
    except (BudgetError, LostRunError, FactorError):
        return {}
    keys = {each: (each.kind, each.id) for each in differences}
    return {
        each: laboratory.deviates(key, with_) and not laboratory.deviates(key, without) for each, key in keys.items()
    }
