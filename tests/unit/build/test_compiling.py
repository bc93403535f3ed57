"""What the commands of a stage are run with, and what is said of one that fails: data alone."""

import pytest

from pipeline.build.compiling import Commands, _failure, _plan
from pipeline.build.taking import Taking, takings
from pipeline.declare.image import BuiltImage
from runtime.digest import Digest
from runtime.outcome import Outcome, Stream

COMMANDS = Commands(
    stage="build", run=(("cc", "a b.c"), ("make",)), workdir="/src", environment={"CFLAGS": "-O2", "LANG": "C"}
)


def stream(content):
    return Stream(content=content, size=len(content), digest=Digest.of(content))


def failed(stdout=b"", stderr=b"", **ends):
    return _failure(COMMANDS, 1, Outcome(stdout=stream(stdout), stderr=stream(stderr), **ends))


def test_every_command_has_the_same_surroundings_and_the_variables_of_its_stage():
    plan = _plan(("make",), COMMANDS, 1_700_000_000, "seatrial")
    assert plan.environment["SOURCE_DATE_EPOCH"] == "1700000000"
    assert (plan.environment["CFLAGS"], plan.environment["LANG"], plan.environment["TZ"]) == ("-O2", "C", "UTC")
    assert (plan.workdir, plan.user.uid, plan.umask) == ("/src", 0, 0o022)


def test_commands_share_tmp_and_take_what_memory_there_is():
    plan = _plan(("make",), COMMANDS, 0, "seatrial")
    assert "/tmp" not in {each.path for each in plan.tmpfs}
    assert plan.limits.memory is None


def test_failed_command_is_told_with_its_place_its_end_and_its_last_words():
    error = failed(stdout=b"compiling\n", stderr=b"x" * 9000 + b"\nb.c:1: no such type\n", exit_code=1)
    assert "stage build: command 1 of 2, `cc 'a b.c'` in /src, failed (exit 1): " in error.message
    assert error.message.endswith("b.c:1: no such type\ncompiling")
    assert len(error.message) < 2000
    assert error.hint == ""


@pytest.mark.parametrize(
    ("ends", "told"), [({"signal": 9}, "signal 9"), ({"limit": "deadline", "signal": 9}, "deadline")]
)
def test_command_that_was_ended_is_told_by_what_ended_it(ends, told):
    assert f"failed ({told}): it wrote nothing" in failed(exit_code=None, **ends).message


def test_program_that_is_not_there_is_told_with_where_to_add_it():
    assert "`packages`" in failed(exit_code=127).hint


def test_what_is_taken_from_a_stage_is_sorted_and_each_once():
    image = BuiltImage.model_validate(
        {
            "debian": "bookworm",
            "files": [
                {"stage": "b", "from": "/out/z", "to": "/z"},
                {"stage": "b", "from": "/out/z/", "to": "/elsewhere", "mode": "0755"},
                {"stage": "b", "from": "/out", "to": "/a", "only": ["a"]},
                {"stage": "c", "from": "/out/c", "to": "/c"},
            ],
        }
    )
    assert takings("b", image.files) == (Taking(path="/out", only=("a",)), Taking(path="/out/z"))
