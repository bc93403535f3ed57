"""What the kernel is told of a run beside what every run has: not only proven by its probe, but felt by a program."""

import os
import time
from pathlib import Path

import pytest

from runtime.backends.native.backend import NativeBackend
from runtime.launcher import launcher_path
from runtime.outcome import Fidelity
from runtime.plan import GroupsView


@pytest.fixture
def lay(layer):
    """Return a backend whose upper layer has folders and files in the working folder."""

    def fill(folder):
        os.fchdir(folder)
        os.umask(0)
        for name in ("app/b", "app/a", "app/c", "app/b/inner"):
            os.makedirs(name, 0o777, exist_ok=True)  # noqa: PTH103
            os.chmod(name, 0o777)  # noqa: PTH101, S103
        os.chmod("app", 0o777)  # noqa: PTH101, S103
        for number in (5, 3, 9, 1, 7):
            Path(f"app/f{number}").write_text(f"{number}\n")
        os.link("app/f1", "app/z")
        os.symlink("f3", "app/link")  # noqa: PTH211
        os.utime("app/f5", ns=(10**18, 10**18))
        os.setxattr("app/f9", "user.seatrial.kept", b"yes")
        os.chown("app/f9", 1000, 1000)

    return layer(fill)


@pytest.fixture
def stacked(rootfs, lay):
    with NativeBackend(lambda _: (rootfs, lay)) as backend:
        yield backend


@pytest.fixture
def line(stacked, plan):
    """Return what a line of shell writes over both layers."""

    def run_line(text, **host):
        with stacked.start(plan("bash", "-c", text, host=host)) as running:
            outcome = running.wait()
        assert outcome.exit_code == 0, outcome
        assert {name: each for name, each in outcome.evidence.items() if not each.holds} == {}
        return outcome.stdout.content.decode()

    return run_line


RENAME = 'perl -e \'rename("a", "moved") ? print "renamed" : print 0+$!\''


def test_folder_of_the_image_cannot_be_renamed_on_an_overlay(line):
    assert line(RENAME) == "18"  # EXDEV


def test_folder_of_the_image_can_be_renamed_where_it_was_made_anew(line):
    assert line(RENAME, **{"overlay-rename": "works"}) == "renamed"


LISTED = "perl -e 'opendir($f, $ARGV[0]); print join(\",\", grep {!/^\\./} readdir($f))' ."


def test_folder_lists_as_the_level_says(line):
    names = ["a", "b", "c", "f1", "f3", "f5", "f7", "f9", "link", "z"]
    assert line(LISTED, **{"directory-order": "sorted"}).split(",") == names
    assert line(LISTED, **{"directory-order": "reverse"}).split(",") == names[::-1]


def test_folder_lists_as_the_level_says_at_its_second_place_too(line):
    found = line(LISTED, **{"directory-order": "reverse", "path": "blanks and brackets"}).split(",")
    assert found == sorted(found)[::-1]


def test_folder_that_was_made_anew_looks_as_it_did(line):
    look = "stat -c '%n %F %a %u %g %h %Y' . * b/inner; readlink link; cat z f9"
    first = [each for each in line(look).splitlines() if not each.startswith(". ")]
    for level in ({"overlay-rename": "works"}, {"directory-order": "reverse"}):
        assert [each for each in line(look, **level).splitlines() if not each.startswith(". ")] == first


def test_folder_that_was_made_anew_is_no_change_of_the_run(stacked, plan):
    with stacked.start(plan("touch", "new", host={"directory-order": "sorted"})) as running:
        assert running.wait().changed == ("/app/new",)


def test_working_folder_is_a_volume_with_what_was_in_it(line):
    look = "stat -c '%n %F %a %u %g %h %Y' * b/inner; readlink link; cat z f9"
    assert line(look, filesystem="tmpfs") == line(look)
    devices = 'stat -c %d . / f1; mv f1 /tmp/f1; perl -e \'print rename("f3", "/home/app/f3") ? 0 : 0+$!\''
    own, root, file, error = line(devices, filesystem="tmpfs").split()
    assert own == file != root
    assert error == "18"  # EXDEV
    assert line(RENAME, filesystem="tmpfs") == "renamed"


def test_volume_is_listed_in_order_and_at_its_second_place(line):
    levels = {"filesystem": "tmpfs", "directory-order": "reverse"}
    for more in ({}, {"path": "elsewhere"}):
        found = line(LISTED, **levels, **more).split(",")
        assert found == sorted(found)[::-1]


def test_volume_can_be_written_where_the_root_cannot(stacked, plan):
    host = {"filesystem": "tmpfs", "root-filesystem": "read-only"}
    with stacked.start(plan("touch", "new", host=host, artifacts=("new",))) as running:
        outcome = running.wait()
    assert outcome.exit_code == 0
    assert set(outcome.artifacts) == {"new"}


def test_full_disk_takes_no_byte(line):
    assert line("echo x 2>/dev/null > f1; echo $?; echo y > /tmp/y && echo fits", **{"disk-full": "yes"}) == "1\nfits\n"


def test_disk_takes_as_much_as_the_level_says(line):
    text = "dd if=/dev/zero of=f1 bs=64k count=64 2>/dev/null; stat -c %s f1"
    assert (1 << 19) < int(line(text, **{"disk-full": "1M"})) <= 1 << 20


def test_port_below_1024_is_anybodys_where_the_level_says_so(run):
    # socket and bind on x86_64: a struct sockaddr_in with port 80 and no address
    socket = "my $s = syscall(41, 2, 1, 0); my $a = pack('SnNx8', 2, 80, 0);"
    listen = f"{socket} print syscall(49, $s, $a, 16) ? 0+$! : 'yes'"
    assert run("perl", "-e", listen).stdout.content == b"13"  # EACCES
    assert run("perl", "-e", listen, host={"low-ports": "0"}).stdout.content == b"yes"


def clocks_of(run, **host):
    began = time.monotonic()
    outcome = run("cat", "/proc/uptime", host=host)
    assert outcome.duration < (time.monotonic() - began) * 1000 + 100  # in our clock, whatever the run's
    return float(outcome.stdout.content.split()[0])


@pytest.mark.parametrize("first", ["init", "app"])
def test_uptime_is_the_levels_and_durations_are_ours(run, first):
    assert 1 <= clocks_of(run, uptime="1s", pid1=first) < 60
    assert 500 * 86400 <= clocks_of(run, uptime="500d", pid1=first) < 500 * 86400 + 60
    own = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert abs(clocks_of(run, uptime="null", pid1=first) - own) < 60


def test_deadline_holds_whatever_the_uptime(run):
    outcome = run("sleep", "30", host={"uptime": "500d"}, deadline=1_000)
    assert outcome.limit is not None
    assert 900 <= outcome.duration < 10_000


def test_threads_and_children_start_where_the_clocks_are_others(run):
    outcome = run("bash", "-c", "for i in 1 2 3; do (sleep 0.01; echo $i) & done; wait", host={"uptime": "50d"})
    assert sorted(outcome.stdout.content.split()) == [b"1", b"2", b"3"]


def test_process_ids_are_as_large_as_the_level_says(run):
    assert int(run("sh", "-c", "echo $$", host={"pid-range": "large"}).stdout.content) > 3_000_000
    text = "for i in {1..900}; do /bin/true & wait; done; /bin/true & echo $!"
    assert int(run("bash", "-c", text, host={"pid-range": "small"}).stdout.content) < 400


def test_largest_process_id_of_this_machine_stays(run):
    before = Path("/proc/sys/kernel/pid_max").read_text()
    run("true", host={"pid-range": "small"})
    assert Path("/proc/sys/kernel/pid_max").read_text() == before


def test_addresses_are_the_same_in_each_process_where_the_level_says_so(run):
    text = "for i in 1 2 3 4; do cat /proc/self/maps | head -1; done"
    assert len(set(run("bash", "-c", text, host={"personality": "no-randomization"}).stdout.content.splitlines())) == 1
    assert len(set(run("bash", "-c", text).stdout.content.splitlines())) > 1


def test_kernel_says_that_it_is_a_2_6(run):
    assert run("uname", "-r", host={"personality": "uname26"}).stdout.content.startswith(b"2.6.")


def test_processes_of_others_are_hidden(run):
    assert run("stat", "/proc/1").exit_code == 0
    assert run("stat", "/proc/1", host={"proc-view": "own"}).exit_code == 1
    assert run("sh", "-c", "stat /proc/$$", host={"proc-view": "own"}).exit_code == 0


def test_meminfo_tells_of_the_limit(native, plan, run):
    found = run("head", "-1", "/proc/meminfo", host={"meminfo-view": "limit", "memory": "512M"})
    assert found.stdout.content.split() == [b"MemTotal:", b"524288", b"kB"]
    assert native.check(plan("true", host={"meminfo-view": "limit"}))["meminfo-view"] is Fidelity.EMULATED


@pytest.mark.parametrize(
    ("level", "file"), [("v1", "/sys/fs/cgroup/memory/memory.limit_in_bytes"), ("v2", "/sys/fs/cgroup/cgroup.procs")]
)
def test_own_control_groups_are_shown_and_cannot_be_written(native, plan, run, level, file):
    missing = native.refusal(plan("true", host={"cgroup-view": level}))
    if missing:
        pytest.skip(missing.reason)
    assert plan("true", host={"cgroup-view": level}).tuning.groups is GroupsView(level)
    outcome = run("sh", "-c", f"cat {file} && echo 1 > {file}", host={"cgroup-view": level, "user": "root"})
    assert b"Read-only" in outcome.stderr.content
    assert outcome.stdout.content
    if level == "v1" and "memory" in native.enforces:
        assert int(outcome.stdout.content) == 2 << 30


def test_files_cannot_be_watched_where_the_level_says_so(run):
    found = {}
    for level in ("no-instances", "no-watches", "null"):
        found[level] = run("true", host={"inotify": level}).evidence["inotify"].found
    assert found == {
        "no-instances": "instance=EMFILE watch=no",
        "no-watches": "instance=yes watch=ENOSPC",
        "null": "instance=yes watch=yes",
    }


def test_user_namespace_needs_room_where_no_profile_answers(run):
    """Without a profile it is the kernel that says so, and not a filter."""
    make = "perl -e 'print syscall(272, 0x10000000) == 0 ? \"yes\" : 0+$!'"  # unshare(CLONE_NEWUSER) on x86_64
    free = {"seccomp": "unconfined"}
    assert run("sh", "-c", make, host=free).stdout.content == b"yes"
    assert run("sh", "-c", make, host={**free, "user-namespaces": "none"}).stdout.content == b"28"  # ENOSPC
    assert run("sh", "-c", make).stdout.content == b"1"  # EPERM
    assert run("sh", "-c", make, host={"user-namespaces": "none"}).stdout.content == b"28"


def test_random_bytes_come_from_a_file_only_where_the_level_says_so(run):
    ask = "print syscall(318, my $b = chr(0) x 8, 8, 0) == 8 ? 'yes' : 0+$!"  # getrandom on x86_64
    assert run("perl", "-e", ask).stdout.content == b"yes"
    assert run("perl", "-e", ask, host={"entropy": "null"}).stdout.content == b"yes"
    assert run("perl", "-e", ask, host={"entropy": "no-getrandom"}).stdout.content == b"38"  # ENOSYS
    file = "head -c 8 /dev/urandom > /dev/null"
    assert run("sh", "-c", file, host={"entropy": "no-getrandom"}).exit_code == 0


@pytest.mark.parametrize("first", ["init", "app"])
def test_date_is_the_levels_for_every_program_of_the_image(run, first):
    began = time.time()
    tell = "printf '%(%Y)T ' -1; perl -e 'print((gmtime)[5] + 1900, \" \", time)'"
    year, other, seconds = run("bash", "-c", tell, host={"date": "2040", "pid1": first}).stdout.content.split()
    assert (year, other) == (b"2040", b"2040")
    assert 0 <= int(seconds) - 2208988800 < 60
    moved = {each: int(run("perl", "-e", "print time", host={"date": each}).stdout.content) for each in ("+0", "-1d")}
    assert 0 <= moved["+0"] - int(began) < 60
    assert 0 <= moved["-1d"] + 86400 - int(began) < 60


def test_date_moves_neither_waits_nor_times_of_files(run):
    began = time.time()
    text = "sleep 0.05; read -t 0.05 < <(sleep 5); touch /tmp/f; stat -c %Y /tmp/f"
    outcome = run("bash", "-c", text, host={"date": "2040"})
    assert outcome.exit_code == 0
    assert outcome.duration < 4_000
    assert abs(int(outcome.stdout.content) - began) < 60


def test_date_leaves_no_variable_and_no_change(run):
    outcome = run("env", host={"date": "2040"})
    assert b"PRELOAD" not in outcome.stdout.content
    assert outcome.changed == ()


def test_static_program_sees_through_the_date_and_is_told_of(rootfs, layer, plan):
    launcher = launcher_path()
    if launcher is None:
        pytest.skip("the launcher was not built")
    program = launcher.read_bytes()

    def fill(folder):
        os.fchdir(folder)
        os.makedirs("bin", 0o755, exist_ok=True)  # noqa: PTH103
        Path("bin/static").write_bytes(program)
        os.chmod("bin/static", 0o755)  # noqa: PTH101, S103

    with NativeBackend(lambda _: (rootfs, layer(fill))) as backend:
        found = {}
        for level in ("2040", "+0"):
            with backend.start(plan("static", "--", "true", host={"date": level})) as running:
                found[level] = running.wait().evidence["date"]
    assert not found["2040"].holds
    assert "static" in found["2040"].found
    assert found["+0"].holds


def test_slow_disk_slows_what_waits_for_it_and_nothing_else(run):
    sync = "dd if=/dev/zero of=/tmp/f bs=4k count=1 conv=fsync 2>/dev/null"
    took = {level: run("sh", "-c", sync, host={"slow-io": level}).duration for level in ("as-is", "0ms", "700ms")}
    assert took["700ms"] >= 700
    assert max(took["as-is"], took["0ms"]) < 600
    assert run("sh", "-c", sync.removesuffix("conv=fsync 2>/dev/null"), host={"slow-io": "5000ms"}).duration < 4_000


def test_more_open_files_than_there_can_be_are_told_of_and_a_limit_of_its_own_holds(run):
    many = {"open-files": "1073741816"}
    assert run("bash", "-c", "ulimit -n", host=many).stdout.content == b"1073741816\n"
    told = run("bash", "-c", "ulimit -n; ulimit -n 2000; ulimit -n; bash -c 'ulimit -Hn'", host=many)
    assert told.stdout.content == b"1073741816\n2000\n2000\n"
    assert run("bash", "-c", "ulimit -n 90000; ulimit -n", host=many).stdout.content == b"1073741816\n"
    assert run("bash", "-c", "ulimit -n; ulimit -n 2000", host={"open-files": "null"}).stdout.content == b"1024\n"


def test_sockets_of_ipv6_are_there_unless_the_level_says_that_they_are_not(run):
    make = "print syscall(41, 0+shift, 1, 0) < 0 ? 0+$! : 'yes'"  # socket on x86_64
    found = {
        level: run("perl", "-e", make, "10", host={"ipv6": level}).stdout.content for level in ("absent", "unsupported")
    }
    assert found == {"absent": b"yes", "unsupported": b"97"}  # EAFNOSUPPORT
    assert run("perl", "-e", make, "2", host={"ipv6": "unsupported"}).stdout.content == b"yes"


def test_slow_disk_and_another_date_go_together(run):
    outcome = run("bash", "-c", "printf '%(%Y)T' -1", host={"slow-io": "50ms", "date": "2040"})
    assert outcome.stdout.content == b"2040"
    assert outcome.evidence["slow-io"].holds
    assert outcome.evidence["date"].holds
