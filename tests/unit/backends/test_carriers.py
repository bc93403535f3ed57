"""Which runtimes carry which level out, and what a level needs of a machine and of a plan."""

from dataclasses import replace

import pytest

from runtime.backend import Unsupported, refuse_levels
from runtime.backends.native.steps.tuning import inherited, remade, settings
from runtime.backends.native.tuned import (
    lacking_attributes,
    lacking_for_tuning,
    lacking_groups,
    lacking_limits,
    release_of,
)
from runtime.errors import FactorError
from runtime.factors import FACTORS, factor
from runtime.factors.carriers import EVERY, NATIVE
from runtime.factors.machinery import RuntimeFactor
from runtime.factors.questions import MOUNTS, Answers
from runtime.plan import PYTEST_RESULTS, EntryOrder, GroupsView, Tuning

HYBRID = ["4:memory:/\n", "1:cpu,cpuacct:/x\n", "9:name=systemd:/\n", "0::/\n"]


def test_every_runtime_is_named_once():
    assert frozenset(RuntimeFactor.levels) == EVERY


@pytest.mark.parametrize("each", FACTORS, ids=lambda each: each.name)
def test_each_level_has_a_carrier_and_the_default_has_all(each, plan_on):
    for level in each.levels:
        assert each.carriers(level) <= EVERY
        assert each.carriers(level)
    if each.name not in ("runtime", "kernel", "architecture"):
        assert each.carriers(each.default) == EVERY
    assert each.since(each.default) == (0, 0)
    assert each.lacks(each.default, plan_on()) == ""


@pytest.mark.parametrize("each", FACTORS, ids=lambda each: each.name)
def test_level_that_is_none_is_refused(each, plan_on):
    with pytest.raises(FactorError, match=each.name):
        each.apply(plan_on(), "no such level!")


def test_default_levels_leave_a_plan_without_tuning(plan_on):
    assert plan_on().tuning == Tuning()


@pytest.mark.parametrize(
    ("levels", "backend"),
    [
        ({"uptime": "50d"}, "docker"),
        ({"inotify": "no-watches"}, "podman"),
        ({"entropy": "no-getrandom"}, "runsc"),
        ({"pid_range": "small"}, "qemu"),
        ({"disk_full": "yes"}, "runc"),
        ({"cgroup_view": "v1"}, "crun"),
        ({"path": "elsewhere"}, "docker"),
        ({"network": "none"}, "runsc"),
        ({"cpu_features": "x86-64-v2"}, "docker"),
        ({"terminal": "yes"}, "crun"),
        ({"ipv6": "unsupported"}, "crun"),
    ],
)
def test_backend_that_cannot_carry_a_level_out_refuses_it_by_name(levels, backend, plan_on):
    ((name, level),) = levels.items()
    refused = refuse_levels(plan_on(**levels), backend)
    assert isinstance(refused, Unsupported)
    assert f"{name.replace('_', '-')}={level}" in refused.reason
    assert backend in refused.reason
    assert (refuse_levels(plan_on(**levels), "native") is None) is (name != "cpu_features")


def test_order_of_tests_needs_the_plugin_of_pytest(plan_on):
    plan = plan_on(test_order="reverse")
    assert "does not report by it" in refuse_levels(plan, "native").reason
    assert factor("test-order").lacks("reverse", replace(plan, results=PYTEST_RESULTS)) == ""
    assert refuse_levels(plan_on(test_order="null"), "native") is None


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("overlay_rename", "works"),
        ("directory_order", "reverse"),
        ("filesystem", "tmpfs"),
        ("case_sensitivity", "insensitive"),
    ],
)
def test_root_of_the_tree_is_not_made_anew(name, level, plan_on):
    refused = refuse_levels(replace(plan_on(**{name: level}), workdir="/"), "native")
    assert "root of the tree" in refused.reason


@pytest.mark.parametrize(
    ("text", "release"), [("6.18.44", (6, 18)), ("5.10.0-30-amd64", (5, 10)), ("7.0-rc1", (7, 0)), ("x", (0, 0))]
)
def test_release_is_its_first_two_numbers(text, release):
    assert release_of(text) == release


def test_older_kernel_is_told_of(plan_on, monkeypatch):
    plan = plan_on(pid_range="small")
    monkeypatch.setattr("os.uname", lambda: type("Names", (), {"release": "6.12.1"}))
    assert "pid-range=small needs Linux 6.14, and this is 6.12.1" in lacking_for_tuning(plan).reason
    assert factor("pid-range").carriers("small") == NATIVE


@pytest.mark.parametrize(
    ("tuning", "holds_root", "holds_others"),
    [
        (Tuning(), False, False),
        (Tuning(room=1 << 20), True, False),
        (Tuning(renames_folders=True), False, True),
        (Tuning(entries=EntryOrder.SORTED), False, True),
        (Tuning(entries=EntryOrder.SORTED, volume=True), False, False),
    ],
)
def test_what_needs_attributes_of_users_is_told_where_a_tmpfs_has_none(tuning, holds_root, holds_others, plan_on):
    plan = replace(plan_on(), tuning=tuning)
    refused = [lacking_attributes(plan, is_root=each) is not None for each in (True, False)]
    assert refused == [holds_root, holds_others]


def test_limit_above_what_this_process_may_have_is_told_of(plan_on, monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 20000))
    assert lacking_limits(plan_on(open_files="20000", limits="stack=16K")) is None
    assert "nofile of 65535, and this process may have 20000" in lacking_limits(plan_on(open_files="65535")).reason
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, -1))
    assert lacking_limits(plan_on(open_files="65535")) is None


@pytest.mark.parametrize(
    ("wanted", "lines", "missing"),
    [
        (GroupsView.V1, HYBRID, False),
        (GroupsView.V2, HYBRID, False),
        (GroupsView.V1, ["0::/\n"], True),
        (GroupsView.V2, HYBRID[:3], True),
        (GroupsView.NONE, [], False),
    ],
)
def test_control_groups_that_are_not_in_use_are_told_of(wanted, lines, missing):
    assert isinstance(lacking_groups(wanted, lines), Unsupported) is missing


def test_steps_of_tuning_are_those_that_the_levels_ask_for(plan_on):
    plan = plan_on(
        low_ports="0",
        inotify="no-watches",
        proc_view="own",
        uptime="1s",
        personality="uname26",
        directory_order="reverse",
    )
    assert [each.describe() for each in (*settings(plan), *remade(plan), *inherited(plan))] == [
        "set net.ipv4.ip_unprivileged_port_start to 0",
        "set user.max_inotify_watches to 0",
        "hide the processes of others in /proc",
        "make /app anew in the run's own layer, so that it lists reverse",
        "let the machine have been up for 1 seconds",
        "set the execution domain to 0x20000",
    ]
    assert not (*settings(plan_on()), *remade(plan_on()), *inherited(plan_on()))


def test_folder_that_is_shown_at_a_second_place_is_made_anew_at_its_first(plan_on):
    (step,) = remade(plan_on(overlay_rename="works", path="elsewhere"))
    assert step.describe() == "make /app anew in the run's own layer"


@pytest.mark.parametrize(
    ("name", "level", "found", "holds"),
    [
        ("uptime", "50d", "monotonic=4320001 boottime=4320000", True),
        ("uptime", "50d", "monotonic=4320001 boottime=9", False),
        ("uptime", "1s", "monotonic=9000 boottime=9000", False),
        ("pid-range", "large", "pid=3000004 most=4194304", True),
        ("pid-range", "large", "pid=4 most=4194304", False),
        ("pid-range", "as-is", "pid=3000004 most=4194304", False),
        ("personality", "uname26", "20000 2.6.78", True),
        ("personality", "linux", "0 2.6.78", False),
        ("personality", "no-randomization", "0 6.18.1", False),
        ("inotify", "no-watches", "instance=yes watch=yes", False),
        ("user-namespaces", "none", "EPERM", False),
        ("user-namespaces", "null", "ENOSPC", False),
        ("disk-full", "1M", "1048576", True),
        ("disk-full", "1M", "1048577", False),
        ("disk-full", "no", "0", False),
        ("meminfo-view", "limit", "2097152 limit", True),
        ("meminfo-view", "limit", "2097152 machine", False),
        ("meminfo-view", "machine", "2097152 limit", False),
        ("cgroup-view", "as-is", "v2", False),
        ("cgroup-view", "v1", "v2", False),
        ("test-order", "reverse", "reverse, and nobody reads it", False),
        ("test-order", "null", "null, and nobody reads it", True),
        ("overlay-rename", "works", "EXDEV", False),
        ("overlay-rename", "works", "EACCES", True),
        ("directory-order", "reverse", "sorted", False),
        ("slow-io", "50ms", "50ms", True),
        ("slow-io", "50ms", "49ms", False),
        ("slow-io", "50ms", "the program is static, and sees through it", False),
        ("slow-io", "0ms", "the program is static, and sees through it", True),
        ("slow-io", "as-is", "0ms", False),
        ("latency", "50ms", "51ms", True),
        ("latency", "50ms", "0ms", False),
        ("latency", "0ms", "the image has no dynamic loader of glibc", True),
        ("page-size", "64K", "65536", True),
        ("page-size", "64K", "4096", False),
        ("page-size", "null", "65537", False),
        ("page-size", "null", "the program is static, and sees through it", True),
        ("page-size", "as-is", "4096", False),
        ("case-sensitivity", "insensitive", "insensitive", True),
        ("case-sensitivity", "insensitive", "sensitive", False),
        ("case-sensitivity", "insensitive", "the program is static, and sees through it", False),
        ("case-sensitivity", "null", "insensitive", False),
        ("case-sensitivity", "null", "sensitive", True),
        ("case-sensitivity", "original-case", "original-case", True),
        ("case-sensitivity", "original-case", "insensitive", False),
        ("case-sensitivity", "sensitive", "insensitive", False),
        ("filesystem", "tmpfs", "overlay", False),
        ("filesystem", "tmpfs", "tmpfs", False),
        ("filesystem", "tmpfs", "tmpfs volume", True),
        ("filesystem", "overlay", "tmpfs", True),
        ("low-ports", "0", "1024", False),
        ("ipv6", "unsupported", "absent", False),
        ("ipv6", "absent", "unsupported", False),
        ("open-files", "1024", "1024 1024", True),
        ("open-files", "1024", "1024 1024, told: 1024", False),
        ("open-files", "null", "1024 1024, told: the program is static, and sees through it", True),
        ("open-files", "null", "4096 4096, told: 1024", False),
        ("open-files", "1048576", "1048576 1048576", True),
        ("open-files", "1073741816", "4096 4096, told: 1073741816", True),
        ("open-files", "1073741816", "4096 4096, told: 4096", False),
        ("open-files", "1073741816", "4096 4096, told: the program is static, and sees through it", False),
        ("date", "as-is", "as-is", True),
        ("cpu-features", "x86-64-v2", "x86-64-v2", True),
        ("cpu-features", "x86-64-v2", "x86-64-v3", False),
        ("cpu-features", "x86-64-v3", "x86-64-v3 and avx512f", False),
        ("date", "2040", "2208988801 1800000000", True),
        ("date", "2040", "1800000000 1800000000", False),
        ("date", "2038-01-19", "2147472001 1800000000", True),
        ("date", "-1d", "1799913600 1800000000", True),
        ("date", "+400d", "1800000000 1800000000", False),
        ("date", "+0", "1800000000 1800000000", True),
        ("date", "+0", "1800000009 1800000000", False),
        ("proc-view", "own", "all", False),
        ("terminal", "yes", "yes 80x24", True),
        ("terminal", "yes", "yes 132x43", False),
        ("terminal", "yes", "terminal and pipe", False),
        ("terminal", "no", "yes 80x24", False),
        ("entropy", "no-getrandom", "yes", False),
    ],
)
def test_level_holds_only_where_it_was_found(name, level, found, holds, plan_on):
    assert factor(name).holds(level, found, plan_on()) is holds


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("uptime", "0s"),
        ("uptime", "99999d"),
        ("low-ports", "65536"),
        ("low-ports", "080"),
        ("test-order", "random-x"),
        ("disk-full", "1X"),
        ("slow-io", "50"),
        ("slow-io", "050ms"),
        ("latency", "-1ms"),
        ("page-size", "4K"),
        ("date", "2038-02-30"),
        ("date", "+0d"),
        ("date", "400d"),
        ("open-files", "7"),
        ("open-files", "2147483648"),
    ],
)
def test_level_out_of_its_range_is_refused(name, level, plan_on):
    with pytest.raises(FactorError):
        factor(name).apply(plan_on(), level)


def test_reference_asks_nothing_that_costs_time(plan_on):
    """Each of these takes the kernel, or a process, 3 to 20 ms: measured."""
    asked = {question for each in FACTORS for question in each.questions(plan_on())}
    assert not {"inotify", "user-namespace"} & asked
    assert not [each for each in asked if each.startswith(("run ", "rename ", "entries "))]


def test_mounts_are_read_with_flags_kind_and_options():
    line = b"36 35 98:0 / /proc rw,nosuid shared:1 - proc proc rw,hidepid=invisible\n"
    covered = b"37 35 98:0 / /tmp rw - tmpfs tmpfs rw\n38 37 98:0 / /tmp rw,noexec - tmpfs none rw,size=4k\n"
    answers = Answers({MOUNTS: line + covered + b"cut off\n"})
    assert [each.kind for each in answers.mounts()] == ["proc", "tmpfs", "tmpfs"]
    assert "hidepid=invisible" in answers.mounts()[0].options
    assert answers.has_flag("/tmp", "noexec")
    assert not answers.has_flag("/proc", "noexec")
    assert not answers.has_flag("/nowhere", "noexec")


def test_place_of_a_mount_is_read_with_its_blanks():
    line = rb"36 35 98:0 / /opt/app\040dir\040(x)\134 rw - tmpfs tmpfs rw" + b"\n"
    assert [each.place for each in Answers({MOUNTS: line}).mounts()] == ["/opt/app dir (x)\\"]


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("sse2 cx16", "x86-64-v1"),
        ("sse2 ssse3", "x86-64-v1 and ssse3"),
        ("sse4_2 ssse3 popcnt", "x86-64-v2"),
        ("sse4_2 ssse3 popcnt avx2 bmi2 fma", "x86-64-v3"),
        ("sse4_2 ssse3 popcnt avx2 bmi2 fma avx512f", "x86-64-v3 and avx512f"),
    ],
)
def test_features_are_those_that_the_kernel_found(flags, found, plan_on):
    answers = Answers({"read /proc/cpuinfo": f"model name\t: X\nflags\t\t: {flags}\n".encode()})
    assert factor("cpu-features").probe(plan_on(), answers) == found
