"""`deploy`, `drift` and `scale` by the command, after a promotion: what they do, and what stops them."""

import http.client
import json
import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "promotion"))
sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from project import PASSES, Project

from pipeline.release.bundle import parse_bundle
from pipeline.release.deployment import PREDICATE
from pipeline.release.evidence import find_evidence
from pipeline.release.private_key import machine_key
from pipeline.release.signing import verify
from pipeline.release.targets.native import NativeTarget
from runtime.digest import Digest
from runtime.oci.attached import AttachedLayout
from runtime.oci.layout import Layout

SERVE = ["/bin/busybox", "httpd", "-f", "-p", "8000", "-h", "/etc"]
ASK = ["/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8000/passwd"]
POLICY = {"hosts": ["reference", "hardened"]}
HEALTH = {"http": "/passwd", "port": 8000, "within": "60s"}


@pytest.fixture(scope="module")
def promoted(tmp_path_factory):
    """A project whose image is live in its one stage."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    made = Project(tmp_path_factory.mktemp("project"), hosts=("hardened",))
    made.write(PASSES, hosts=("hardened",), Cmd=SERVE, User="1000:1000", ExposedPorts={"8000/tcp": {}})
    made.stage("dev", policy=POLICY)
    made.run("verify", "web")
    made.run("promote", "web", "--to", "dev")
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def project(promoted, free_port):
    """The project, with a stage that deploys; what runs is ended afterwards."""
    promoted.port = free_port
    deploys(promoted)
    yield promoted
    NativeTarget(promoted.store).remove("web", "dev")
    (promoted.store / "deployments" / "web" / "dev.json").unlink(missing_ok=True)


def deploys(project, policy=POLICY, **part):
    project.stage("dev", policy=policy, deploy={"port": project.port, "health": HEALTH, "smoke": ASK, **part})


def answer(project):
    connection = http.client.HTTPConnection("127.0.0.1", project.port, timeout=10)
    connection.request("GET", "/passwd")
    found = connection.getresponse()
    content = found.read()
    connection.close()
    return found.status, content


def stage_layout(project):
    return Layout(project.store / "stages" / "dev" / "web")


def test_live_release_is_deployed_read_back_signed_scaled_and_ended(project):
    done = project.json("deploy", "web", "--stage", "dev")
    assert (done["release"], done["image"], done["number"]) == (project.image, project.image, 1)
    assert [each["digests"] for each in done["replicas"]] == [[project.image]]
    assert answer(project)[0] == 200
    (claim,) = find_evidence(Digest(project.image), AttachedLayout(stage_layout(project)), PREDICATE)
    key = machine_key(project.folder / "keys").public
    statement = verify(parse_bundle(claim.bundle), [key]).statement
    assert statement.predicate["acceptance"]["digest"]["sha256"] == done["acceptance"].removeprefix("sha256:")
    assert project.json("drift", "web", "--stage", "dev")["drifts"] == []
    assert len(project.json("scale", "web", "--stage", "dev", 3)["replicas"]) == 3
    assert "no drift: 3 containers" in project.run("drift", "web", "--stage", "dev").stdout
    assert len(project.json("scale", "web", "--stage", "dev", 1)["replicas"]) == 1
    project.run("scale", "web", "--stage", "dev", 0)
    with pytest.raises(OSError, match="refused"):
        answer(project)


@pytest.mark.slow
def test_drift_is_told_with_exit_1(project):
    project.run("deploy", "web", "--stage", "dev")
    layout = stage_layout(project)
    live = layout.resolve("current")
    try:
        layout.update_manifest("current", lambda _: layout.write(b"{}", live.media_type))
        found = project.json("drift", "web", "--stage", "dev", code=1)
    finally:
        layout.update_manifest("current", lambda _: live)
    assert [each["kind"] for each in found["drifts"]] == ["tag moved"]


def test_failing_smoke_command_and_failing_command_before_exit_1_and_what_ran_goes_on(project):
    project.run("deploy", "web", "--stage", "dev")
    before = (project.store / "deployments" / "web" / "dev.json").read_bytes()
    for name, code in (("smoke", "[smoke-failed]"), ("before", "[before-failed]")):
        deploys(project, **{name: ["/bin/busybox", "false"]})
        assert code in project.run("deploy", "web", "--stage", "dev", code=1).stderr
        assert answer(project)[0] == 200
    assert (project.store / "deployments" / "web" / "dev.json").read_bytes() == before


def test_deployment_whose_statement_cannot_be_put_beside_the_release_stands_and_the_next_one_is_signed(project):
    attached = deployments_told(project)
    index = stage_layout(project).root / "index.json"
    kept = index.with_name("kept")
    breaks = ["sh", "-c", f"mv '{index}' '{kept}' && mkdir '{index}' && echo value"]
    deploys(project, secrets=[{"name": "TOKEN", "command": breaks}], smoke=["/bin/busybox", "true"])
    try:
        found = project.run("deploy", "web", "--stage", "dev", code=1)
    finally:
        index.rmdir()
        kept.rename(index)
    image = Digest(project.image).short
    assert f"web {image} runs in dev, and the statement that says so could not be kept" in found.stderr
    assert "[not-attested]" in found.stderr
    assert "`seatrial deploy web --stage dev`" in found.stderr
    assert answer(project)[0] == 200
    assert "no drift: 1 container" in project.run("drift", "web", "--stage", "dev").stdout
    assert deployments_told(project) == attached
    deploys(project)
    done = project.json("deploy", "web", "--stage", "dev")
    assert deployments_told(project) == attached | {done["evidence"]} != attached


def test_deployment_whose_record_cannot_be_written_stands_and_says_so(project):
    record = project.store / "deployments" / "web" / "dev.json"

    def breaks(step):
        if step.startswith("giving"):
            record.mkdir(parents=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cli.deploy.teller", lambda _: breaks)
        found = project.run("deploy", "web", "--stage", "dev", code=1).stderr
    record.rmdir()
    assert "runs in dev, and the record of it could not be kept" in found
    assert "[not-recorded]" in found
    assert answer(project)[0] == 200


def deployments_told(project):
    found = find_evidence(Digest(project.image), AttachedLayout(stage_layout(project)), PREDICATE)
    return {each.artifact.digest.text for each in found}


def test_gate_that_demands_more_by_now_refuses_and_names_its_own_code(project):
    deploys(project, policy={"hosts": ["reference", "hardened", "umask-0077"]})
    found = project.run("deploy", "web", "--stage", "dev", code=1).stderr
    assert "[not-accepted]" in found
    assert "host-missing" in found


def test_tag_that_was_moved_to_what_the_stage_never_took_is_refused(project):
    layout = stage_layout(project)
    live = layout.resolve("current")
    config = json.loads(layout.read(Digest(project.image), 1 << 20))["config"]["digest"]
    manifest = json.loads(layout.read(Digest(project.image), 1 << 20)) | {"annotations": {"other": config}}
    try:
        layout.update_manifest("current", lambda _: layout.write(json.dumps(manifest).encode(), live.media_type))
        found = project.run("deploy", "web", "--stage", "dev", code=1).stderr
    finally:
        layout.update_manifest("current", lambda _: live)
    assert "[not-accepted]" in found
    assert "acceptance-missing" in found
    assert NativeTarget(project.store).observe("web", "dev") == ()


def test_stage_that_does_not_say_how_it_runs_is_an_error_with_the_lines_to_write(project):
    project.stage("dev", policy=POLICY)
    found = project.run("deploy", "web", "--stage", "dev", code=2).stderr
    assert "does not say how dev runs anything" in found
    assert "  target: native" in found


def test_secret_that_the_environment_lacks_is_named_and_one_that_it_has_is_given(project):
    deploys(project, secrets=["API_TOKEN"], smoke=["sh", "-c", '[ -n "$API_TOKEN" ] && echo "$API_TOKEN"'])
    assert "API_TOKEN" in project.run("deploy", "web", "--stage", "dev", code=2).stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("API_TOKEN", "hunter2")
        project.run("deploy", "web", "--stage", "dev")
    told = [path for path in project.store.rglob("*") if path.is_file() and "trees" not in path.parts]
    assert not [path for path in told if b"hunter2" in path.read_bytes()]


def test_secrets_of_a_file_and_of_a_program_are_given_and_where_they_are_is_no_other_configuration(project):
    place = project.folder / "token"
    place.write_text("hunter2-of-a-file\n")
    place.chmod(0o600)
    smoke = ["sh", "-c", '[ "${#A} ${#B}" = "17 20" ] && env']
    program = ["sh", "-c", "echo hunter2-of-a-program"]
    deploys(project, secrets=[{"name": "A", "file": "../../token"}, {"name": "B", "command": program}], smoke=smoke)
    first = project.run("deploy", "web", "--stage", "dev")
    record = json.loads((project.store / "deployments" / "web" / "dev.json").read_bytes())
    deploys(project, secrets=["A", "B"], smoke=smoke)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("A", "hunter2-of-a-file")
        patch.setenv("B", "hunter2-of-a-program")
        project.run("scale", "web", "--stage", "dev", 2)  # which refuses another configuration
    place.chmod(0o644)
    deploys(project, secrets=[{"name": "A", "file": "../../token"}])
    assert "run `chmod 600" in project.run("deploy", "web", "--stage", "dev", code=2).stderr
    told = [path for path in project.store.rglob("*") if path.is_file() and "trees" not in path.parts]
    assert not [path for path in told if b"hunter2-of" in path.read_bytes()]
    assert "hunter2-of" not in first.stdout + first.stderr + json.dumps(record)
    (log,) = (project.store / "native" / "web" / "dev").glob("log")
    assert b"hunter2-of" not in log.read_bytes()


@pytest.mark.slow
def test_scaling_what_says_otherwise_elsewhere_is_refused_and_no_new_container_stays(project):
    deploys(project, smoke=["sh", "-c", "cat /proc/sys/kernel/random/uuid"])
    project.run("deploy", "web", "--stage", "dev")
    found = project.run("scale", "web", "--stage", "dev", 2, code=1).stderr
    assert "writes otherwise beside" in found
    assert len(NativeTarget(project.store).observe("web", "dev")) == 1


@pytest.mark.slow
def test_nothing_to_scale_or_to_compare_is_an_error_that_names_the_command(project):
    for words in (("drift", "web"), ("scale", "web", 2)):
        name, app, *rest = words
        found = project.run(name, app, "--stage", "dev", *rest, code=1).stderr
        assert "[not-deployed]" in found
        assert "`seatrial deploy web --stage dev`" in found
    assert os.environ.get("SEATRIAL_STORE") != str(project.store)
