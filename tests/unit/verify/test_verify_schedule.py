import threading
from dataclasses import dataclass, field

import pytest
from simulated_app import PLAN, REFERENCE, SUITE

from pipeline.verify.schedule import BackendRunner, Cell, LostRunError, ResultCache, StoppedError
from runtime.digest import Digest
from runtime.errors import BackendError
from runtime.host import Host
from runtime.outcome import Evidence, Limit, Outcome, Stream

EMPTY = Stream(content=b"", size=0, digest=Digest.of(b""))
RESULTS = b"""{"event":"start","format":1,"pid":1}
{"event":"collected","ids":["a"]}
{"event":"test","n":0,"phase":"call","outcome":"passed"}
{"event":"finish","exit":0,"pid":1}
"""


@dataclass
class SimulatedBackend:
    """A backend whose runs end at once with one outcome."""

    outcome: Outcome
    error: BackendError | None = None
    started: int = 0
    under_way: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    name: str = "simulated"

    def available(self):
        return None

    def check(self, plan):  # noqa: ARG002 - the protocol's
        return {}

    def start(self, plan):  # noqa: ARG002 - the protocol's
        with self.lock:
            self.started += 1
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        return self

    def wait(self):
        if self.error:
            raise self.error
        return self.outcome

    def signal(self, number):
        pass

    def close(self):
        with self.lock:
            self.under_way -= 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def outcome(**values):
    return Outcome(**{"exit_code": 0, "stdout": EMPTY, "stderr": EMPTY, "results": RESULTS, **values})


def runner(backend, directory, *, fresh=False, ambient="6.1", stop=None, jobs=2):
    return BackendRunner(
        backend=backend,
        suite=SUITE,
        cache=ResultCache(directory, is_fresh=fresh),
        ambient=lambda _: {"kernel": ambient},
        jobs=threading.Semaphore(jobs),
        stop=stop or threading.Event(),
    )


CELL = Cell(plan=PLAN, host=REFERENCE)


def test_runner_asked_again_runs_nothing_and_gives_the_same(tmp_path):
    backend = SimulatedBackend(outcome())
    first = runner(backend, tmp_path).run(CELL)
    again = runner(backend, tmp_path).run(CELL)
    assert (first.is_cached, again.is_cached, backend.started) == (False, True, 1)
    assert again.observation == first.observation
    assert first.observation.report.having("passed") == ("a",)


@pytest.mark.parametrize(
    "change",
    [{"fresh": True}, {"ambient": "6.2"}],
    ids=["fresh", "another kernel"],
)
def test_runner_asked_otherwise_runs_again(tmp_path, change):
    backend = SimulatedBackend(outcome())
    runner(backend, tmp_path).run(CELL)
    assert not runner(backend, tmp_path, **change).run(CELL).is_cached


@pytest.mark.parametrize(
    "cell",
    [
        Cell(plan=PLAN, host=REFERENCE, index=1),
        Cell(plan=PLAN, host=REFERENCE, series="x"),
        Cell(plan=PLAN, host=Host(name="x", factors={"umask": "0077"})),
    ],
    ids=["rerun", "series", "host"],
)
def test_cell_that_differs_has_another_key(cell):
    assert cell.key(SUITE.digest, Digest.of(b"")) != CELL.key(SUITE.digest, Digest.of(b""))


def test_cell_of_a_renamed_host_has_the_same_key():
    renamed = Cell(plan=PLAN, host=Host(name="other", factors={}))
    assert renamed.key(SUITE.digest, Digest.of(b"")) == CELL.key(SUITE.digest, Digest.of(b""))


@pytest.mark.parametrize(
    "values",
    [
        {"exit_code": None, "limit": Limit.DEADLINE},
        {"evidence": {"umask": Evidence(found="0022", holds=False)}},
    ],
    ids=["deadline", "level without effect"],
)
def test_runner_keeps_no_run_that_another_may_not_repeat(tmp_path, values):
    backend = SimulatedBackend(outcome(**values))
    for _ in range(2):
        assert not runner(backend, tmp_path).run(CELL).is_cached


def test_runner_with_a_damaged_result_runs_again(tmp_path):
    backend = SimulatedBackend(outcome())
    runner(backend, tmp_path).run(CELL)
    (kept,) = tmp_path.glob("*/*.json")
    kept.write_bytes(kept.read_bytes()[:-9])
    assert not runner(backend, tmp_path).run(CELL).is_cached
    assert runner(backend, tmp_path).run(CELL).is_cached


def test_runner_with_a_lost_run_says_which_and_keeps_nothing(tmp_path):
    backend = SimulatedBackend(outcome(), error=BackendError("the warm process died"))
    with pytest.raises(LostRunError, match="reference was lost: the warm process died"):
        runner(backend, tmp_path).run(CELL)
    assert not list(tmp_path.iterdir())


def test_runner_that_was_stopped_starts_nothing(tmp_path):
    stop = threading.Event()
    stop.set()
    backend = SimulatedBackend(outcome())
    with pytest.raises(StoppedError):
        runner(backend, tmp_path, stop=stop).run(CELL)
    assert backend.started == 0


def test_runner_makes_no_more_runs_at_once_than_jobs(tmp_path):
    backend = SimulatedBackend(outcome())
    many = runner(backend, tmp_path, jobs=2)
    threads = [threading.Thread(target=many.run, args=(Cell(plan=PLAN, host=REFERENCE, index=n),)) for n in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert backend.started == 12
    assert backend.most <= 2
