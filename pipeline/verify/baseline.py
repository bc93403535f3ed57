"""``Baseline``: what the reference shows: one run at first, and as many as it takes once anything differs from it.

A host that behaves as the first run did confirms it as another run would. So where nothing differs, the reference costs
one run; where something does, more runs tell what is stable, before any host is blamed. Of what fails on the reference,
hosts are witnesses likewise.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from pipeline.verify.compare import Difference, compare
from pipeline.verify.normalization import Normalization
from pipeline.verify.observe import Observation
from pipeline.verify.reference import Witness, further_runs, is_failing, learn, typical

_PLAIN = Normalization()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the reference.

    Args:
        runs: what was seen, in order; none before the first run ended.
        normalization: what varies between them, and what is known to vary from earlier.
        carried: that which is known from earlier; None where nothing is.
    """

    runs: tuple[Observation, ...] = ()
    normalization: Normalization = field(default_factory=Normalization)
    carried: Normalization | None = None

    @property
    def digested(self) -> Normalization:
        """Under which behavior is digested: what was carried here, and nothing that was learned since."""
        return self.normalization if self.carried is None else self.carried

    @property
    def usual(self) -> Observation:
        """What the reference usually shows."""
        return typical(self.runs, self.normalization)


class Baseline:
    """The runs of a reference, made as they are needed. Threads may ask.

    Args:
        run: makes run ``index``, from 0; what it raises, every asker gets.
        carried: what is known to vary from earlier.
    """

    def __init__(self, run: Callable[[int], Observation], carried: Normalization | None = None) -> None:
        self._run = run
        self._carried = carried
        self._plain = carried or _PLAIN
        self._first: Future[Observation] = Future()
        self._lock = threading.Lock()
        self._is_settled = False
        self._known = self._of(())

    @property
    def known(self) -> Known:
        """What is known by now."""
        return self._known

    def begin(self) -> Observation:
        """Make the first run, and return what it shows."""
        try:
            first = self._run(0)
        except BaseException as error:
            self._first.set_exception(error)
            raise
        self._known = self._of((first,))
        self._first.set_result(first)
        return first

    def first(self) -> Observation:
        """Wait for the first run, and return what it shows."""
        return self._first.result()

    def repeat(self) -> None:
        """Make the second run, which a reference that fails needs in any case."""
        first = self.first()
        with self._lock:
            if len(self._known.runs) == 1:
                self._known = self._of((first, self._run(1)))

    def settle(self, witnesses: Sequence[Witness] = ()) -> Known:
        """Run the reference until it is known what is stable there; whoever comes second waits for it.

        Args:
            witnesses: what hosts show; without any, what fails is run once more.
        """
        self.first()
        with self._lock:
            if not self._is_settled:
                runs = further_runs(self._known.runs, self._run, witnesses)
                self._known = self._of(runs, learn(runs))
                self._is_settled = True
            return self._known

    def differences(self, seen: Observation) -> tuple[Difference, ...]:
        """Return what a run of a host shows that the reference does not: nothing, if a first run that passes was alike.

        A first run that fails may have failed by chance, and then hides that a host fails every time.
        """
        if not self.is_failing and not compare(self.first(), seen, self._plain):
            return ()
        known = self.settle()
        return compare(known.usual, seen, known.normalization)

    @property
    def is_failing(self) -> bool:
        """Whether the first run shows any failure: more runs then tell whether it does so every time."""
        return is_failing(self.first())

    def _of(self, runs: tuple[Observation, ...], learned: Normalization = _PLAIN) -> Known:
        return Known(runs=runs, normalization=self._plain.joined(learned), carried=self._carried)
