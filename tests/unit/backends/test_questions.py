"""Questions of probes, answered by Python here and by the launcher elsewhere, read the same way."""

import os

import pytest

from runtime.factors import FACTORS
from runtime.factors.questions import MOUNTS, STATUS, UID_MAP, Answers, answer, parse_answers
from runtime.plan import Plan


def written(*answers: bytes | None) -> bytes:
    return b"".join(b"-1\n" if each is None else b"%d\n%s" % (len(each), each) for each in answers)


def test_answers_of_the_launcher_are_read_as_written():
    found = parse_answers(("name", "umask", "variable X"), written(b"ship", b"line\n12\n", None))
    assert found.text("name") == "ship"
    assert found.text("umask") == "line\n12\n"
    assert not found.succeeded("variable X")


def test_place_of_a_mount_is_read_without_the_kernels_escapes():
    line = rb"127 410 0:139 / /opt/app\040dir\040(x) rw,nosuid - tmpfs tmpfs rw,size=4194304k" + b"\n"
    (mount,) = Answers({MOUNTS: line}).mounts()
    assert (mount.place, mount.kind) == ("/opt/app dir (x)", "tmpfs")


@pytest.mark.parametrize(
    "broken", [b"", b"x\n", b"9\nship", b"4\nship", b"99999999999999999999999999999999999999\n", written(b"ship")[:-1]]
)
def test_answers_that_are_cut_off_are_refused(broken):
    with pytest.raises(ValueError, match=r"."):
        parse_answers(("name", "umask"), broken)


def test_status_without_a_field_is_zero():
    answers = Answers({STATUS: b"Name:\tx\nSeccomp:\t2\n"})
    assert (answers.status("Seccomp"), answers.status("NoNewPrivs")) == ("2", "0")


@pytest.mark.parametrize(
    ("table", "one"), [(b"0 5 1\n", True), (b"0 0 4294967295\n", False), (b"0 5 1\n1 9 9\n", False)]
)
def test_one_id_is_told_by_the_map(table, one):
    assert Answers({UID_MAP: table}).has_one_id() is one


def test_question_that_fails_has_no_answer(tmp_path):
    assert answer(f"read {tmp_path}/missing") is None
    assert answer("variable SEATRIAL_NO_SUCH_VARIABLE") is None
    assert answer("nonsense") is None


def test_file_is_searched_across_blocks(tmp_path):
    file = tmp_path / "archive"
    file.write_bytes(bytes(65530) + b"tr_TR.utf8\0")
    assert answer(f"contains {file} tr_TR.utf8") == b"yes"
    assert answer(f"contains {file} de_DE.utf8") == b"no"


def test_tries_tell_the_errno(tmp_path):
    assert answer(f"may-write {tmp_path}") == b"yes"
    assert list(tmp_path.iterdir()) == []
    assert answer(f"may-read {tmp_path}/missing") == b"2"


def test_own_process_is_answered_for():
    assert answer("folder") == os.fsencode(os.getcwd())  # noqa: PTH109 - the kernel's word
    assert (answer("ids") or b"").split()[0] == b"%d" % os.getuid()
    assert (answer("cpus") or b"") == b"%d" % len(os.sched_getaffinity(0))


@pytest.mark.parametrize("factor", FACTORS, ids=lambda each: each.name)
def test_probe_reads_only_what_was_asked(factor, plan_here: Plan):
    """A probe that looks at an unasked question would see nothing elsewhere."""
    asked = set(factor.questions(plan_here))

    class Watched(dict):
        def get(self, question):
            assert question in asked, f"{factor.name} reads {question!r} without asking"
            return answer(question)

    if not factor.accounted:
        factor.probe(plan_here, Answers(Watched()))
