"""What all tests share: bars with their slices, runs that go on where they ended, and skips that nobody expects.

A *bar* is a claim that many cases hold. ``@pytest.mark.bar("7 interrupted", slice=3)`` runs three of a test's cases,
chosen by a seed, and marks the others ``slow``: `tox` and `.ci/run` leave those out, `tox -e full` runs all.
The summary tells of each bar how many of its cases ran.

A slice runs in two parts: what stands beside other tests, two modules at once, and then *alone* what counts or measures
what others on the machine change. Modules that run at once share one store: they add to it, and look at their own part.
"""

import contextlib
import fcntl
import os
import random
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import settings

_HERE = Path(__file__).parent

# Suites of the apps there: they run inside of images.
collect_ignore_glob = ["faults/*/*", "outages/*/*", "integration/kinds/*/*"]

ALONE = ("conformance/test_control_groups.py", "integration/interruption/", "integration/native/")

_EXPECTED = _HERE / "expected_skips.txt"


def pytest_addoption(parser):
    parser.addoption("--resume", metavar="DIR", help="leave out what passed at this commit before; kept in DIR")
    parser.addoption("--part", choices=["together", "alone"], help="run one part of the tests, as `tox -e bars` does")
    parser.addoption("--slice-seed", type=int, default=0, help="chooses the cases of each bar's slice")
    parser.addoption("--faults-seed", type=int, help="draws the variants of faults; 0, but in a full run")


def pytest_configure(config):
    config.addinivalue_line("markers", "bar(name, slice=N): a case of a bar; all but N of a test's cases are slow")
    # Laws are tried on the same examples each time, but for a full run, which looks for new ones.
    settings.register_profile("seeded", derandomize=True, deadline=None)
    settings.register_profile("full", deadline=None)
    settings.load_profile("full" if config.getoption("--resume") else "seeded")
    config.pluginmanager.register(Bars(config.getoption("--slice-seed"), config.getoption("--part")), "bars")
    if config.getoption("--resume"):
        config.pluginmanager.register(Resumed(Path(config.getoption("--resume")) / f"{_commit()}.txt"), "resumed")


class Bars:
    """Chooses the slice of each bar, and counts its cases."""

    def __init__(self, seed, part):
        self.seed, self.part = seed, part
        self.bars = {}
        self.passed = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config, items):
        if self.part:
            left_out = [item for item in items if _is_alone(item) != (self.part == "alone")]
            items[:] = [item for item in items if _is_alone(item) == (self.part == "alone")]
            config.hook.pytest_deselected(items=left_out)
        cases = defaultdict(list)
        for item in items:
            marker = item.get_closest_marker("bar")
            if marker is not None:
                self.bars[item.nodeid] = marker.args[0]
                cases[item.nodeid.partition("[")[0], marker.kwargs.get("slice")].append(item)
        for (name, size), group in cases.items():
            if size is not None and size < len(group):
                chosen = random.Random(f"{self.seed} {name}").sample(range(len(group)), size)
                for index, item in enumerate(group):
                    if index not in chosen:
                        item.add_marker(pytest.mark.slow)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workerinput"):
            session.config.workeroutput["bars"] = self.bars

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        self.bars |= getattr(node, "workeroutput", {}).get("bars", {})

    def pytest_terminal_summary(self, terminalreporter):
        for name in sorted(set(self.bars.values())):
            cases = {nodeid for nodeid, bar in self.bars.items() if bar == name}
            passed = len(cases & self.passed)
            terminalreporter.write_line(f"bar {name}: {passed} of {len(cases)} (seed {self.seed})")


class Resumed:
    """Leaves out the tests that passed at this commit before, and keeps the names of those that pass now."""

    def __init__(self, record):
        self.record = record.absolute()  # a test may go to another folder
        record.parent.mkdir(parents=True, exist_ok=True)
        self.passed = set(record.read_text().splitlines()) if record.exists() else set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        left_out = [item for item in items if item.nodeid in self.passed]
        items[:] = [item for item in items if item.nodeid not in self.passed]
        config.hook.pytest_deselected(items=left_out)
        config.pluginmanager.get_plugin("bars").passed.update(item.nodeid for item in left_out)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            with self.record.open("a") as file:
                file.write(f"{report.nodeid}\n")


def _is_alone(item):
    return item.path.relative_to(_HERE).as_posix().startswith(ALONE)


def pytest_sessionstart(session):
    if hasattr(session.config, "workerinput"):
        _speak(session.config)


def _speak(config):
    """Let a worker of pytest-xdist write on stderr what tests say past the capture, as its stdout leads nowhere.

    Its reporter goes on to write into nothing: what came of the tests is told by the process that started it.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reporter._tw._file = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the worker
    capture = config.pluginmanager.get_plugin("capturemanager")
    capture.stop_global_capturing()
    os.dup2(2, 1)
    capture.start_global_capturing()


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A store that all tests of a session share, whichever worker runs them; SEATRIAL_TEST_STORE names one that stays.

    It is added to only. Who changes a store, or looks what others left in it, makes one of its own.
    """
    kept = os.environ.get("SEATRIAL_TEST_STORE")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield Path(kept)
        return
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "store"
    with _users(folder) as is_last:
        yield folder
        if is_last():
            _remove_trees(folder)


@contextlib.contextmanager
def _users(folder):
    """Count this process among the users of a folder, and tell at the end whether it is the last one."""
    folder.mkdir(exist_ok=True)
    users = os.open(folder.with_suffix(".users"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_SH)

    def is_last():
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    yield is_last
    os.close(users)


def _remove_trees(store):
    """Remove the trees of a store that is thrown away: their files may belong to ids that this user cannot act as."""
    from pipeline.build.unpacked import trees_of  # noqa: PLC0415 - unit tests need no store

    if (store / "trees").is_dir():
        for each in filter(Path.is_dir, (store / "trees").iterdir()):
            trees_of(store).remove(each)


@pytest.fixture(scope="session")
def own_store(tmp_path_factory):
    """A store for tests that look at a whole store."""
    folder = tmp_path_factory.mktemp("own-store")
    yield folder
    _remove_trees(folder)


def _commit():
    """Return what is tested: the commit, and with a change that is not committed, another name each time."""
    command = ["git", "-C", str(_HERE), "describe", "--always", "--abbrev=40", f"--dirty=-changed-{os.getpid()}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def pytest_terminal_summary(terminalreporter):
    for report in _unexpected(terminalreporter):
        terminalreporter.write_line(f"unexpected skip: {report.nodeid}: {_reason(report)}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and session.exitstatus == 0 and _unexpected(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unexpected(reporter):
    if not os.environ.get("SEATRIAL_STRICT_SKIPS"):
        return []
    lines = [line for line in _EXPECTED.read_text().splitlines() if line and not line.startswith("#")]
    is_plain = os.geteuid() != 0
    expected = [line.removeprefix("plain: ") for line in lines if is_plain or not line.startswith("plain: ")]
    skipped = reporter.stats.get("skipped", [])
    return [each for each in skipped if not any(part in _reason(each) for part in expected)]


def _reason(report):
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
