"""Credentials from docker's programs: what they answer is taken as hostile, and they end, however they behave."""

import base64
import contextlib
import json
import time
from pathlib import Path

import pytest
import urllib3

from pipeline.declare.errors import FetchError
from pipeline.registry.access import Access
from pipeline.registry.credential_program import Credential, ask_program
from pipeline.registry.credentials import find_credential
from pipeline.registry.http import Connections
from pipeline.registry.registry import Registry
from runtime.oci.remote import parse_remote

SECRET = "s3cr3t-of-a-test"  # noqa: S105
ANN = Credential(name="ann", secret=SECRET)
ANSWER = json.dumps({"ServerURL": "x", "Username": "ann", "Secret": SECRET})


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that installs a program, a shell script, as docker-credential-NAME."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def install(name, script):
        path = folder / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return install


def config(folder, content):
    file = folder / "config.json"
    file.write_text(json.dumps(content))
    return (file,)


def test_program_gets_the_name_of_the_registry_and_gives_name_and_password(program, tmp_path):
    program("here", f"echo \"$1\" > {tmp_path}/asked; cat >> {tmp_path}/asked; echo '{ANSWER}'")
    assert ask_program("here", "registry.example.org") == ANN
    assert (tmp_path / "asked").read_text() == "get\nregistry.example.org"


def test_program_that_keeps_nothing_for_a_registry_is_no_error(program):
    program("none", "echo credentials not found in native keychain; exit 1")
    assert ask_program("none", "registry.example.org") is None


def test_program_that_does_not_read_its_question_is_heard(program):
    program("deaf", f"exec 0<&-; sleep 0.1; echo '{ANSWER}'")
    assert ask_program("deaf", "registry.example.org") == ANN


def test_identity_token_is_told_from_a_password(program):
    program("token", """echo '{"Username": "<token>", "Secret": "t"}'""")
    assert ask_program("token", "x.example") == Credential(name="", secret="t", is_identity=True)  # noqa: S106


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (f"echo '{SECRET}'", "something else than Username and Secret"),
        (f"echo '[\"{SECRET}\"]'", "something else"),
        ("""echo '{"Username": 1, "Secret": "x"}'""", "something else"),
        ("""echo '{"Username": "a", "Secret": ""}'""", "something else"),
        ("exit 0", "something else"),
        ("head -c 100000 /dev/zero | tr '\\0' '['", "more than the 65536 bytes"),
        ("printf '\\033[2J the vault is locked\\nmore'; exit 1", r"has no credentials of x\.example: \?\[2J the vault"),
        ("exit 3", "it ended with 3"),
        ("kill -9 $$", "it ended with -9"),
        ("yes", "more than the 65536 bytes"),
    ],
)
def test_answer_of_another_form_is_refused_without_what_it_holds(program, script, message):
    program("bad", script)
    with pytest.raises(FetchError, match=message) as refused:
        ask_program("bad", "x.example")
    assert SECRET not in str(refused.value)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    "script", ["sleep 60", "sleep 60 & exit 0", "trap '' TERM; while :; do :; done", "exec >&-; sleep 60"]
)
def test_program_that_takes_too_long_is_ended_with_its_children(program, script, tmp_path):
    program("slow", f"echo $$ > {tmp_path}/pid; {script}")
    began = time.monotonic()
    with pytest.raises(FetchError, match=r"did not (answer|end) within 0\.5 s"):
        ask_program("slow", "x.example", seconds=0.5)
    assert time.monotonic() - began < 5
    group = int((tmp_path / "pid").read_text())
    while alive_in_group(group) and time.monotonic() - began < 5:
        time.sleep(0.01)  # A signal takes a moment.
    assert alive_in_group(group) == []


def alive_in_group(group):
    """Return the processes of a group; one that has ended may wait for its parent to ask for it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, member = path.read_text().rpartition(")")[2].split()[:3]
            found += [path.parent.name] if int(member) == group and state not in "ZX" else []
    return found


def test_program_that_is_not_installed_is_named_with_what_to_do(program):
    with pytest.raises(FetchError, match="docker-credential-absent, which keeps the credentials") as refused:
        ask_program("absent", "x.example")
    assert "credsStore" in refused.value.hint


def test_program_that_cannot_be_started_is_named(program):
    program("odd", "").write_text("#!/nowhere\n")
    with pytest.raises(FetchError, match="docker-credential-odd cannot be started"):
        ask_program("odd", "x.example")


@pytest.mark.parametrize("name", ["../x", "a/b", "", "-x", "a b", "x\n", "a" * 65])
def test_name_of_a_program_is_no_path(name):
    with pytest.raises(FetchError, match="is no name of a credential program"):
        ask_program(name, "x.example")


def test_program_of_a_registry_counts_before_that_of_all_and_before_the_file(program, tmp_path):
    program("one", f"echo '{ANSWER}'")
    program("all", """echo '{"Username": "all", "Secret": "x"}'""")
    program("none", "echo credentials not found in native keychain; exit 1")
    written = base64.b64encode(b"file:x").decode()
    content = {
        "credHelpers": {"a.example": "one", "b.example": "none"},
        "credsStore": "all",
        "auths": {"b.example": {"auth": written}, "c.example": {"auth": written}},
    }
    found = {host: find_credential(config(tmp_path, content), host, "app").name for host in ("a.example", "c.example")}
    assert found == {"a.example": "ann", "c.example": "all"}
    content["credsStore"] = "none"
    assert find_credential(config(tmp_path, content), "b.example", "app").name == "file"
    assert find_credential(config(tmp_path, content), "d.example", "app") is None


def test_docker_hub_has_the_name_that_docker_gives_it(program, tmp_path):
    program("hub", f"cat > {tmp_path}/asked; echo '{ANSWER}'")
    for content in ({"credHelpers": {"index.docker.io": "hub"}}, {"credsStore": "hub"}):
        assert find_credential(config(tmp_path, content), "docker.io", "library/debian") == ANN
        assert (tmp_path / "asked").read_text() == "https://index.docker.io/v1/"


@pytest.mark.parametrize("content", [{"credHelpers": []}, {"credsStore": 1}, {"credHelpers": {"a.example": ["x"]}}])
def test_malformed_names_of_programs_are_refused(tmp_path, content):
    with pytest.raises(FetchError, match=r"config\.json cannot be read"):
        find_credential(config(tmp_path, content), "a.example", "app")


def test_registry_that_lets_nobody_else_in_is_read_with_what_a_program_keeps(closed_debian, program, tmp_path):
    headers = {"Authorization": f"Basic {base64.b64encode(b'ann:secret').decode()}"}
    opened = urllib3.request("POST", f"http://{closed_debian}/v2/team/app/blobs/uploads/", headers=headers)
    assert opened.status == 202
    program("kept", """echo '{"Username": "ann", "Secret": "secret"}'""")
    for name, is_let_in in (("kept", True), ("wrong", False)):
        program("wrong", """echo '{"Username": "ann", "Secret": "other"}'""")
        files = config(tmp_path, {"credHelpers": {closed_debian: name}})
        connections = Connections(Access(registry_files=files), size=1)
        registry = Registry(parse_remote(f"{closed_debian}/team/app:1"), connections)
        try:
            if is_let_in:
                assert registry.tags() == ()
            else:
                with pytest.raises(FetchError, match="access is refused") as refused:
                    registry.tags()
                assert "docker login" in refused.value.hint
        finally:
            connections.close()
