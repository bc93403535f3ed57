"""The filter is run by a small interpreter over every number that a machine has, and many that it has not."""

import errno
import json
import struct
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.backends.native.seccomp import compile_filter, compile_notices
from runtime.errors import BackendError
from runtime.plan import Denial

ALLOW, KILL, HANDED_ON = "allow", "kill", "handed on"
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
DATA = resources.files("runtime.backends.native.seccomp")
NUMBERS = json.loads(DATA.joinpath("numbers.json").read_text())
PROFILE = json.loads(DATA.joinpath("default.json").read_text())
MACHINES = sorted(NUMBERS)
DEFAULT = {machine: compile_filter("default", (), machine) for machine in MACHINES}


def run(program: bytes, machine: str, number: int, *arguments: int, arch: int | None = None) -> str | int:
    """Interpret a filter as the kernel does; return allow, kill or an errno."""
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, ARCH[machine] if arch is None else arch, 0, *words)
    lines = list(struct.iter_unpack("<HBBI", program))
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = lines[at]
        at += 1
        match code:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, value)[0]
            case 0x05:
                at += value
            case 0x15 | 0x35 | 0x45:
                true = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
                at += if_true if true else if_false
            case 0x06:
                return {0x7FFF0000: ALLOW, 0x80000000: KILL, 0x7FC00000: HANDED_ON}.get(value, value & 0xFFFF)
            case _:
                raise AssertionError(f"instruction {code:#x}")


@pytest.mark.parametrize("machine", MACHINES)
def test_default_answers_every_number_as_the_profile_says(machine):
    by_number = {number: name for name, number in NUMBERS[machine].items()}
    for number in range(1024):
        name = by_number.get(number)
        if name in PROFILE["conditions"]:
            continue
        want = ALLOW if name in PROFILE["allow"] else errno.EPERM if name in PROFILE["refuse"] else errno.ENOSYS
        assert run(DEFAULT[machine], machine, number) == want, name


@pytest.mark.parametrize("machine", MACHINES)
def test_default_kills_foreign_architecture(machine):
    for arch in (0, 0x40000003, 0x40000028, *(each for each in ARCH.values() if each != ARCH[machine])):
        assert run(DEFAULT[machine], machine, 0, arch=arch) == KILL


@pytest.mark.parametrize("profile", ["default", "unconfined"])
def test_x32_is_killed_as_every_other_foreign_interface(profile):
    program = compile_filter(profile, (), "x86_64")
    for number in (0x40000000, 0x40000000 + 59, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE):
        assert run(program, "x86_64", number) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_default_knows_no_number_that_skips_a_call(machine):
    assert run(DEFAULT[machine], machine, 0xFFFFFFFF) == errno.ENOSYS
    assert run(DEFAULT["aarch64"], "aarch64", 0x40000000) == errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("bit", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
def test_clone_into_a_new_namespace_is_refused(machine, bit):
    clone = NUMBERS[machine]["clone"]
    assert run(DEFAULT[machine], machine, clone, bit | 17) == errno.EPERM
    assert run(DEFAULT[machine], machine, clone, bit | 17 | 1 << 40) == errno.EPERM
    assert run(DEFAULT[machine], machine, clone, 0x1200011) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("request_", [0x5412, 0x541C])
def test_terminal_input_is_refused_whatever_the_high_half(machine, request_):
    ioctl = NUMBERS[machine]["ioctl"]
    assert run(DEFAULT[machine], machine, ioctl, 0, request_) == errno.EPERM
    assert run(DEFAULT[machine], machine, ioctl, 0, request_ | 1 << 32) == errno.EPERM
    assert run(DEFAULT[machine], machine, ioctl, 0, 0x5401) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_personality_allows_five_values(machine):
    number = NUMBERS[machine]["personality"]
    allowed = [0, 8, 0x20000, 0x20008, 0xFFFFFFFF]
    assert [run(DEFAULT[machine], machine, number, value) for value in allowed] == [ALLOW] * 5
    assert run(DEFAULT[machine], machine, number, 0x0400000) == errno.EPERM
    assert run(DEFAULT[machine], machine, number, 0x0040000) == errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_socket_allows_four_families(machine):
    number = NUMBERS[machine]["socket"]
    found = {family for family in range(64) if run(DEFAULT[machine], machine, number, family) == ALLOW}
    assert found == {1, 2, 10, 16}
    assert run(DEFAULT[machine], machine, number, 38) == errno.EAFNOSUPPORT
    assert run(DEFAULT[machine], machine, number, 40) == errno.EAFNOSUPPORT


def test_denial_is_asked_before_the_profile_and_the_first_wins():
    denials = (Denial(syscall="clone3", errno=errno.EPERM), Denial(syscall="clone3", errno=errno.EINVAL))
    program = compile_filter("default", denials, "x86_64")
    assert run(program, "x86_64", 435) == errno.EPERM
    assert run(DEFAULT["x86_64"], "x86_64", 435) == errno.ENOSYS


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_denial_by_argument_holds_for_equal_values_only(value, other):
    program = compile_filter("unconfined", (Denial(syscall="mmap", errno=5, arguments={1: value, 3: 7}),), "x86_64")
    assert run(program, "x86_64", 9, 0, value, 0, 7) == 5
    assert run(program, "x86_64", 9, 0, value, 0, 8) == ALLOW
    assert run(program, "x86_64", 10, 0, value, 0, 7) == ALLOW
    equal = other == value if value >> 32 else other & 0xFFFFFFFF == value
    assert run(program, "x86_64", 9, 0, other, 0, 7) == (5 if equal else ALLOW)


def test_denial_after_one_that_looked_at_arguments_still_sees_the_number():
    denials = (Denial(syscall="mmap", errno=5, arguments={0: 9}), Denial(syscall="munmap", errno=6))
    program = compile_filter("default", denials, "x86_64")
    assert run(program, "x86_64", 9, 1) == ALLOW
    assert run(program, "x86_64", 9, 9) == 5
    assert run(program, "x86_64", 11, 9) == 6


def test_denial_of_a_call_that_the_machine_has_not_is_left_out():
    assert compile_filter("default", (Denial(syscall="open", errno=1),), "aarch64") == DEFAULT["aarch64"]


def test_unconfined_allows_all_but_foreign_architectures():
    program = compile_filter("unconfined", (), "x86_64")
    assert {run(program, "x86_64", number) for number in range(500)} == {ALLOW}
    assert run(program, "x86_64", 1, arch=0x40000003) == KILL


def test_unknown_profile_call_and_machine_are_errors():
    with pytest.raises(BackendError, match="profile 'strict'"):
        compile_filter("strict", (), "x86_64")
    with pytest.raises(BackendError, match="system call 'mmpa'"):
        compile_filter("default", (Denial(syscall="mmpa", errno=1),), "x86_64")
    with pytest.raises(BackendError, match="riscv64"):
        compile_filter("default", (), "riscv64")


def test_profile_names_each_call_once_and_only_known_ones():
    known = set(NUMBERS["x86_64"]) | set(NUMBERS["aarch64"])
    names = [*PROFILE["allow"], *PROFILE["refuse"], *PROFILE["conditions"]]
    assert len(names) == len(set(names))
    assert set(names) <= known
    assert not {"clone3", "mount", "unshare", "setns", "bpf", "keyctl", "open_by_handle_at"} & set(PROFILE["allow"])


OTHER_IDS = {
    "chown": ((1,), (2,)),
    "fchown": ((1,), (2,)),
    "lchown": ((1,), (2,)),
    "fchownat": ((2,), (3,)),
    "setuid": ((0,), ()),
    "setgid": ((), (0,)),
    "setresuid": ((0, 1, 2), ()),
    "setresgid": ((), (0, 1, 2)),
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", sorted(OTHER_IDS))
def test_ids_that_are_not_mapped_are_refused_as_those_of_others(name, machine):
    if name not in NUMBERS[machine]:
        return
    program = compile_filter("default", (), machine, only_ids=(1000, 7))
    users, groups = OTHER_IDS[name]
    own = [1000 if each in users else 7 if each in groups else 3 for each in range(5)]
    assert run(program, machine, NUMBERS[machine][name], *own) == ALLOW
    for index in (*users, *groups):
        unchanged = [0xFFFFFFFF if each == index else word for each, word in enumerate(own)]
        assert run(program, machine, NUMBERS[machine][name], *unchanged) == ALLOW
        for other in (0, 8, 1001, 1000 if index in groups else 7):
            words = [other if each == index else word for each, word in enumerate(own)]
            assert run(program, machine, NUMBERS[machine][name], *words) == errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_filter_for_one_id_changes_no_other_call(machine):
    program = compile_filter("default", (), machine, only_ids=(1000, 1000))
    numbers = {NUMBERS[machine].get(name) for name in (*OTHER_IDS, "setreuid", "setregid")}
    for number in set(range(1024)) - numbers:
        assert run(program, machine, number) == run(DEFAULT[machine], machine, number)


@pytest.mark.parametrize("machine", MACHINES)
def test_noticed_calls_are_handed_on_and_all_others_allowed(machine):
    program, numbers = compile_notices(("chown", "fchownat", "statx"), machine)
    assert set(numbers) == {"chown", "fchownat", "statx"} & NUMBERS[machine].keys()
    for number in range(1024):
        want = HANDED_ON if number in numbers.values() else ALLOW
        assert run(program, machine, number) == want
