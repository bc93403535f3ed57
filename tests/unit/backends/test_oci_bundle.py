"""The bundle of a plan, computed from the plan alone, and the profile in it, judged by our own compiler."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from filters import decide, lines_of

from runtime.backends.native.bundle.calls import compile_bundle_filter
from runtime.backends.native.seccomp import compile_filter
from runtime.backends.oci.bundle import (
    Sources,
    configuration,
    environment_of,
    launcher_argv,
    parse_status,
    questions_of,
)
from runtime.backends.oci.profile import seccomp_of
from runtime.plan import Denial

GOLDEN = Path(__file__).parents[2] / "golden" / "backends"
SOURCES = Sources(root="/x/root", launch="/x/launch", kernel_files=("/x/0", "/x/1", "/x/2", "/x/3"))
X86_64 = 0xC000003E  # linux/audit.h: AUDIT_ARCH_X86_64


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("reference", {}),
        ("hardened", {"user": "arbitrary", "capabilities": "none", "root_filesystem": "read-only", "tmp": "noexec"}),
        ("privileged", {"user": "root", "no_new_privileges": "no", "stdin": "closed", "pid1": "app"}),
    ],
)
def test_bundle_of_plan_is_as_written_down(name, levels, plan_on, machine):
    written = json.dumps(configuration(plan_on(**levels), machine, SOURCES, None), indent=1) + "\n"
    assert written == (GOLDEN / f"bundle-{name}.json").read_text()


def test_launcher_is_told_what_no_runtime_can_be(plan_on, machine):
    argv = launcher_argv(plan_on(umask="0077", stdin="closed", signals="sigint-ignored", cpus="1"), machine)
    text = " ".join(argv)
    assert "--umask 0077 --cpus 1:1,3 " in text
    assert "--stdin closed" in text
    assert "--ignore 2" in text
    assert text.endswith("-- python3 -m pytest")


def test_program_that_is_process_1_has_no_init(plan_on, machine):
    assert "--init" in launcher_argv(plan_on(), machine)
    assert "--init" not in launcher_argv(plan_on(pid1="app"), machine)


def test_environment_is_whole_and_ends_each_entry(plan_on):
    assert b"KEY=a b\0" in environment_of(plan_on())
    assert environment_of(plan_on()).endswith(b"\0")


def test_questions_are_asked_once_and_a_newline_asks_nothing(plan_on):
    asked = questions_of(plan_on())
    assert len(asked) == len(set(asked))
    assert not any("\n" in each for each in asked)


@pytest.mark.parametrize(
    ("written", "status"),
    [(b"256\n", 256), (b"9\noom_kills 1\nmemory 4096\n", 9), (b"", None), (b"x\n", None), (b"0\nmemory x\n", None)],
)
def test_status_is_the_launchers_word_or_nothing(written, status):
    found = parse_status(written)
    assert (found.status if found else None) == status
    assert parse_status(None) is None


@pytest.mark.parametrize(
    "denials",
    [
        (),
        (Denial(syscall="clone3", errno=1),),
        (Denial(syscall="fsync", errno=5), Denial(syscall="kill", errno=1, arguments={1: 9})),
        (Denial(syscall="kill", errno=1, arguments={1: 1 << 40 | 9}),),
    ],
    ids=["none", "clone3", "others", "wide"],
)
@pytest.mark.parametrize("profile", ["default", "unconfined"])
def test_profile_of_a_bundle_decides_as_our_own_filter(profile, denials, plan_on):
    """Every number, and for calls with conditions every value that a rule names, its neighbors and high halves."""
    plan = replace(plan_on(), seccomp=profile, denials=denials)
    told = seccomp_of(plan, "x86_64")
    ours = lines_of(compile_filter(profile, denials, "x86_64"))
    if told is None:
        assert (profile, denials) == ("unconfined", ())
        return
    theirs = lines_of(compile_bundle_filter(told, "x86_64"))
    values = {0, 1, 2, 9, 10, 16, 17, 38, 40, 8, 131072, 131080, 0xFFFFFFFF, 21522, 21532, 0x10000000, 0x2000000}
    values |= {value + step for value in tuple(values) for step in (-1, 1)} | {
        value | 1 << 40 for value in tuple(values)
    }
    words = [(value & (1 << 64) - 1,) * 6 for value in sorted(values) if value >= 0]
    for number, arguments in itertools.product(range(470), words):
        assert decide(ours, X86_64, number, arguments) == decide(theirs, X86_64, number, arguments), (number, arguments)
