"""What a program is given, and how its end is reported."""

import os
import signal
import threading

import pytest

from runtime.backends.native.backend import NativeBackend
from runtime.data import replace
from runtime.digest import Digest
from runtime.errors import BackendError
from runtime.plan import Stdin


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code_of_program_is_reported(run, code):
    outcome = run("sh", "-c", f"exit {code}")
    assert (outcome.exit_code, outcome.signal, outcome.limit) == (code, None, None)


@pytest.mark.parametrize("pid1", ["init", "app"])
@pytest.mark.parametrize("argv", [("/bin/true",), ("true",)])
def test_program_by_path_or_name_succeeds_under_either_first_process(run, pid1, argv):
    outcome = run(*argv, host={"pid1": pid1})
    assert outcome.exit_code == 0, outcome


def test_signal_that_ends_program_is_reported(run):
    outcome = run("sh", "-c", "kill -SEGV $$")
    assert (outcome.exit_code, outcome.signal) == (None, signal.SIGSEGV)


@pytest.mark.parametrize("pid1", ["init", "app"])
def test_missing_program_exits_127_with_message(run, pid1):
    outcome = run("no-such-program", host={"pid1": pid1})
    assert outcome.exit_code == 127
    assert b"no-such-program: No such file or directory" in outcome.stderr.content


def test_file_that_is_not_executable_exits_126_with_message(run):
    outcome = run("/proc/version")
    assert outcome.exit_code == 126
    assert b"Permission denied" in outcome.stderr.content


def test_streams_are_kept_apart_and_hashed(run):
    outcome = run("sh", "-c", "echo out; echo err >&2")
    assert (outcome.stdout.content, outcome.stderr.content) == (b"out\n", b"err\n")
    assert outcome.stdout.digest == Digest.of(b"out\n")


def test_stdout_can_be_opened_again_by_its_path(sh):
    assert sh("echo again > /dev/stdout") == "again\n"


def test_environment_is_exactly_the_plans(run, plan):
    outcome = run("env", "-0")
    found = dict(entry.split(b"=", 1) for entry in outcome.stdout.content.split(b"\0") if entry)
    assert found == {key.encode(): value.encode() for key, value in plan("env").environment.items()}


def test_ids_and_capabilities_of_plain_user_are_the_plans(sh):
    found = sh("cat /proc/self/status")
    fields = dict(line.split(":\t", 1) for line in found.splitlines())
    assert fields["Uid"].split() == ["1000"] * 4
    assert fields["Gid"].split() == ["1000"] * 4
    assert fields["Groups"].strip() == ""
    assert {fields[each] for each in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert fields["CapBnd"] == "00000000a80425fb"
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


def test_root_holds_the_bounding_set_and_nothing_more(sh):
    found = sh("id -u; cat /proc/self/status", host={"user": "root"})
    assert found.startswith("0\n")
    assert "CapEff:\t00000000a80425fb" in found


def test_arbitrary_user_has_its_uid_and_group_0(sh):
    assert sh("id -u; id -g", host={"user": "arbitrary"}) == "1000660000\n0\n"


def test_umask_rlimits_and_workdir_are_the_plans(sh):
    found = sh("umask; ulimit -n; ulimit -Hn; ulimit -c; pwd", host={"umask": "0077", "open-files": "64"})
    assert found.split() == ["0077", "64", "64", "0", "/app"]


def test_stdin_is_null_closed_or_the_callers(native, plan, sh):
    assert sh("readlink /proc/self/fd/0") == "/dev/null\n"
    assert sh("[ -e /proc/$$/fd/0 ] || echo closed", host={"stdin": "closed"}) == "closed\n"


def test_inherited_stdin_reaches_the_program(native, plan):
    reader, writer = os.pipe()
    os.write(writer, b"from the caller")
    os.close(writer)
    try:
        with native.start(plan("cat", stdin=Stdin.INHERITED), stdin=reader) as running:
            assert running.wait().stdout.content == b"from the caller"
    finally:
        os.close(reader)


def test_no_descriptor_of_the_machine_is_left_open(sh):
    assert sh("ls /proc/self/fd").split() == ["0", "1", "2", "3"]


def test_every_level_of_the_reference_holds_with_evidence(run):
    outcome = run("true")
    assert len(outcome.evidence) > 20
    assert {name: each for name, each in outcome.evidence.items() if not each.holds and name not in UNFIT} == {}


UNFIT = {"timezone", "locale"}  # the small tree has no /usr/share/zoneinfo and no locales


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signal_is_handed_on_to_the_program(native, plan, number):
    name = number.name.removeprefix("SIG")
    line = f"trap 'echo got; exit 7' {name}; echo ready; while :; do sleep 0.05; done"
    ready = threading.Event()
    with native.start(plan("sh", "-c", line), listeners=(lambda _: ready.set(), None)) as running:
        assert ready.wait(10)
        running.signal(number)
        outcome = running.wait()
    assert (outcome.exit_code, outcome.stdout.content) == (7, b"ready\ngot\n")


def test_first_process_is_init_or_the_program(sh):
    assert sh("echo $$; read -r -d '' line < /proc/1/cmdline; echo $line", host={"pid1": "app"}).startswith("1\n")
    assert sh("cat /proc/1/comm; cat /proc/1/cmdline").split("\0")[0] == "init\ninit"


def test_init_reaps_orphans(sh):
    found = sh("(sleep 0.05 &) ; sleep 0.3; for s in /proc/[0-9]*/stat; do read -r p c s rest < $s; echo $s; done")
    assert "Z" not in found.split()


def test_wrong_workdir_is_refused(run):
    for number in range(12):
        with pytest.raises(BackendError, match=r"refused|No such file"):
            run("true", workdir=f"/proc/self/fd/{number}")


def test_live_listener_hears_each_chunk(native, plan):
    heard = []
    with native.start(plan("sh", "-c", "echo one; echo two >&2"), listeners=(heard.append, heard.append)) as running:
        running.wait()
    assert sorted(heard) == [b"one\n", b"two\n"]


def test_limit_above_the_machines_is_an_error_that_names_step_and_remedy(native, plan):
    asked = plan("true")
    asked = replace(asked, limits=replace(asked.limits, open_files=999_999_999))
    with pytest.raises(BackendError, match=r"cannot limit nofile to 999999999: .* allows \d+ at most") as caught:
        native.start(asked)
    assert "limits.conf" in caught.value.hint


def test_missing_layer_is_an_error_and_leaves_the_backend_usable(rootfs, tmp_path, plan):
    layers = [(tmp_path / "missing",)]
    with NativeBackend(lambda _: layers[0]) as backend:
        with pytest.raises(BackendError, match="cannot open the layers: FileNotFoundError"):
            backend.start(plan("true"))
        layers[0] = (rootfs,)
        assert backend.start(plan("true")).wait().exit_code == 0
