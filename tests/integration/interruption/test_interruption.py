"""However `verify` is ended, and whenever: nothing of it is left, the store is whole, and the next run is right."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.build.lock import read_lock

SIGNALS = {"sigint": signal.SIGINT, "sigkill": signal.SIGKILL, "sigterm": signal.SIGTERM, "twice": signal.SIGINT}
# Where a second Ctrl-C meets the interpreter's own end, it is the signal itself that ends it: 130 to a shell as well.
# And where a first one comes when the verdict is out, that stands: 0.
CODES = {"sigint": {130, 0}, "sigkill": {-9}, "sigterm": {143, 0}, "twice": {130, -2, 0}}
MOMENTS = {"sigint": range(5), "sigkill": range(5), "sigterm": range(1), "twice": range(1)}


CASES = [(how, index) for how, numbers in MOMENTS.items() for index in numbers]


@pytest.fixture
def seed(request):
    return request.config.getoption("--slice-seed")


@pytest.mark.network
@pytest.mark.bar("7 interruption", slice=1)
@pytest.mark.parametrize("berth", ["skiff"], indirect=True)
@pytest.mark.parametrize(("how", "index"), CASES)
def test_verify_interrupted_while_it_locks_leaves_nothing(how, index, voyage):
    voyage("lock", how, index)


@pytest.mark.network
@pytest.mark.bar("7 interruption", slice=1)
@pytest.mark.parametrize("berth", ["skiff"], indirect=True)
@pytest.mark.parametrize(("how", "index"), CASES)
def test_verify_interrupted_while_it_builds_on_a_known_base_leaves_nothing(how, index, voyage):
    voyage("layers", how, index)


@pytest.mark.network
@pytest.mark.bar("7 interruption", slice=1)
@pytest.mark.parametrize("berth", ["skiff"], indirect=True)
@pytest.mark.parametrize(("how", "index"), CASES)
def test_verify_interrupted_while_it_runs_leaves_nothing(how, index, voyage):
    voyage("run", how, index)


@pytest.mark.network
@pytest.mark.bar("7 interruption", slice=0)
@pytest.mark.parametrize("berth", ["harbour"], indirect=True)
@pytest.mark.parametrize("phase", ["lock", "build", "layers", "run"])
@pytest.mark.parametrize(("how", "index"), CASES)
def test_verify_of_a_python_application_interrupted_anywhere_leaves_nothing(phase, how, index, voyage):
    voyage(phase, how, index)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("berth", ["skiff"], indirect=True)
def test_verify_beside_others_in_one_store_is_right_though_some_are_killed(berth, sea, orphans, seed):
    store = berth.new_store("store-shared", base=False)
    spec = berth.new_spec("shared")
    begin, choice = time.monotonic(), random.Random(seed)
    together = [sea.Verify(spec, store) for _ in range(2)]
    total = sum(berth.seconds.values())
    while any(each.process.poll() is None for each in together) and time.monotonic() < begin + 20 * total:
        killed = sea.Verify(berth.new_spec(f"killed-{time.monotonic_ns()}"), store)
        killed.sleep(choice.random() * total)
        killed.send(signal.SIGKILL)
        killed.finish()
    for each in together:
        assert each.finish() == 0, each.errors
        assert sea.facts(each.document) == berth.wanted
    sea.check_store(store)
    last = sea.Verify(spec, store, "--fresh")
    assert last.finish() == 0, last.errors
    assert sea.facts(last.document) == berth.wanted
    assert sea.wait_until(lambda: not orphans(), 10), sea.named(orphans())
    assert sea.unfinished(store, spec) == []


def test_signal_in_a_source_text_under_exec_gives_the_exit_code(tmp_path, sea):
    (tmp_path / "told.py").write_text(f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pipeline.cli import stopping
stopping.install()
try:
    exec("os.kill(os.getpid(), 2)")
except KeyboardInterrupt as stop:
    sys.exit(stopping.exit_code(stop))
""")
    assert subprocess.run([sys.executable, "-m", "told"], cwd=tmp_path, check=False).returncode == 130


def test_interrupt_where_python_drops_exceptions_is_raised_once_more(tmp_path):
    (tmp_path / "finalizer.py").write_text(f"""
import os, sys, time
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pipeline.cli import stopping
stopping.install()

class Gone:
    def __del__(self):
        os.kill(os.getpid(), 2)

try:
    Gone()
    time.sleep(10)
except KeyboardInterrupt as stop:
    sys.exit(stopping.exit_code(stop))
""")
    done = subprocess.run([sys.executable, "-m", "finalizer"], cwd=tmp_path, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (130, b"")


def test_interrupt_that_python_dropped_as_the_result_came_out_ends_nothing(tmp_path):
    (tmp_path / "settled.py").write_text(f"""
import os, sys, time
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pipeline.cli import stopping
stopping.install()

class Gone:
    def __del__(self):
        os.kill(os.getpid(), 2)

Gone()
stopping.settle()
time.sleep(0.1)
""")
    done = subprocess.run([sys.executable, "-m", "settled"], cwd=tmp_path, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.fixture
def voyage(berth, sea, orphans, seed, capsys):
    """Interrupt a `verify` in one phase, look what is left, and verify again."""

    def sail(phase, how, index):
        # One random moment in each fifth of the phase: five of them meet all of it.
        choice = random.Random(f"{seed} {berth.name} {phase} {how} {index}")
        moment = (index + choice.random()) / len(MOMENTS[how]) * seconds(phase, berth, sea)
        dead = set(sea.groups_of_the_dead())
        run, spec, store, moment = under_way(phase, f"{phase}-{how}-{index}", moment, berth, sea)
        said = f"seed {seed}: {berth.name} {phase} {how} at {round(moment * 1000)} ms"

        below = sea.descendants(run.process.pid)
        run.send(SIGNALS[how], group=how in {"sigint", "twice"} and index % 2 == 0)
        sent = time.monotonic()
        if how == "twice":
            run.sleep(choice.random())
            run.send(signal.SIGINT, group=True)
        code = run.finish()
        took = run.ended - sent

        is_soft = how in {"sigint", "sigterm"}
        assert code in CODES[how], f"{said}: {run.errors}"
        assert sea.wait_until(lambda: not orphans(), 1 if is_soft else 10), f"{said}: {sea.named(orphans())}"
        mine = tuple(f"seatrial-{pid}-" for pid in below)
        left = [each for each in sea.groups_of_the_dead() if each.rpartition("/")[2].startswith(mine)]
        assert not (is_soft and mine and left), said
        half_done = sea.unfinished(store, spec)
        assert not (is_soft and half_done), said
        if code == 0:
            assert took < 1, f"{said}: the signal was lost: {run.errors}"
            assert sea.facts(run.document) == berth.wanted, said
        elif is_soft:
            check_report(run, spec, said)
        check_lock(spec)

        again = sea.Verify(spec, store, "--fresh")
        assert again.finish() == 0, f"{said}: {again.errors}"
        assert sea.facts(again.document) == berth.wanted, said
        assert sea.wait_until(lambda: not orphans(), 1), said
        assert sea.wait_until(lambda: not set(sea.groups_of_the_dead()) - dead, 5), said
        assert str(store) not in Path("/proc/self/mountinfo").read_text(), said
        assert sea.unfinished(store, spec) == [], said
        sea.check_store(store)
        with capsys.disabled():
            print(f"\n{said}: exit {code} after {took:.2f} s, {len(below)} processes then, {len(half_done)} unfinished")
        if store != berth.store:
            berth.remove(store)

    return sail


def under_way(phase, name, moment, berth, sea):
    """Return a `verify` that is in a phase since ``moment`` seconds, its spec, its store, and the moment.

    The machine may be faster now than when the phase was measured: then an earlier moment is taken.
    """
    while True:
        name += "-"
        spec = berth.new_spec(name, locked=phase != "lock")
        store = berth.store
        if phase in {"build", "layers"}:
            store = berth.new_store(f"store-{name}", base=phase == "layers")
        run = sea.Verify(spec, store, *(("--fresh",) if phase == "run" else ()))
        if phase == "run":
            run.when("build")
        run.sleep(moment)
        if run.process.poll() is None:
            return run, spec, store, moment
        assert run.finish() == 0, run.errors
        if store != berth.store:
            berth.remove(store)
        moment /= 2


def seconds(phase, berth, sea):
    """Return how long a phase takes without a disturbance, where all packages are here."""
    if phase not in berth.seconds:
        spec = berth.new_spec(phase, locked=phase != "lock")
        store = berth.new_store("store-layers", base=True) if phase == "layers" else berth.store
        run = sea.Verify(spec, store)
        assert run.finish() == 0, run.errors
        assert sea.facts(run.document) == berth.wanted
        berth.seconds[phase] = run.when("lock" if phase == "lock" else "build") - run.began
        if phase == "layers":
            berth.remove(store)
    return berth.seconds[phase]


def check_report(run, spec, said):
    """What was found before a signal is told, and marked as a part; where nothing was found, that is told."""
    assert "Traceback" not in run.errors, f"{said}: {run.errors}"
    document = run.document
    if "environments" not in document:
        assert "interrupted" in json.dumps(document), said
        assert run.when("run") is None, f"{said}: {run.errors}"
        return
    assert document["partial"] is True, said
    assert json.loads((spec.parent / ".seatrial" / "report.json").read_bytes()) == document, said


def check_lock(spec):
    """A lock is there whole, or not at all."""
    lock = spec.with_name(f"{spec.stem}.lock.json")
    if lock.exists():
        assert read_lock(lock).platforms
