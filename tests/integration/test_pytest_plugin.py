import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.verify import plugins
from pipeline.verify.plugin import traced_files
from pipeline.verify.plugins import seatrial_pytest
from pipeline.verify.pytest_results import read_pytest
from pipeline.verify.suite import TestOutcome as Outcome
from pipeline.verify.touched import with_touched
from runtime.trace import Trace

SOURCE = Path(plugins.__file__).with_name("seatrial_pytest.py")
TESTS = """
import errno, sys, unittest
import pytest

def test_pass(): pass
def test_fail(): assert 1 == 2
def test_oserror():
    open("/nowhere/at/all")
@pytest.fixture
def broken(): raise KeyError("x")
def test_setup(broken): pass
@pytest.fixture
def leaves():
    yield
    raise RuntimeError("late")
def test_teardown(leaves): pass
@pytest.mark.skip(reason="no")
def test_skip(): pass
def test_skip_inside(): pytest.skip("inside")
@pytest.mark.xfail(reason="known")
def test_xfail(): assert 0
@pytest.mark.xfail(reason="known")
def test_xpass(): pass
@pytest.mark.xfail(strict=True, reason="known")
def test_strict(): pass
@pytest.mark.parametrize("value", ["a/b", "\\udcff", "c[d]"])
def test_parameter(value): pass
class TestClass:
    def test_method(self): pass
class TestUnit(unittest.TestCase):
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    def test_assert(self): self.assertEqual(1, 2)
"""


class Run:
    """A suite in a folder, and our plug-in with its paths moved there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "seatrial"
        (self.root / "out").mkdir(parents=True)
        tools = self.root / "python"
        information = tools / "seatrial_pytest-1.dist-info"
        information.mkdir(parents=True)
        text = SOURCE.read_text().replace('ROOT = "/.seatrial"', f"ROOT = {str(self.root)!r}")
        (tools / "seatrial_pytest.py").write_text(text)
        (information / "entry_points.txt").write_text("[pytest11]\nseatrial = seatrial_pytest\n")
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: seatrial-pytest\nVersion: 1\n")
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tools),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def report(self, *arguments: str):
        with self.start(*arguments) as process:
            process.wait(60)
        results = self.root / "out" / "pytest.jsonl"
        return read_pytest(results.read_bytes() if results.exists() else None)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def outcomes(report):
    return {name.removeprefix("test_it.py::"): str(each.outcome) for name, each in report.tests.items()}


EXPECTED = {
    "test_pass": "passed",
    "test_fail": "failed",
    "test_oserror": "failed",
    "test_setup": "errored",
    "test_teardown": "errored",
    "test_skip": "skipped",
    "test_skip_inside": "skipped",
    "test_xfail": "skipped",
    "test_xpass": "passed",
    "test_strict": "failed",
    "test_parameter[a/b]": "passed",
    "test_parameter[\\udcff]": "passed",
    "test_parameter[c[d]]": "passed",
    "TestClass::test_method": "passed",
    "TestUnit::test_expected": "skipped",
    "TestUnit::test_assert": "failed",
}


def test_plugin_reports_every_outcome(run):
    run.write(test_it=TESTS)
    report = run.report()
    assert outcomes(report) == EXPECTED
    assert report.complete
    assert report.fault == ""
    result = report.tests["test_it.py::test_oserror"]
    assert (result.exception, result.errno, result.phase) == ("FileNotFoundError", 2, "call")
    assert (result.file, result.line) == ("test_it.py", 8)
    assert report.tests["test_it.py::test_skip"].reason == "no"
    assert report.tests["test_it.py::test_skip_inside"].reason == "inside"
    assert report.tests["test_it.py::test_xfail"].reason == "xfail: known"
    assert report.tests["test_it.py::test_setup"].phase == "setup"
    assert report.tests["test_it.py::test_teardown"].phase == "teardown"
    assert report.tests["test_it.py::test_fail"].message.startswith(("AssertionError: assert 1 == 2", "assert 1 == 2"))


def test_plugin_under_xdist_counts_a_test_once(run):
    run.write(test_it=TESTS)
    report = run.report("-n", "2")
    assert outcomes(report) == EXPECTED
    assert report.tests["test_it.py::test_oserror"].errno == 2
    assert len(report.collected) == len(EXPECTED)


TOUCHING = """
import os, subprocess, sys
import pytest
SEEN = []
@pytest.fixture
def masked():
    old = os.umask(7)
    yield
    os.umask(old)
def test_masked(masked, tmp_path): assert tmp_path.exists()
def test_asks(): os.environ.get("COLUMNS")
def test_set(): assert len({x for x in "aa"}) == 1
def test_child(): subprocess.run([sys.executable, "child.py"], check=True)
def test_state(): SEEN.append(1)
def test_nothing(): pass
"""
CHILD = "import locale\nprint(locale.getpreferredencoding())\n"


@pytest.fixture
def touched(run):
    """Run a suite traced, and return test → its signs."""

    def report(*arguments, **files):
        run.write(**files)
        for each in traced_files():
            path = run.root / each.path.removeprefix("/.seatrial/")
            path.write_text(each.content.decode().replace("/.seatrial", str(run.root)))
        with run.start(*arguments) as process:
            process.wait(60)
        raw = (run.root / "out" / "pytest.jsonl").read_bytes()
        assert read_pytest(raw).fault == ""
        return {name: with_touched(None, raw).tests.get(Trace.key(name), {}) for name in read_pytest(raw).tests}

    return report


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_traced_run_tells_what_each_test_touches(touched, arguments):
    found = {
        name.rpartition("::")[2]: signs for name, signs in touched(*arguments, test_it=TOUCHING, child=CHILD).items()
    }
    assert {"enters posix.umask", "uses tmp_path"} <= found["test_masked"].keys()
    assert "variable COLUMNS" in found["test_asks"]
    assert "builds set" in found["test_set"]
    assert "names getpreferredencoding" in found["test_child"]  # in the program that it starts
    assert "shares state" in found["test_state"]
    assert not [sign for sign in found["test_nothing"] if sign.startswith(("enters posix", "variable", "names os"))]


def test_test_that_kills_its_own_process_leaves_what_others_touched(touched):
    found = touched(test_it="import os\ndef test_a(): os.umask(7)\ndef test_b(): os.kill(os.getpid(), 9)\n", child="")
    assert "enters posix.umask" in found["test_it.py::test_a"]


ORDERED = """
import pytest
RAN = []
@pytest.mark.parametrize("number", range(6))
def test_number(number):
    RAN.append(number)
def test_last():
    assert RAN == list(range(6))
"""


def order_of(report):
    return [name.removeprefix("test_it.py::") for name in report.collected]


def test_plugin_leaves_the_order_where_it_is_told_nothing_or_null(run):
    run.write(test_it=ORDERED)
    written = [f"test_number[{number}]" for number in range(6)] + ["test_last"]
    assert order_of(run.report()) == written
    (run.root / "out" / "pytest.jsonl").unlink()
    (run.root / "order").write_text("null")
    assert order_of(run.report()) == written


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_plugin_reverses_the_order(run, arguments):
    run.write(test_it=ORDERED)
    (run.root / "order").write_text("reverse")
    report = run.report(*arguments)
    assert order_of(report) == ["test_last"] + [f"test_number[{number}]" for number in range(5, -1, -1)]
    assert str(report.tests["test_it.py::test_last"].outcome) == "failed"


def test_plugin_orders_by_chance_and_twice_alike(run):
    run.write(test_it=ORDERED)
    found = []
    for order in ("random", "random", "random-1"):
        (run.root / "order").write_text(order)
        found.append(order_of(run.report()))
        (run.root / "out" / "pytest.jsonl").unlink()
    assert found[0] == found[1]
    assert len({tuple(each) for each in found}) == 2
    assert sorted(found[0]) == sorted(found[2])


def test_plugin_orders_what_is_selected_as_it_orders_all(run):
    run.write(test_it=ORDERED)
    (run.root / "order").write_text("random")
    every = order_of(run.report())
    (run.root / "out" / "pytest.jsonl").unlink()
    chosen = [f"test_number[{number}]" for number in (0, 2, 4, 5)]
    (run.root / "select.json").write_text(json.dumps([f"test_it.py::{each}" for each in chosen]))
    assert order_of(run.report()) == [each for each in every if each in chosen]


@pytest.mark.parametrize("order", ["reverse", "random", "random-7", "null", ""])
def test_tests_of_one_id_keep_their_order(order):
    items = [SimpleNamespace(nodeid=name, number=number) for number, name in enumerate(["a", "b", "a", "c", "a"])]
    found = seatrial_pytest.in_order(items, order)
    assert [each.number for each in found if each.nodeid == "a"] == [0, 2, 4]
    assert sorted(each.number for each in found) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_plugin_with_a_selection_runs_those_tests_only(run, arguments):
    run.write(test_it=TESTS)
    (run.root / "select.json").write_text(json.dumps(["test_it.py::test_pass", "test_it.py::test_parameter[a/b]"]))
    report = run.report(*arguments)
    assert set(report.tests) == {"test_it.py::test_pass", "test_it.py::test_parameter[a/b]"}


def test_plugin_reports_files_that_cannot_be_collected_or_skip_themselves(run):
    run.write(
        test_bad="import nothing_of_this_name",
        test_module_skip="import pytest\npytest.skip('not here', allow_module_level=True)",
        test_it="def test_a(): pass",
    )
    report = run.report("--continue-on-collection-errors")
    assert report.tests["test_bad.py"].outcome is Outcome.ERRORED
    assert report.tests["test_bad.py"].phase == "collect"
    assert report.tests["test_module_skip.py"].outcome is Outcome.SKIPPED
    assert report.tests["test_module_skip.py"].reason == "not here"
    assert report.tests["test_it.py::test_a"].outcome is Outcome.PASSED


def test_plugin_killed_in_a_test_leaves_what_was_done(run):
    run.write(test_it="import time\ndef test_a(): pass\ndef test_b(): time.sleep(60)\ndef test_c(): pass\n")
    results = run.root / "out" / "pytest.jsonl"
    with run.start() as process:
        deadline = time.monotonic() + 30
        while not (results.exists() and results.read_bytes().count(b'"setup"') == 2):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    report = read_pytest(results.read_bytes())
    assert outcomes(report) == {"test_a": "passed", "test_b": "missing", "test_c": "missing"}
    assert not report.complete


def test_plugin_in_nested_sessions_reports_the_outer_one_only(run):
    (run.root / "select.json").write_text(json.dumps(["test_it.py::test_inside", "test_it.py::test_below"]))
    run.write(
        conftest="pytest_plugins = ['pytester']",
        test_it="""
def test_inside(pytester):
    pytester.makepyfile("def test_inner(): assert 0")
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
def test_below(pytester):
    pytester.makepyfile("def test_inner(): assert 0")
    pytester.runpytest_subprocess().assert_outcomes(failed=1)
""",
    )
    assert outcomes(run.report()) == {"test_inside": "passed", "test_below": "passed"}


def test_plugin_with_two_sessions_one_after_the_other_reports_both(run):
    run.write(test_it="def test_a(): pass", test_two="def test_b(): pass")
    assert set(run.report("test_it.py").tests) == {"test_it.py::test_a"}
    assert set(run.report("test_two.py").tests) == {"test_it.py::test_a", "test_two.py::test_b"}


def test_plugin_with_a_module_of_the_suite_in_front_of_the_images_reports_the_shadow(run):
    image = run.folder / "image"
    image.mkdir()
    (image / "shared.py").write_text("")
    run.write(shared="", test_it="import shared\ndef test_a(): pass")
    (run.root / "tree.json").write_text(json.dumps({"paths": [str(run.folder / "shared.py")]}))
    run.environment["PYTHONPATH"] += f":{image}"
    (shadow,) = run.report().shadows
    assert (shadow.module, shadow.image) == ("shared", str(image / "shared.py"))


def test_plugin_without_its_folder_does_nothing(run):
    run.write(test_it="def test_a(): pass")
    shutil.rmtree(run.root / "out")
    report = run.report()
    assert "reported nothing" in report.fault
    assert not (run.root / "out").exists()


def test_plugin_with_repeated_ids_numbers_them(run):
    run.write(test_it="def test_a(): pass")
    report = run.report("--keep-duplicates", "test_it.py", "test_it.py")
    assert list(report.tests) == ["test_it.py::test_a", "test_it.py::test_a#2"]
