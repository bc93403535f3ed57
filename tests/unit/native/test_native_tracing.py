"""A traced run: how calls are told as signs, and how they are counted for tests. No kernel is asked here."""

import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.backends.native.seccomp import bpf, compile_filter, read_numbers
from runtime.backends.native.tracing import calls
from runtime.backends.native.tracing.places import Places
from runtime.backends.native.tracing.signs import path_of, sign_of
from runtime.backends.native.tracing.tally import Tally
from runtime.digest import Digest
from runtime.plan import Plan, Tmpfs, User
from runtime.trace import MARKS, MOST_COUNTS, MOST_SIGNS, MOST_TEXT, Trace, key_of

PLAN = Plan(
    image=Digest.of(b"image"),
    suite=None,
    argv=("true",),
    workdir="/app",
    environment={},
    user=User(uid=1000, gid=1000, home="/home/app"),
    capabilities=(),
    tmpfs=(Tmpfs(path="/tmp", size=1 << 20),),
)
PLACES = Places.of(PLAN)
WORD = st.integers(0, 2**64 - 1)


class Memory:
    """A caller's memory that holds one text at every address."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content

    def read(self, _: int, __: int, size: int) -> bytes:
        return self.content[:size]

    def text(self, _: int, __: int) -> bytes:
        return self.content.partition(b"\0")[0]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (b"/proc/self/status", "/proc/self/status"),
        (b"/proc/4711/fd/12", "/proc/N/fd/N"),
        (b"/proc/1/comm", "/proc/1/comm"),
        (b"/proc/net/if_inet6", "/proc/net/if_inet6"),
        (b"/proc/cpuinfo", "/proc/cpuinfo"),
        (b"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup"),
        (b"/etc/passwd", "/etc/passwd"),
        (b"/home/app", "~"),
        (b"/home/app/.config/x", "~"),
        (b"/home/application", "/home/application"),
        (b"/app/data/x", "."),
        (b"notes.txt", "."),
        (b"", "."),
        (b"/tmp/x/y/z", "/tmp"),
        (b"/usr/bin/sudo", "/usr/bin/sudo"),
        (b"/usr/lib/python3/x.py", "/usr/lib"),
        (b"/\xff\n\x1b", "/\ufffd\n\x1b"),
    ],
)
def test_place_of_path_is_few_and_telling(path, place):
    assert PLACES.of_path(path) == place


def test_tree_is_what_no_file_system_of_its_own_lies_over():
    assert PLACES.is_in_tree(b"/var/lib/x")
    assert PLACES.is_in_tree(b"here")
    assert not any(map(PLACES.is_in_tree, (b"/tmp/x", b"/dev/null", b"/proc/self/mem", b"/.seatrial/out/x")))


def inet(address: str, port: int) -> bytes:
    return struct.pack("=H2s4s8x", 2, port.to_bytes(2, "big"), socket.inet_aton(address))


def inet6(address: str, port: int) -> bytes:
    return struct.pack("=H2sI16sI", 10, port.to_bytes(2, "big"), 0, socket.inet_pton(socket.AF_INET6, address), 0)


@pytest.mark.parametrize(
    ("name", "arguments", "content", "sign"),
    [
        ("openat", (0, 1, os.O_RDONLY), b"/etc/hosts", "opens /etc/hosts"),
        ("openat", (0, 1, os.O_WRONLY | os.O_CREAT), b"x", "makes ."),
        ("openat", (0, 1, os.O_RDWR), b"/dev/shm/x", "writes /dev/shm"),
        ("openat", (0, 1, os.O_DIRECTORY), b"/proc", "lists /proc"),
        ("open", (1, os.O_RDONLY), b"/proc/meminfo", "opens /proc/meminfo"),
        ("renameat2", (0, 1, 0, 2), b"/app/x", "renames ."),
        ("socket", (10, 1 | 0o2000000), b"", "socket inet6 stream"),
        ("bind", (3, 1, 16), inet("0.0.0.0", 80), "binds inet any low"),  # noqa: S104 - text
        ("bind", (3, 1, 28), inet6("::1", 8080), "binds inet6 loopback high"),
        ("connect", (3, 1, 16), inet("127.0.0.1", 53), "connects inet loopback 53"),
        ("connect", (3, 1, 16), inet("192.0.2.1", 443), "connects inet elsewhere low"),
        ("connect", (3, 1, 110), struct.pack("=H", 1) + b"/run/x", "connects unix"),
        ("connect", (3, 1, 1), b"x", ""),
        ("clone", (0x10000,), b"", "starts thread"),
        ("clone", (17,), b"", "starts process"),
        ("ioctl", (1, 0x5413), b"", "asks terminal-size"),
        ("ioctl", (7, 0x5401), b"", ""),
        ("rt_sigaction", (2, 99), b"", "signal 2"),
        ("rt_sigaction", (2, 0), b"", ""),
        ("kill", (9, 2**32 + 15), b"", "kills 15"),
        ("umask", (0,), b"", "calls umask"),
        ("read", (0,), b"", "reads stdin"),
    ],
)
def test_call_is_told_as_a_sign(name, arguments, content, sign):
    registers = (*arguments, *(0,) * (6 - len(arguments)))
    memory = Memory(content)
    path = path_of(name, 1, registers, memory)
    place = "" if path is None else PLACES.of_path(path)
    assert sign_of(name, 1, registers, memory, place) == sign


@given(st.sampled_from(calls.TRACED), st.tuples(WORD, WORD, WORD, WORD, WORD, WORD), st.binary(max_size=300))
def test_whatever_a_run_passes_is_told_within_bounds(name, registers, content):
    memory = Memory(content)
    path = path_of(name, 1, registers, memory)
    sign = sign_of(name, 1, registers, memory, "" if path is None else PLACES.of_path(path))
    assert len(sign) <= MOST_TEXT
    assert sign == sign.strip() or path is not None


def test_signs_count_for_the_tests_that_are_under_way():
    tally = Tally()
    tally.count("calls a")
    for test in ("x", "y"):
        assert tally.mark(f"{MARKS}/begin/{key_of(test)}".encode())
        tally.count("calls b")
    assert tally.mark(f"{MARKS}/end/{key_of('x')}".encode())
    tally.count("calls b")
    assert not tally.mark(b"/etc/passwd")
    assert tally.trace() == Trace(
        tests={"": {"calls a": 1}, key_of("x"): {"calls b": 2}, key_of("y"): {"calls b": 2}}, is_whole=True
    )


def test_signs_without_end_are_counted_to_a_bound_and_it_is_said():
    tally = Tally()
    for number in range(MOST_SIGNS + 9):
        tally.count(f"opens /proc/{number}")
    assert len(tally.trace().tests[""]) == MOST_SIGNS
    assert not tally.trace().is_whole


def test_tests_without_end_are_counted_to_a_bound_and_it_is_said():
    tally = Tally()
    for number in range(MOST_COUNTS + 9):
        tally.mark(f"{MARKS}/begin/{number}".encode())
        tally.count("calls a")
        tally.mark(f"{MARKS}/end/{number}".encode())
    found = tally.trace()
    assert sum(map(len, found.tests.values())) == MOST_COUNTS
    assert not found.is_whole


SIGN = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.dictionaries(SIGN, st.dictionaries(SIGN, st.integers(1, 2**40), max_size=4), max_size=4), st.booleans())
def test_trace_is_read_back_as_it_was_written(tests, is_whole):
    trace = Trace(tests=tests, is_whole=is_whole)
    assert Trace.from_json(trace.to_json()) == trace


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_of_a_traced_run_hands_on_more_and_decides_nothing_else(machine):
    heard = bpf.disassemble(compile_filter("default", (), machine, is_heard=True))
    traced = bpf.disassemble(
        compile_filter("default", (), machine, is_heard=True, traced=calls.TRACED, conditions=calls.CONDITIONS)
    )
    architecture = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    numbers = read_numbers()[machine]
    wanted = {numbers[name] for name in calls.TRACED if name in numbers}
    for number in range(600):
        for arguments in ((0,) * 6, (1, 2, 3, 4, 5, 6)):
            is_met = number not in {numbers["read"], numbers["newfstatat"]} or arguments == (0,) * 6
            expected = bpf.decide(heard, architecture, number, arguments)
            found = bpf.decide(traced, architecture, number, arguments)
            assert found == (bpf.NOTIFY if number in wanted and is_met else expected), number


def test_every_traced_call_has_a_number_on_the_first_architecture():
    assert set(calls.TRACED) <= read_numbers()["x86_64"].keys()
