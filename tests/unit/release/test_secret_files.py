"""Secrets in files: which files are read, what a value may be, and what is hidden of one."""

import os

import pytest

from pipeline.declare.errors import SpecError
from pipeline.declare.stage_file import DeployPart, SecretPart
from pipeline.release.secret_source import MOST, read_secrets
from pipeline.release.targets.marks import masked
from pipeline.release.targets.native import masked as masked_bytes

VALUE = "hunter2-hunter2"
KEY = "-----BEGIN PRIVATE KEY-----\r\nMIGHAgEAMBMG\r\nx=\r\n-----END PRIVATE KEY-----\r\n"


def read(folder, content, *, mode=0o600, file="secret", **environment):
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return read_secrets([SecretPart(name="TOKEN", file=file)], folder, environment)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_value_is_the_file_without_the_end_of_its_last_line(tmp_path, ending):
    assert read(tmp_path, VALUE.encode() + ending) == {"TOKEN": VALUE}


def test_other_line_ends_are_of_the_value(tmp_path):
    assert read(tmp_path, b"\na\n\n") == {"TOKEN": "\na\n"}


def test_file_of_the_home_is_found_there(tmp_path):
    assert read(tmp_path, b"x", file="~/secret", HOME=str(tmp_path)) == {"TOKEN": "x"}


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o610, 0o666])
def test_file_that_is_open_to_others_is_refused_with_the_command_that_closes_it(tmp_path, mode):
    with pytest.raises(SpecError, match=f"open to others \\(mode {mode:04o}\\)") as found:
        read(tmp_path, VALUE.encode(), mode=mode)
    assert found.value.hint == f"run `chmod 600 {tmp_path}/secret`"
    assert VALUE not in str(found.value)


UNFIT = {
    "is empty": b"\n",
    "no UTF-8": b"\xff" + VALUE.encode(),
    "holds NUL": VALUE.encode() + b"\0",
    "longer than 64 KiB": b"x" * (MOST + 1),
    "longer than 64 Ki": b"x" * MOST + b"\r\nmore",
}


@pytest.mark.parametrize("what", UNFIT)
def test_value_that_no_variable_can_have_is_refused_and_not_shown(tmp_path, what):
    with pytest.raises(SpecError, match=f"the secret TOKEN {what}|{what}") as found:
        read(tmp_path, UNFIT[what])
    assert VALUE not in str(found.value)
    assert read(tmp_path, b"x" * MOST)["TOKEN"] == "x" * MOST


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for file, reason in (("pipe", "is no file"), ("", "is no file"), ("gone", "No such file")):
        with pytest.raises(SpecError, match=reason):
            read_secrets([SecretPart(name="TOKEN", file=str(tmp_path / file))], tmp_path, {})


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"name": "A"}, "in one place"),
        ({"name": "A", "file": "x", "command": ["y"]}, "in one place"),
        ({"name": "A", "command": []}, "at least 1"),
    ],
)
def test_secret_is_in_one_place(entry, reason):
    with pytest.raises(ValueError, match=reason):
        DeployPart.model_validate({"secrets": [entry]})


def test_secret_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="the secret A stands there twice"):
        DeployPart.model_validate({"secrets": ["A", {"name": "A", "file": "x"}]})


def test_value_of_several_lines_is_hidden_line_by_line():
    lines = [line for line in KEY.splitlines() if len(line) > 2]
    log = "".join(f"12:00 web {line}\n" for line in lines)
    for shown in (masked(log, {"KEY": KEY}), masked_bytes(log.encode(), {"KEY": KEY}).decode()):
        assert not any(line in shown for line in lines)
        assert shown.count("12:00 web ") == len(lines)
    assert "x= of the app" in masked("x= of the app", {"KEY": KEY})
