"""``TellingRunner``: a runner that tells of each run, as it begins and as it ends, and adds up what all took."""

import threading

from pipeline.verify.events import RunFinished, RunStarted, Tell
from pipeline.verify.schedule import Cell, Run, Runner
from pipeline.verify.verdict import Work


class TellingRunner:
    """Satisfies ``Runner``.

    Args:
        runner: makes the runs.
        environment: its name.
        tell: is told of them, from several threads.
    """

    def __init__(self, runner: Runner, environment: str, tell: Tell) -> None:
        self._runner = runner
        self._environment = environment
        self._tell = tell
        self._lock = threading.Lock()
        self._work = Work()

    @property
    def work(self) -> Work:
        """The runs that were made."""
        return self._work

    def run(self, cell: Cell) -> Run:
        """Return what the cell gives."""
        self._tell(RunStarted(environment=self._environment, host=cell.host.name, index=cell.index))
        run = self._runner.run(cell)
        if not run.is_cached:
            with self._lock:
                self._work = self._work.plus(run.observation.duration)
        self._tell(
            RunFinished(
                environment=self._environment,
                host=cell.host.name,
                index=cell.index,
                is_cached=run.is_cached,
                duration=run.observation.duration,
            )
        )
        return run
