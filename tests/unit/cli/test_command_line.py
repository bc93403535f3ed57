import argparse
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli import faults, stopping
from pipeline.cli.arguments import VERBS, UsageError, parse, verb_of
from pipeline.cli.command_line import start
from pipeline.cli.completion import bash, completions, fish, zsh
from pipeline.cli.lock import split_upgrade
from pipeline.cli.options import store_path
from pipeline.cli.report import FORMATS
from pipeline.cli.run import exit_code, parse_levels
from pipeline.cli.specs import NoSpecsError, named_specs, one_spec
from pipeline.declare.errors import FetchError, NotReproducibleError, SpecError, StaleLockError, VerifyError
from runtime.digest import Digest
from runtime.errors import BackendError, StoreError
from runtime.oci.layout import Layout
from runtime.outcome import Limit, Outcome, Stream

GOLDEN = Path(__file__).parents[2] / "golden" / "report"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder with a store of its own, and put the signals back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_STORE", str(tmp_path / "store"))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("row", VERBS, ids=lambda row: row.name)
def test_help_of_every_verb_begins_with_an_example(row, capsys):
    with pytest.raises(SystemExit) as stop:
        start([row.name, "--help"], program="seatrial")
    lines = capsys.readouterr().out.splitlines()
    assert stop.value.code == 0
    assert lines[0] == "examples:"
    assert lines[1].startswith(("  seatrial ", "  verify"))
    assert max(len(line) for line in lines) <= 100


def test_help_of_verify_alone_shows_its_own_name(capsys):
    with pytest.raises(SystemExit):
        start(["--help"], program="verify")
    assert "usage: verify [" in capsys.readouterr().out


def test_global_options_stand_before_and_after_the_verb():
    before = parse(["--json", "--seed", "7", "verify", "a.yaml"]).arguments
    after = parse(["verify", "a.yaml", "--json", "--seed", "7"]).arguments
    alone = parse(["a.yaml", "--json", "--seed", "7"], program="verify").arguments
    for each in (before, after, alone):
        assert (each.json, each.seed, each.specs, each.quiet) == (True, 7, ["a.yaml"], False)


def test_global_option_after_the_verb_wins():
    assert parse(["--jobs", "1", "verify", "--jobs", "2"]).arguments.jobs == 2


def test_command_after_dashes_is_left_as_it_is():
    found = parse(["run", "web", "--set", "umask=0077", "--", "python3", "--json", "--", "-x"]).arguments
    assert found.command == ["python3", "--json", "--", "-x"]
    assert found.json is False
    assert parse(["run", "web"]).arguments.command is None


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["verfy"], "unknown command 'verfy'; did you mean 'verify'?"),
        (["gate", "web"], "the following arguments are required: --stage"),
        (["verify", "--lockd"], "unknown option '--lockd'; did you mean '--locked'?"),
        (["verify", "--jobs", "0"], "0 is less than 1"),
        (["build"], "SPEC"),
        ([], "no command given"),
        (["verify", "--budget", "20"], "--budget"),
        (["verify", "--budget", "0m"], "longer than zero"),
        (["run", "x", "--set", "umask"], "want FACTOR=LEVEL"),
        (["report", "--format", "htm"], "there is no such format"),
        (["report", "--format", "json"], "no report at .seatrial/report.json"),
        (["verify", "wbe"], "no spec 'wbe'"),
    ],
)
def test_mistake_of_the_user_is_told_without_a_traceback(argv, said, capsys):
    Path("envs").mkdir()
    Path("envs/web.yaml").touch()
    code = start(argv, program="seatrial")
    error = capsys.readouterr().err
    assert code == (125 if argv[:1] == ["run"] else 2)
    assert said in error
    assert "hint: " in error or argv[:1] == ["verify"]
    assert "Traceback" not in error


@pytest.mark.parametrize("verb", ["plan"])
def test_verb_of_a_later_version_is_unknown(verb):
    with pytest.raises(UsageError, match="unknown command"):
        parse([verb])


def test_verify_without_specs_names_the_next_command(capsys):
    assert start([], program="verify") == 2
    captured = capsys.readouterr()
    assert captured.err == "No specs found. To write the first one: seatrial init\n"
    assert captured.out == ""


def test_error_is_one_document_where_json_is_asked_for(capsys):
    assert start(["--json"], program="verify") == 2
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "https://seatrial.dev/error/v1"
    assert document["error"]["exit"] == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError("x"), 2),
        (StaleLockError("x"), 2),
        (FetchError("x"), 2),
        (StoreError("x"), 2),
        (NotReproducibleError("x"), 1),
        (VerifyError("x"), 3),
        (BackendError("x"), 3),
    ],
)
def test_exit_code_of_error(error, code):
    assert faults.exit_code_of(error) == code


def test_error_message_cannot_drive_the_terminal(capsys):
    faults.show(SpecError("bad \x1b[2J", hint="try \u202e"), as_json=False, exit_code=2)
    assert capsys.readouterr().err == "error: bad \\x1b[2J\nhint: try \\u202e\n"


def test_internal_error_leaves_its_traceback_in_a_file(tmp_path, capsys):
    try:
        raise ZeroDivisionError("one\nover \x1b[2J zero")  # noqa: TRY301 - it needs a traceback
    except ZeroDivisionError as error:
        faults.show_internal(error, ["verify"], [tmp_path / "missing", tmp_path])
    said = capsys.readouterr().err
    path = Path(said.split()[-1])
    assert path.parent == tmp_path
    assert "Traceback" in path.read_text()
    assert "Traceback" not in said
    assert "\x1b" not in said


def test_signal_becomes_an_exception_and_an_exit_code():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stopping.install()
    with pytest.raises(stopping.Terminated) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopping.exit_code(stop.value) == 143
    assert stopping.exit_code(KeyboardInterrupt()) == 130


def test_second_signal_ends_at_once_unless_it_tells_the_first_again(capfd):
    times, codes = iter((0.0, 0.4, 0.6)), []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with it ignored
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stopping.install(clock=lambda: next(times), leave=codes.append)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    assert codes == []
    os.kill(os.getpid(), signal.SIGTERM)
    assert codes == [143]
    assert "the next start removes what is left" in capfd.readouterr().err


def test_ignored_signal_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stopping.install()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_specs_alone_are_those_in_envs_without_bases():
    Path("envs").mkdir()
    for name in ("b", "a", "_base"):
        Path(f"envs/{name}.yaml").touch()
    assert named_specs([]).paths == (Path("envs/a.yaml"), Path("envs/b.yaml"))
    assert named_specs(["envs/_base.yaml", "envs/b.yaml", "b"]).paths == (Path("envs/b.yaml"),)
    assert named_specs(["envs/[ab].yaml"]).paths == (Path("envs/a.yaml"), Path("envs/b.yaml"))
    assert one_spec("a") == Path("envs/a.yaml")


def test_specs_of_an_empty_project_are_none():
    with pytest.raises(NoSpecsError):
        named_specs([])


def test_spec_with_image_is_split_at_the_first_equals_sign():
    Path("envs").mkdir()
    Path("envs/web.yaml").touch()
    named = named_specs(["web=registry.example.org/web@sha256:0=1"])
    assert named.images == {"envs/web.yaml": "registry.example.org/web@sha256:0=1"}
    with pytest.raises(UsageError, match="names no image"):
        named_specs(["web="])


def test_levels_are_split_at_the_first_equals_sign():
    assert parse_levels(["environment=A=b", "umask=0077"]) == {"environment": "A=b", "umask": "0077"}
    with pytest.raises(UsageError, match="is set to"):
        parse_levels(["umask=0077", "umask=0002"])


@given(st.from_regex(r"[a-z-]+", fullmatch=True), st.text())
def test_level_is_kept_exactly_as_written(factor, level):
    assert parse_levels([f"{factor}={level}"]) == {factor: level}


def test_upgrade_tells_packages_from_specs():
    assert split_upgrade(["web"], None) == (["web"], None)
    assert split_upgrade(["web"], [""]) == (["web"], ())
    assert split_upgrade([], ["envs/web.yaml"]) == (["envs/web.yaml"], ())
    assert split_upgrade(["web"], ["tzdata", "curl"]) == (["web"], ("tzdata", "curl"))


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ({"exit_code": 0}, 0),
        ({"exit_code": 3}, 3),
        ({"exit_code": None, "signal": 11}, 139),
        ({"exit_code": None, "limit": Limit.DEADLINE}, 124),
        ({"exit_code": None, "limit": Limit.OOM}, 137),
        ({"exit_code": None, "limit": Limit.OUTPUT}, 125),
    ],
)
def test_run_exits_as_the_command_did(end, code):
    nothing = Stream(content=b"", size=0, digest=Digest.of(b""))
    assert exit_code(Outcome(stdout=nothing, stderr=nothing, **end)) == code


def test_store_is_that_of_the_option_the_variable_or_the_user(monkeypatch, tmp_path):
    assert store_path(argparse.Namespace(store="here")) == tmp_path / "here"
    assert store_path(SimpleNamespace(store=None)) == tmp_path / "store"
    monkeypatch.delenv("SEATRIAL_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert store_path(SimpleNamespace(store=None)) == Path("/data/seatrial")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert store_path(SimpleNamespace(store=None)) == Path.home() / ".local/share/seatrial"


@pytest.mark.parametrize("form", FORMATS)
def test_report_is_written_in_every_format(form, capsys):
    assert start(["report", str(GOLDEN / "everything.json"), "--format", form], program="seatrial") == 0
    out = capsys.readouterr().out
    assert "1 test fails on the reference" in out
    if form == "json":
        assert out == (GOLDEN / "everything.json").read_text()


def test_init_writes_a_spec_once(capsys):
    Path("tests").mkdir()
    Path("shop.py").touch()
    assert start(["init"], program="seatrial") == 0
    captured = capsys.readouterr()
    written = Path(captured.out.strip())
    assert written.read_text().startswith("# yaml-language-server")
    assert captured.err.splitlines()[-1] == "  verify"
    assert start(["init"], program="seatrial") == 2
    assert "is left as it is" in capsys.readouterr().err
    assert start(["init", "--print"], program="seatrial") == 0
    assert capsys.readouterr().out == written.read_text()


def test_levels_of_every_factor_are_listed(capsys):
    assert start(["hosts", "--levels", "--json"], program="seatrial") == 0
    factors = json.loads(capsys.readouterr().out)["factors"]
    assert {"umask", "user", "timezone"} <= {each["name"] for each in factors}
    assert start(["hosts", "--levels"], program="seatrial") == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert {each["name"] for each in factors} <= set(lines)


def test_cache_names_a_damaged_package(capsys, tmp_path):
    digits = "ab" * 32
    damaged = tmp_path / "store" / "cache" / "sha256" / "ab" / digits
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"x" * 2**20)
    assert start(["cache"], program="seatrial") == 0
    assert "1.0 MiB" in capsys.readouterr().out
    assert start(["cache", "--verify"], program="seatrial") == 1
    assert str(damaged) in capsys.readouterr().out


def test_cache_names_every_damaged_blob_and_no_unfinished_one(capsys, tmp_path):
    layout = Layout(tmp_path / "store" / "oci")
    damaged = [layout.path(layout.write(content, "text/plain").digest) for content in (b"a", b"b", b"c")]
    for path in damaged[:2]:
        path.write_bytes(b"changed")
    (damaged[0].parent / ".new-0").write_bytes(b"half")
    (damaged[0].parent / "stray").write_bytes(b"x")
    assert start(["cache", "--verify"], program="seatrial") == 1
    said = capsys.readouterr().out
    assert [str(path) in said for path in damaged] == [True, True, False]
    assert "stray is no blob" in said
    assert ".new-0" not in said


def test_completion_knows_verbs_options_hosts_and_levels():
    found = completions()
    assert [each.verb for each in found] == [row.name for row in VERBS]
    for script in (bash(found), zsh(found), fish(found)):
        assert all(word in script for word in ("umask=0077", "openshift", "junit", "standard", "budget", "doctor"))


def test_completion_offers_the_choices_of_each_verb_for_an_option_that_two_have():
    found = {each.verb: each.values["--format"] for each in completions() if "--format" in each.values}
    assert "spdx" in found["bill"]
    assert "junit" not in found["bill"]
    assert found["report"] == FORMATS
    assert "spdx" not in found["report"]


def test_verb_is_found_behind_options_with_values():
    assert verb_of(["--store", "run", "--json", "verify", "run"]) == "verify"
    assert verb_of(["--nonsense"]) == ""
