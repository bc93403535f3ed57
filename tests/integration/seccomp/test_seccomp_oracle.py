"""Our filter beside libseccomp's, for the same profile: every number, both machines, every rule about an argument.

libseccomp builds its program from the names and rules of the profile, with its own tables of numbers and its own code.
Both programs are then run by one interpreter, which the kernel itself is asked to confirm.
"""

import ctypes
import errno
import functools
import itertools
import json
import mmap
import os
import platform
import struct
from importlib import resources

import pytest
from filters import (
    ACTION,
    ALLOW,
    ERRNO,
    HALF,
    KILL_PROCESS,
    MASKED_EQUAL,
    NOTIFY,
    ONES,
    TOKENS,
    Comparison,
    Library,
    decide,
    library,
    lines_of,
)

from runtime.backends.native import processes, seccomp
from runtime.backends.native.seccomp import bpf, compile_filter

DATA = resources.files("runtime.backends.native.seccomp")
PROFILE = json.loads(DATA.joinpath("default.json").read_text())
NUMBERS = json.loads(DATA.joinpath("numbers.json").read_text())
FOREIGN = {
    "i386": 0x40000003,
    "x32, as libseccomp names it": 0x4000003E,
    "arm": 0x40000028,
    "mips64el": 0xC0000008,
    "ppc64le": 0xC0000015,
    "s390x": 0x80000016,
    "riscv64": 0xC00000F3,
    "nothing": 0,
    "all ones": 0xFFFFFFFF,
}
MACHINES = sorted(TOKENS)
EVERY_NUMBER = (
    *range(1024),
    *(0x40000000 + number for number in range(1024)),
    *(0x3FFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF),
)


class Oracle(Library):
    """libseccomp, building the default profile for one machine."""

    def build(self, profile):
        """Return the program of libseccomp."""
        for name in profile["allow"]:
            self.known(name, ALLOW)
        for name in profile["refuse"]:
            self.known(name, ERRNO | errno.EPERM)
        for name, rules in profile["conditions"].items():
            self.conditions(name, rules)
        return self.export()

    def known(self, name, action, *comparisons):
        if name in NUMBERS[self.machine]:
            self.rule(name, action, *comparisons)

    def conditions(self, name, rules):
        (rule,) = rules
        index, failure = rule["argument"], ERRNO | rule["errno"]
        if "any-bit-of" in rule:
            bits = rule["any-bit-of"]
            self.known(name, ALLOW, Comparison(index, MASKED_EQUAL, bits, 0))
            for bit in (1 << each for each in range(32) if bits >> each & 1):
                self.known(name, failure, Comparison(index, MASKED_EQUAL, bit, bit))
            return
        listed, named, others = (
            (rule["one-of"], failure, ALLOW) if "one-of" in rule else (rule["none-of"], ALLOW, failure)
        )
        for value in listed:
            self.known(name, named, Comparison(index, MASKED_EQUAL, HALF, value))
        for mask, value in blocks_without(listed):
            self.known(name, others, Comparison(index, MASKED_EQUAL, mask, value))


def blocks_without(values):
    """Return (mask, value) of disjoint blocks that hold every number of 32 bits but ``values``.

    libseccomp compares for inequality with all 64 bits only, and a system call that takes an int sees the low half.
    """
    for length in range(1, 33):
        mask = HALF >> (32 - length) << (32 - length)
        longer = {value & mask for value in values}
        for parent in {value & (mask << 1 & HALF) for value in values}:
            for child in (parent, parent | 1 << (32 - length)):
                if child not in longer:
                    yield mask, child


def values_of(rule):
    """Return every value that a rule names with its neighbors, and the bits of a mask, one by one and all."""
    bits = rule.get("any-bit-of", 0)
    named = {*rule.get("one-of", ()), *rule.get("none-of", ()), bits, *(bits & 1 << each for each in range(32))}
    near = {value + step for value in named for step in (-1, 0, 1)} | {
        0,
        ONES,
        *range(64),
        *(1 << x for x in range(64)),
    }
    high = {value & HALF | top << 32 for value in near for top in (1, 0x80000000, HALF)}
    return sorted(value & ONES for value in near | high)


def questions(machine):
    """Yield (architecture, number, arguments) of every question that both programs are asked."""
    own = TOKENS[machine]
    for number in EVERY_NUMBER:
        for fill in (0, ONES, 0x7E020000, 0x541200005412):
            yield own, number, (fill,) * 6
    for name, rules in PROFILE["conditions"].items():
        for index, fill in itertools.product(range(6), (0, ONES)):
            for value in values_of(rules[0]):
                yield own, NUMBERS[machine][name], tuple(value if each == index else fill for each in range(6))
    for arch in {*FOREIGN.values(), *TOKENS.values()} - {own}:
        for number in EVERY_NUMBER:
            yield arch, number, (0,) * 6


@functools.cache
def judged(machine):
    """Return every question with the answer of libseccomp, and the numbers of the calls that it has no name for.

    Those are newer than this libseccomp: it is given their numbers, which it takes on the machine that it runs on.
    """
    if library() is None:
        pytest.skip("libseccomp2 is not installed")
    oracle = Oracle(machine, library())
    program = lines_of(oracle.build(PROFILE))
    native = TOKENS[platform.machine()]
    by_number = Oracle(platform.machine(), library())
    numbers = {NUMBERS[machine][name]: name for name in oracle.unnamed}
    for number, name in numbers.items():
        by_number.number(number, ALLOW if name in PROFILE["allow"] else ERRNO | errno.EPERM)
    newest = lines_of(by_number.export())

    def answer(arch, number, words):
        if arch == TOKENS[machine] and number in numbers:
            return decide(newest, native, number, words)
        return decide(program, arch, number, words)

    return [(asked, answer(*asked)) for asked in questions(machine)], numbers


def differences(program, machine):
    """Yield the questions that the program answers otherwise than libseccomp."""
    lines = lines_of(program)
    for asked, answer in judged(machine)[0]:
        if decide(lines, *asked) != answer:
            yield asked, answer


@pytest.mark.parametrize("machine", MACHINES)
def test_our_filter_decides_as_libseccomp_does(machine):
    answers, by_number = judged(machine)
    print(f"{machine}: {len(answers)} questions, {len({answer for _, answer in answers})} answers")
    found = list(differences(compile_filter("default", (), machine), machine))
    assert not found, f"{len(found)} of {len(answers)}, first {found[0]}"
    assert all(number > 448 for number in by_number)  # Linux 5.15: only what is newer may have no name


@pytest.mark.parametrize("machine", MACHINES)
def test_libseccomp_numbers_the_calls_as_we_do(machine):
    if library() is None:
        pytest.skip("libseccomp2 is not installed")
    resolve = library().seccomp_syscall_resolve_name_arch
    found = {name: resolve(ctypes.c_uint32(TOKENS[machine]), name.encode()) for name in NUMBERS[machine]}
    known = {name: number for name, number in found.items() if number != -1}
    assert known == {name: NUMBERS[machine][name] for name in known}
    assert len(known) > 300


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", FOREIGN)
def test_every_call_through_a_foreign_interface_is_killed(machine, name):
    lines = lines_of(compile_filter("default", (), machine))
    assert {decide(lines, FOREIGN[name], number, (0,) * 6) for number in EVERY_NUMBER} == {KILL_PROCESS}


def without(profile, kind, name):
    return {**profile, kind: [each for each in profile[kind] if each != name]}


def weakened(profile, name, key, value):
    (rule,) = profile["conditions"][name]
    kept = [each for each in rule[key] if each != value] if isinstance(rule[key], list) else rule[key] & ~value
    return {**profile, "conditions": {**profile["conditions"], name: [{**rule, key: kept}]}}


DATA_MUTANTS = {
    **{f"{name} not allowed": without(PROFILE, "allow", name) for name in ("read", "futex_wake", "socketpair")},
    **{f"{name} unknown": without(PROFILE, "refuse", name) for name in ("mount", "bpf", "vmsplice")},
    **{f"clone may {1 << each:#x}": weakened(PROFILE, "clone", "any-bit-of", 1 << each) for each in (17, 28, 30)},
    "ioctl may TIOCSTI": weakened(PROFILE, "ioctl", "one-of", 0x5412),
    "ioctl may TIOCLINUX": weakened(PROFILE, "ioctl", "one-of", 0x541C),
    **{f"personality may not {v}": weakened(PROFILE, "personality", "none-of", v) for v in (0, 8, 131080, HALF)},
    **{f"socket may not {family}": weakened(PROFILE, "socket", "none-of", family) for family in (1, 2, 10, 16)},
    **{
        f"{name} without its condition": {
            **PROFILE,
            "allow": [*PROFILE["allow"], name],
            "conditions": {each: rule for each, rule in PROFILE["conditions"].items() if each != name},
        }
        for name in PROFILE["conditions"]
    },
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("mutant", DATA_MUTANTS)
def test_a_filter_with_one_rule_changed_is_told_from_libseccomps(mutant, machine, monkeypatch):
    read = seccomp._data
    monkeypatch.setattr(seccomp, "_data", lambda name: DATA_MUTANTS[mutant] if name == "default.json" else read(name))
    program = compile_filter("default", (), machine)
    monkeypatch.undo()
    if program == compile_filter("default", (), machine):
        pytest.fail("the mutant is no mutant")
    assert next(differences(program, machine), None)


def instruction_mutants(program):
    """Yield a filter with one constant off by one, or one jump turned round."""
    lines = lines_of(program)
    for at, (code, if_true, if_false, value) in enumerate(lines):
        changed = (
            (code, if_false, if_true, value) if code in (0x15, 0x35, 0x45) else (code, if_true, if_false, value ^ 4)
        )
        if code == 0x05:
            continue  # a hop over the lower half of a search; covered by the jump before it
        yield at, b"".join(struct.pack("<HBBI", *each) for each in [*lines[:at], changed, *lines[at + 1 :]])


@pytest.mark.parametrize("machine", MACHINES)
def test_a_filter_with_one_instruction_changed_is_told_from_libseccomps(machine):
    survivors, total = [], 0
    for at, program in instruction_mutants(compile_filter("default", (), machine)):
        total += 1
        try:
            different = next(differences(program, machine), None)
        except IndexError:  # it runs off the end, which the kernel would not load
            continue
        if different is None:
            survivors.append(at)
    print(f"{machine}: {total} mutants, {len(survivors)} survive")
    assert survivors == []


def heard_differences(program, machine):
    """Yield the questions for which a filter that is heard does not ask exactly where libseccomp's denies by errno.

    No listener hears of clone3, which must be denied at once.
    """
    lines = lines_of(program)
    quiet = {NUMBERS[machine][name] for name in seccomp.QUIET}
    for asked, answer in judged(machine)[0]:
        is_told = answer & ACTION == ERRNO and asked[1] not in quiet
        if decide(lines, *asked) != (NOTIFY if is_told else answer):
            yield asked, answer


@pytest.mark.parametrize("machine", MACHINES)
def test_heard_filter_asks_where_libseccomp_denies_and_nowhere_else(machine):
    found = list(heard_differences(compile_filter("default", (), machine, is_heard=True), machine))
    assert not found, f"{len(found)}, first {found[0]}"


@pytest.mark.parametrize("machine", MACHINES)
def test_who_is_asked_answers_as_libseccomp_does(machine):
    own = bpf.disassemble(compile_filter("default", (), machine))
    found = [asked for asked, answer in judged(machine)[0] if bpf.decide(own, *asked) != answer]
    assert not found, f"{len(found)}, first {found[0]}"


@pytest.mark.parametrize("machine", MACHINES)
def test_filter_with_destinations_asks_of_two_calls_more(machine):
    plain = lines_of(compile_filter("default", (), machine, is_heard=True))
    more = lines_of(compile_filter("default", (), machine, is_heard=True, with_destinations=True))
    connect, sendto = (NUMBERS[machine][name] for name in ("connect", "sendto"))
    for asked, _ in judged(machine)[0]:
        arch, number, words = asked
        names_one = arch == TOKENS[machine] and (number == connect or (number == sendto and words[4]))
        assert decide(more, *asked) == (
            NOTIFY if names_one and words[1 if number == connect else 4] else decide(plain, *asked)
        )


@pytest.mark.parametrize("machine", MACHINES)
def test_heard_filter_with_one_instruction_changed_is_told(machine):
    survivors = []
    for at, program in instruction_mutants(compile_filter("default", (), machine, is_heard=True)):
        try:
            different = next(heard_differences(program, machine), None)
        except IndexError:  # it runs off the end, which the kernel would not load
            continue
        if different is None:
            survivors.append(at)
    assert survivors == []


needs_this_machine = pytest.mark.skipif(platform.machine() != "x86_64", reason="the calls are those of x86_64")


def in_filtered_child(call):
    """Return what ``call`` answers in a child under the default filter: its result, or the signal that ends it."""
    program = compile_filter("default", (), "x86_64")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            processes.prctl(processes.PR_SET_NO_NEW_PRIVS, 1)
            processes.filter_calls(program)
            os.write(writer, str(call()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    answer = os.read(reader, 100).decode()
    os.close(reader)
    status = os.waitpid(child, 0)[1]
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else answer


def raw_call(number, *words):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    ctypes.set_errno(0)
    return ctypes.get_errno() if libc.syscall(number, *map(ctypes.c_uint64, words)) == -1 else 0


def i386_call():
    """Call getpid through the door of i386: ``mov eax, 20; int 0x80; ret``."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


@needs_this_machine
@pytest.mark.parametrize(
    "asked",
    [
        ("getpid",),
        ("mount", 0, 0, 0, 0, 0),
        ("clone3", 0, 0),
        (1000,),
        ("personality", HALF),
        ("personality", 0x0400000),
        ("socket", 1, 1, 0),
        ("socket", 38, 5, 0),
        ("socket", 38 | 1 << 32, 5, 0),
        ("ioctl", 0, 0x5412, 0),
        ("ioctl", 0, 0x5412 | 1 << 32, 0),
        ("clone", 0x10000000 | 1 << 40, 0, 0, 0, 0),
        ("unshare", 0x10000000),
        ("getpid x32", 0x40000000 + 39),
        (0xFFFFFFFE,),
    ],
    ids=str,
)
def test_the_kernel_answers_as_the_interpreter_says(asked):
    name, *words = asked
    number = name if isinstance(name, int) else words.pop() if " " in name else NUMBERS["x86_64"][name]
    lines = lines_of(compile_filter("default", (), "x86_64"))
    said = decide(lines, TOKENS["x86_64"], number, (*words, 0, 0, 0, 0, 0, 0)[:6])
    if said == ALLOW:
        want = "0"
    elif said == KILL_PROCESS:
        want = "signal 31"  # SIGSYS
    else:
        want = str(said & 0xFFFF)
    assert in_filtered_child(lambda: raw_call(number, *words)) == want


@needs_this_machine
def test_the_kernel_kills_a_call_through_the_door_of_i386():
    assert in_filtered_child(i386_call) == "signal 31"
