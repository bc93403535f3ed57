"""What every backend must do alike. A test that a backend cannot pass is skipped by it with its reason, never here."""

import errno
import hashlib
import signal
import time
from pathlib import Path

import pytest

from runtime.digest import Digest
from runtime.factors import FACTORS
from runtime.outcome import Limit
from runtime.plan import MIB, OUT, FirstProcess, User

pytestmark = pytest.mark.bar("conformance", slice=2)

MUCH = 12 * MIB


def test_program_exits_code_is_reported(run):
    outcome = run("sh", "-c", "exit 3")
    assert (outcome.exit_code, outcome.signal, outcome.limit) == (3, None, None)


def test_program_ended_by_signal_signal_is_reported(run):
    outcome = run("sh", "-c", "kill -SEGV $$")
    assert (outcome.exit_code, outcome.signal) == (None, signal.SIGSEGV)


def test_program_exits_with_128_and_more_is_no_signal(run):
    outcome = run("sh", "-c", "exit 139")
    assert (outcome.exit_code, outcome.signal) == (139, None)


def test_program_is_missing_code_is_127(run):
    outcome = run("no-such-program")
    assert outcome.exit_code == 127
    assert b"no-such-program" in outcome.stderr.content


def test_program_that_may_not_be_started_code_is_126(run):
    assert run("/home").exit_code == 126


def test_file_that_is_no_program_is_handed_to_no_shell(run):
    outcome = run("/etc/passwd")  # the crafted tree lets all its files be executed
    assert outcome.exit_code == 126
    assert b"format" in outcome.stderr.content.lower()


def test_streams_are_kept_apart_and_whole(run):
    outcome = run("sh", "-c", "echo out; echo err >&2; printf '\\000\\377'")
    assert outcome.stdout.content == b"out\n\0\xff"
    assert outcome.stderr.content == b"err\n"


def test_terminals_keep_streams_apart_and_line_ends_as_written(run):
    look = "test -t 0 && test -t 1 && test -t 2 && echo out && echo err >&2; printf 'a\\r\\nb'; : </dev/tty"
    outcome = run("sh", "-c", look, host={"terminal": "yes"})
    assert (outcome.stdout.content, outcome.stderr.content, outcome.exit_code) == (b"out\na\r\nb", b"err\n", 0)


def test_much_that_is_written_to_a_terminal_is_whole(run):
    write = f"head -c {MUCH // 4} /dev/zero; head -c {MUCH // 4} /dev/zero >&2"
    outcome = run("sh", "-c", write, host={"terminal": "yes"})
    assert (outcome.stdout.size, outcome.stderr.size) == (MUCH // 4, MUCH // 4)


def test_names_are_found_in_any_case_and_keep_theirs(sh):
    line = """
        mkdir Data && echo one >Data/File && cat DATA/file && cd dATA && echo two >FILE && cat File
        mkdir ../data 2>/dev/null || echo there
        mv file FILE && ls && cat fiLE && chmod 600 fIle && test -f FILe && echo file
        rm file && ls && test ! -e /HOME && test ! -e other && cd .. && mv data Other && test -d OTHER && echo folder
    """
    found = sh(line, host={"case-sensitivity": "insensitive", "user": "root"})
    assert found.split() == ["one", "two", "there", "FILE", "two", "file", "folder"]


def test_names_in_another_case_are_neither_found_nor_made(sh):
    line = """
        echo one >Name; test ! -e NAME && cat Name && echo two >Name && cat Name
        (echo three >NAME) 2>/dev/null || echo no file; mkdir name 2>/dev/null || echo no folder
        touch Other && mv Name other 2>/dev/null || echo no move; mv Name NAME && ls
    """
    found = sh(line, host={"case-sensitivity": "original-case", "user": "root"})
    assert found.splitlines() == ["one", "two", "no file", "no folder", "no move", "NAME", "Other"]


def test_case_of_names_counts_where_the_library_is_loaded_for_nothing(sh):
    found = sh("touch Name && test ! -e NAME && mkdir name && ls", host={"case-sensitivity": "null", "user": "root"})
    assert sorted(found.split()) == ["Name", "name"]


# By no module: 2 is AF_INET, 1 SOCK_STREAM, and the address has a port of its own choice.
TALK = """
    sub there { pack "S n C4 x8", 2, $_[0], 127, 0, 0, 1 }
    socket S, 2, 1, 0; bind S, there 0; listen S, 5; my ($port) = unpack "x2 n", getsockname S;
    socket C, 2, 1, 0; connect C, there $port or die; accept T, S; syswrite C, "x"; sysread T, my $got, 1; print $got
"""


def test_what_is_sent_arrives_later(sh):
    line = f"begun=$EPOCHREALTIME; perl -e '{TALK}'; echo \" $(( (${{EPOCHREALTIME//./}} - ${{begun//./}}) / 1000 ))\""
    got, milliseconds = sh(line, host={"latency": "100ms"}).split()
    assert got == "x"
    assert int(milliseconds) >= 300


def test_stream_of_many_bytes_is_counted_and_hashed(run):
    outcome = run("head", "-c", str(MUCH), "/dev/zero")
    assert outcome.exit_code == 0
    assert outcome.stdout.size == MUCH
    assert outcome.stdout.digest == Digest("sha256:" + hashlib.sha256(bytes(MUCH)).hexdigest())


@pytest.mark.slow
def test_streams_of_100_mb_are_counted(run):
    outcome = run("sh", "-c", "head -c 100000000 /dev/zero; head -c 100000000 /dev/zero >&2", deadline=120_000)
    assert (outcome.stdout.size, outcome.stderr.size) == (100_000_000, 100_000_000)


def test_environment_is_the_plans_and_nothing_else(sh):
    found = dict(line.split("=", 1) for line in sh("env", environment={"PATH": "/bin", "A": "b c=d"}).splitlines())
    assert {key: value for key, value in found.items() if key not in ("PWD", "SHLVL", "_", "OLDPWD")} == {
        "PATH": "/bin",
        "A": "b c=d",
    }


@pytest.mark.parametrize(("level", "shown"), [("app", "1000 1000"), ("root", "0 0"), ("arbitrary", "1000660000 0")])
def test_user_is_who_the_level_says(sh, level, shown):
    assert sh("echo $(id -u) $(id -g)", host={"user": level}).split() == shown.split()


def test_further_groups_are_the_plans(sh):
    groups = sh("id -G", user=User(uid=1000, gid=1000, groups=(4, 20), home="/home/app")).split()
    assert sorted(map(int, groups)) == [4, 20, 1000]


def test_working_folder_is_the_plans(sh):
    assert sh("pwd", workdir="/home/app") == "/home/app\n"


def test_host_name_is_the_levels(sh):
    assert sh("uname -n", host={"hostname": "ship"}) == "ship\n"


def test_umask_is_the_levels(sh):
    assert sh("umask", host={"umask": "0077"}) == "0077\n"


def test_memory_beyond_limit_ends_by_oom(run):
    # A pattern that grows in the shell's own memory.
    outcome = run("bash", "-c", "a=x; while :; do a=$a$a; done", host={"memory": "64M"}, deadline=60_000)
    assert outcome.limit is Limit.OOM


def test_processes_beyond_limit_cannot_be_started(run):
    outcome = run("bash", "-c", "for i in {1..40}; do sleep 5 & done", host={"processes": "16"})
    assert b"Resource temporarily unavailable" in outcome.stderr.content


def test_processes_below_limit_can_be_started(run):
    outcome = run("bash", "-c", "for i in {1..40}; do sleep 0.1 & done; wait", host={"processes": "4096"})
    assert (outcome.exit_code, outcome.stderr.content) == (0, b"")


def test_open_files_limit_is_the_levels(sh):
    assert sh("ulimit -n; ulimit -Hn", host={"open-files": "64"}).split() == ["64", "64"]


def test_file_size_limit_is_the_levels(run):
    outcome = run("sh", "-c", "dd if=/dev/zero of=/tmp/f bs=1M count=2 2>/dev/null", host={"limits": "fsize=1M"})
    assert outcome.signal == signal.SIGXFSZ or outcome.exit_code not in (0, None)


@pytest.mark.parametrize(
    ("level", "option", "shown"), [("core=0", "c", "0"), ("stack=1M", "s", "1024"), ("data=512M", "d", "524288")]
)
def test_resource_limit_is_the_levels_soft_and_hard(sh, level, option, shown):
    assert sh(f"ulimit -S{option}; ulimit -H{option}", host={"limits": level}).split() == [shown, shown]


def test_quota_of_half_a_cpu_gives_no_more(run):
    busy = "begin=$EPOCHREALTIME; while (( ${EPOCHREALTIME/./} - ${begin/./} < 2000000 )); do :; done"
    outcome = run("bash", "-c", f"{busy}; times > /tmp/times; head -n 1 /tmp/times", host={"cpu-quota": "50%"})
    assert outcome.evidence["cpu-quota"].holds, outcome.evidence["cpu-quota"]
    inside = sum(seconds_of(each) for each in outcome.stdout.content.decode().split()) * 1000
    # gVisor counts inside what a program waits for its turn; an engine may not tell what it counted outside.
    used = [each for each in (inside, outcome.resources.cpu_time) if each >= 0]
    assert 100 < min(used) < 0.7 * outcome.duration, (used, outcome.duration)


def seconds_of(text):
    """Return the seconds that the shell writes as ``0m1.234s``."""
    minutes, _, seconds = text.rstrip("s").partition("m")
    return 60 * int(minutes) + float(seconds)


@pytest.mark.parametrize(("factor", "level"), [("memory", "64M"), ("processes", "16"), ("cpu-quota", "50%")])
def test_limit_is_held_by_the_version_of_control_groups_of_its_machine(backend, run, factor, level):
    """v1 on this machine although it may have both, v2 in a virtual machine: nothing else here knows which it is."""
    outcome = run("true", host={factor: level})
    assert outcome.evidence[factor].holds, outcome.evidence[factor]
    assert outcome.ambient["cgroup"] == ("v2" if backend.name == "qemu" else version_of_this_machine())


def version_of_this_machine():
    """Return where this machine has its memory controller."""
    is_first = any(
        line.split(" - ")[1].startswith("cgroup ") and "memory" in line.rpartition(" ")[2].split(",")
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    )
    return "v1" if is_first else "v2"


def test_cpus_are_as_many_as_the_level_says(sh):
    assert sh("nproc", host={"cpus": "1"}) == "1\n"


def test_deadline_ends_the_run(run):
    began = time.monotonic()
    outcome = run("sleep", "60", deadline=1_000)
    assert outcome.limit is Limit.DEADLINE
    assert time.monotonic() - began < 20


def test_deadline_ends_a_program_that_ignores_signals(run):
    outcome = run("sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done", deadline=1_000)
    assert outcome.limit is Limit.DEADLINE


def test_orphan_that_holds_the_streams_ends_with_the_run(run):
    began = time.monotonic()
    outcome = run("sh", "-c", "sleep 60 & echo done")
    assert outcome.exit_code == 0
    assert outcome.stdout.content == b"done\n"
    assert time.monotonic() - began < 20


def test_signal_reaches_the_program(start, plan):
    line = "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.1; done"
    heard = []
    with start(plan("sh", "-c", line), listeners=(heard.append, None)) as running:
        end = time.monotonic() + 15
        while b"ready" not in b"".join(heard) and time.monotonic() < end:
            time.sleep(0.02)
        running.signal(signal.SIGUSR1)
        outcome = running.wait()
    assert outcome.exit_code == 5
    assert b"got" in outcome.stdout.content


def test_closing_ends_the_run_at_once(start, plan):
    began = time.monotonic()
    with start(plan("sleep", "60")):
        pass
    assert time.monotonic() - began < 20


def test_stdin_null_reads_the_end(sh):
    assert sh("cat; echo end") == "end\n"


def test_stdin_closed_is_not_open(sh):
    assert sh("test -e /proc/self/fd/0 && echo open || echo closed", host={"stdin": "closed"}) == "closed\n"


def test_terminal_is_none(sh):
    assert sh("test -t 1 && echo yes || echo no") == "no\n"


def test_read_only_root_refuses_to_write(run):
    outcome = run(
        "sh", "-c", "touch /home/app/x || touch /app/x", host={"root-filesystem": "read-only", "user": "root"}
    )
    assert outcome.exit_code == 1
    assert b"Read-only" in outcome.stderr.content


def test_tmpfs_ends_at_its_size(run):
    outcome = run("dd", "if=/dev/zero", "of=/tmp/f", "bs=64k", host={"tmp": "1M"})
    assert outcome.exit_code == 1
    assert b"No space left" in outcome.stderr.content, errno.ENOSPC


def test_tmp_noexec_starts_no_program(run):
    line = "cp /bin/true /tmp/t 2>/dev/null || cat /bin/true > /tmp/t; chmod 755 /tmp/t; /tmp/t"
    assert run("sh", "-c", line, host={"tmp": "noexec"}).exit_code == 126


def test_loopback_refuses_and_does_not_hang(run):
    outcome = run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9")
    assert b"refused" in outcome.stderr.content


def test_no_network_has_no_loopback(run):
    outcome = run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9", host={"network": "none"})
    assert b"unreachable" in outcome.stderr.content


def test_results_are_brought_out(run):
    assert run("sh", "-c", f"echo found > {OUT}/r", results=f"{OUT}/r").results == b"found\n"


def test_results_that_are_a_link_are_not_followed(run):
    assert run("sh", "-c", f"ln -s /etc/passwd {OUT}/r", results=f"{OUT}/r").results is None


def test_artifacts_have_digests(run):
    outcome = run(
        "sh",
        "-c",
        "mkdir -p out; echo a > out/a.json; echo b > out/b.txt",
        workdir="/home/app",
        artifacts=("out/*.json",),
    )
    assert dict(outcome.artifacts) == {"out/a.json": Digest.of(b"a\n")}


def test_changed_files_are_listed(run):
    outcome = run("sh", "-c", "echo x > /home/app/new; rm /etc/passwd", host={"user": "root"})
    assert {"/home/app/new", "/etc/passwd"} <= set(outcome.changed)
    assert not any(path.startswith("/.seatrial") for path in outcome.changed)


def test_folder_of_the_image_can_be_replaced(sh):
    line = "mkdir /home/app/new; rm -r /home/app; mkdir /home/app && touch /home/app/other && echo /home/app/* /app/*"
    assert sh(line, host={"user": "root"}) == "/home/app/other /app/*\n"


def test_folder_of_the_image_can_be_removed_and_its_parent_too(sh):
    assert sh("rm -r /home; mkdir -p /home/else; echo /home/*", host={"user": "root"}) == "/home/else\n"


def test_runs_share_nothing(sh):
    sh("echo x > /home/app/left; echo x > /tmp/left")
    assert sh("echo /home/app/* /tmp/*") == "/home/app/* /tmp/*\n"


def test_program_is_process_1_where_the_level_says_so(sh):
    assert sh("echo $$", host={"pid1": "app"}) == "1\n"


def test_program_under_init_is_not_process_1(sh):
    assert int(sh("echo $$")) > 1


def test_program_as_process_1_code_is_reported(run):
    assert run("sh", "-c", "exit 7", first_process=FirstProcess.APP).exit_code == 7


def test_reference_every_level_is_proven_from_inside(run):
    outcome = run("true")
    assert {name: each.found for name, each in outcome.evidence.items() if not each.holds} == {}
    assert outcome.evidence.keys() == {each.name for each in FACTORS}


def test_resources_are_told(run):
    outcome = run("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
    assert outcome.resources.cpu_time != 0  # -1 where an engine does not tell
    assert outcome.duration > 0
