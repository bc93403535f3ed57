"""Traced runs: what a real kernel tells of them, for tests that mark themselves, and what a hostile run cannot do."""

import ctypes
import mmap
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.backends.native.seccomp import read_numbers
from runtime.backends.native.syscalls import MACHINE
from runtime.backends.native.tracing.memory import Reader
from runtime.factors import FACTORS
from runtime.factors.signs import Index
from runtime.outcome import Limit
from runtime.plan import TRACED, File
from runtime.trace import MARKS, MOST_SIGNS, Trace

NUMBERS = read_numbers()[MACHINE]
MARK = "sub mark { -e '" + MARKS + "/' . $_[0] }"


@pytest.fixture
def trace(native, plan):
    """Run lines of perl, traced, and return the outcome."""

    def run_lines(lines, **changes):
        started = plan("perl", "-e", f"$| = 1; {MARK} {lines}", **changes)
        started = replace(started, files=(*started.files, File(path=TRACED)))
        with native.start(started) as running:
            return running.wait()

    return run_lines


@pytest.mark.parametrize(
    ("lines", "signs"),
    [
        ("open F, '<', '/proc/meminfo'", ["opens /proc/meminfo"]),
        ("open F, '>', 'x'", ["makes .", "changes tree"]),
        ("open F, '>', '/tmp/x'", ["makes /tmp"]),
        ("mkdir 'd'; rename 'd', 'e'; rmdir 'e'", ["makes .", "renames .", "removes .", "changes tree"]),
        ("opendir D, '.'", ["lists ."]),
        ("chmod 0600, '/home/app'", ["chmods ~"]),
        ("umask 7", ["calls umask"]),
        ("getpwuid 7", ["opens /etc/passwd"]),
        ("$SIG{INT} = sub {}; kill 2, $$", ["signal 2", "kills 2"]),
        ("socket(S, 10, 1, 0)", ["socket inet6 stream"]),
        ("socket(S, 2, 1, 0); bind S, pack('Sna4x8', 2, 80, pack('C4', 0, 0, 0, 0))", ["binds inet any low"]),
        ("$p = fork; $p or exit; waitpid $p, 0", ["starts process"]),
        (f"syscall({NUMBERS['getrandom']}, $b = ' ' x 8, 8, 0)", ["calls getrandom"]),
        (f"syscall({NUMBERS['unshare']}, 0x10000000)", ["unshares 268435456"]),
        ("sysread STDIN, $b, 1", ["reads stdin"]),
        ("-t STDIN", ["asks terminal"]),
        ("exec '/bin/true'", ["runs /bin/true"]),
    ],
    ids=str,
)
def test_what_a_test_touches_is_told(trace, lines, signs):
    found = trace(f"mark 'begin/0'; {lines}; mark 'end/0'").trace
    assert set(signs) <= found.tests["0"].keys()
    assert found.is_whole


def test_signs_are_those_of_the_test_that_is_under_way(trace):
    found = trace("umask 7; mark 'begin/0'; -e '/etc/x'; mark 'end/0'; mark 'begin/1'; -e '/etc/y'; mark 'end/1'").trace
    assert {"calls umask"} <= found.tests[""].keys()
    assert found.tests["0"] == {"looks /etc/x": 1}
    assert found.tests["1"] == {"looks /etc/y": 1}


def test_what_a_child_touches_is_the_tests(trace):
    found = trace("mark 'begin/0'; $p = fork; if (!$p) { -e '/etc/x'; exit } waitpid $p, 0; mark 'end/0'").trace
    assert found.tests["0"]["looks /etc/x"] == 1


def test_run_without_the_file_is_not_traced(run):
    assert run("true").trace is None


def test_denied_call_fails_in_a_traced_run_as_in_any_other(trace):
    number = NUMBERS["mount"]
    outcome = trace(f"$! = 0; syscall({number}, 0, 0, 0, 0, 0); print $! + 0")
    assert outcome.stdout.content == b"1"
    assert outcome.trace.tests[""]["calls mount"] == 1


@pytest.mark.parametrize("pid1", ["init", "app"])
def test_run_is_traced_whatever_is_its_first_process(trace, pid1):
    assert "calls umask" in trace("umask 7", host={"pid1": pid1}).trace.tests[""]


def test_run_that_gains_privileges_is_run_and_not_traced(trace):
    outcome = trace("umask 7; print 'done'", host={"no-new-privileges": "no"})
    assert (outcome.stdout.content, outcome.trace) == (b"done", None)


def test_path_at_the_end_of_memory_and_wrong_pointers_are_survived(trace):
    number = NUMBERS["access"] if "access" in NUMBERS else NUMBERS["faccessat"]
    outcome = trace(f"syscall({number}, $_, 0) for (0, 1, -1, 2**47 - 1); print 'done'")
    assert outcome.stdout.content == b"done"
    assert isinstance(outcome.trace, Trace)


@given(st.integers(0, 2**64 - 1), st.integers(0, 1 << 20))
def test_memory_is_read_at_any_address(address, size):
    assert len(Reader(256).read(os.getpid(), address, size)) <= 256


def test_memory_is_read_up_to_its_end():
    page = mmap.PAGESIZE
    area = mmap.mmap(-1, 2 * page)
    area.write(b"x" * 2 * page)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(area))
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(begin + page), page, 0) == 0
    reader = Reader(256)
    assert reader.read(os.getpid(), begin + page - 3, 256) == b"xxx"
    assert reader.read(os.getpid(), begin - 0, 256) == b"x" * 256
    assert reader.read(os.getpid(), begin + page, 256) == b""


def test_names_without_end_are_bounded(trace):
    outcome = trace(f"-e \"/etc/$_\" for (1..{MOST_SIGNS * 2}); print 'done'")
    assert outcome.stdout.content == b"done"
    assert sum(map(len, outcome.trace.tests.values())) <= MOST_SIGNS
    assert not outcome.trace.is_whole


def test_traced_run_that_calls_without_end_holds_up_no_other_and_ends_by_its_deadline(trace, run):
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(trace, "while (1) { umask 7 }", deadline=3_000)
        time.sleep(0.5)
        begin = time.monotonic()
        assert run("true").exit_code == 0
        assert time.monotonic() - begin < 2
        outcome = flood.result()
    assert outcome.limit is Limit.DEADLINE
    assert outcome.trace.tests[""]["calls umask"] > 100


def test_signs_of_a_real_run_speak_for_factors(trace):
    index = Index(FACTORS)
    found = trace("mark 'begin/0'; umask 7; mark 'end/0'").trace
    assert "umask" in index.factors_of(next(iter(found.tests["0"])))
