"""The launcher and Python answer the same questions alike: what proves a level must not depend on who asks."""

import json
import os
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from runtime.factors.questions import _ANSWERS, answer, parse_answers
from runtime.launcher import launcher_path

ROOT = Path(__file__).parents[2]
MOVING = ("clocks", "now")  # a second may end between the two
FREE = 64 << 20  # bytes that others may write meanwhile

ASK = """
import json, signal, sys
sys.path.insert(0, sys.argv[1])
from runtime.factors.questions import answer
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.SIG_IGN)
found = {each: answer(each) for each in json.loads(sys.argv[2])}
print(json.dumps({each: None if raw is None else raw.hex() for each, raw in found.items()}))
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / "work" / name).mkdir(parents=True)
    (tmp_path / "work" / "file").write_text("text\0tr_TR.utf8\0")
    (tmp_path / "work" / "link").symlink_to("file")
    (tmp_path / "told").write_text("#!/bin/sh\nprintf 'one\\ntwo'\n")
    (tmp_path / "failing").write_text("#!/bin/sh\necho three\nexit 3\n")
    for name in ("told", "failing"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


def questions_in(folder):
    work = folder / "work"
    return (
        f"attributes {work}/file",
        f"attributes {work}/missing",
        "clocks",
        "clone3",
        f"contains {work}/file tr_TR.utf8",
        f"contains {work}/file de_DE.utf8",
        "cpus",
        "descriptor 0",
        "descriptor 9",
        f"entries {work}",
        f"entries {work}/missing",
        "folder",
        f"free {work}",
        "getrandom",
        "groups",
        "ids",
        "ignored",
        "inotify",
        "interfaces",
        "kernel",
        "limit 7",
        f"link {work}/link",
        f"link {work}/file",
        f"head {work}/missing",
        f"head {work}/file",
        "head /bin/sh",
        f"may-read {work}/missing",
        f"may-read {work}/file",
        f"may-write {work}",
        "name",
        "no-new-privileges",
        "now",
        "personality",
        f"read {work}/file",
        f"read {work}/missing",
        f"rename {work}",
        f"rename {work}/a",
        f"rename {work}/missing",
        f"run {folder}/told",
        f"run {folder}/failing",
        f"run {folder}/missing",
        "socket 10",
        "socket 99",
        f"space {work}",
        "umask",
        "user-namespace",
        "variable HERE",
        "variable NOWHERE",
        "window 0",
        "window 9",
        "nonsense",
    )


def by_launcher(folder, questions):
    (folder / "questions").write_text("".join(f"{each}\n" for each in questions))
    command = [launcher_path(), "--ignore", "2", "--ask", folder / "questions", folder / "answers", "--", "/bin/true"]
    command = ["sh", "-c", "trap '' HUP; exec \"$@\"", "nohup", *command]  # what callers ignore is none of a run's
    subprocess.run(command, cwd=folder, env={"HERE": "yes"}, stdin=subprocess.DEVNULL, check=True, timeout=60)
    answers = parse_answers(questions, (folder / "answers").read_bytes())
    return {each: answers.raw(each) if answers.succeeded(each) else None for each in questions}


def by_python(folder, questions):
    command = [sys.executable, "-c", ASK, str(ROOT), json.dumps(questions)]
    run = subprocess.run(
        command, cwd=folder, env={"HERE": "yes"}, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60
    )
    return {each: None if raw is None else bytes.fromhex(raw) for each, raw in json.loads(run.stdout).items()}


def test_launcher_and_python_answer_alike(folder):
    if launcher_path() is None:
        pytest.skip("the launcher was not built")
    questions = questions_in(folder)
    assert {each.partition(" ")[0] for each in questions} == {*_ANSWERS, "nonsense"}
    launcher, python = by_launcher(folder, questions), by_python(folder, questions)
    for each in questions:
        if each.startswith((*MOVING, "free")):
            within = FREE if each.startswith("free") else 5
            pairs = zip(launcher[each].split(), python[each].split(), strict=True)
            assert all(abs(int(one) - int(other)) <= within for one, other in pairs), each
        else:
            assert launcher[each] == python[each], each


def test_launcher_and_python_find_the_same_window(tmp_path):
    if launcher_path() is None:
        pytest.skip("the launcher was not built")
    other, terminal = os.openpty()
    with os.fdopen(other), os.fdopen(terminal):
        termios.tcsetwinsize(terminal, (24, 132))
        assert answer(f"window {terminal}") == b"132x24"
        (tmp_path / "questions").write_text("window 0\n")
        command = [launcher_path(), "--ask", tmp_path / "questions", tmp_path / "answers", "--", "/bin/true"]
        subprocess.run(command, stdin=terminal, check=True, timeout=60)
        assert (tmp_path / "answers").read_bytes() == b"6\n132x24"


def test_questions_leave_nothing_behind(folder):
    before = sorted(os.listdir(folder / "work"))  # noqa: PTH208
    by_python(folder, questions_in(folder))
    assert sorted(os.listdir(folder / "work")) == before  # noqa: PTH208


CHOOSE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from runtime.backends.native.steps.rights import UseCpus
UseCpus(1, tuple(map(int, sys.argv[2].split(",")))).execute(None)
os.execv("/bin/cat", ["cat", "/proc/self/status"])
"""


@pytest.mark.parametrize("cpu", sorted(os.sched_getaffinity(0)))
def test_run_with_fewer_cpus_stays_where_the_kernel_put_it(cpu):
    usable = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    for command in (
        [str(launcher_path()), "--cpus", f"1:{usable}", "--", "/bin/cat", "/proc/self/status"],
        [sys.executable, "-c", CHOOSE, str(ROOT), usable],
    ):
        put = ["taskset", "--cpu-list", str(cpu), *command]
        told = subprocess.run(put, capture_output=True, text=True, check=True, timeout=60).stdout
        assert f"Cpus_allowed_list:\t{cpu}\n" in told
