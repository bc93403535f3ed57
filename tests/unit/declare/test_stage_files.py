"""Stages as files: what they may say, where they are looked up, and which comes after which."""

from pathlib import Path

import pytest

from pipeline.declare.errors import SpecError
from pipeline.declare.faults import SpecFaults
from pipeline.declare.keyring_file import Role
from pipeline.declare.stage_catalogue import BUILT_IN, StageCatalogue
from pipeline.declare.stage_file import LeastFidelity, LintDemand, TargetKind, read_stage
from pipeline.declare.values import FlakyPolicy

WHOLE = """\
seatrial: 1
name: prod
after: test
store: registry.example.org/prod
platforms: [amd64, arm64]
policy:
  hosts: [reference, hardened]
  signers: {roles: [verifier], threshold: 2}
  max-age: 7d
  fidelity: native
  rebuilders: 1
  unstable: 2
  flaky: fail
  hermetic: false
  lint: error
  ignores: [{test: "tests/*", host: hardened}]
  soak: 12h
deploy:
  target: docker
  replicas: 2
  port: 8080
  env: {LOG_LEVEL: info}
  secrets: [DATABASE_URL]
  volumes: [{name: data, to: /var/lib/app}]
  before: [python3, -m, app.migrate]
  health: {http: /healthz, port: 8000, within: 30s}
  smoke: [python3, -m, app.smoke]
"""
LEAST = "seatrial: 1\nname: dev\npolicy: {hosts: [reference]}\n"


def put(folder, text, name=""):
    name = name or text.partition("name: ")[2].split("\n")[0]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_stage_that_says_all_is_read(tmp_path):
    found = read_stage(put(tmp_path, WHOLE))
    part, deploy = found.policy, found.deploy
    assert (found.after, found.is_remote, found.trust, found.platforms) == ("test", True, None, ("amd64", "arm64"))
    assert (part.signers.roles, part.signers.threshold) == ((Role.VERIFIER,), 2)
    assert (part.max_age, part.soak) == (7 * 86_400_000, 12 * 3_600_000)
    assert (part.fidelity, part.flaky, part.lint) == (LeastFidelity.NATIVE, FlakyPolicy.FAIL, LintDemand.ERROR)
    assert (part.rebuilders, part.unstable, part.hermetic) == (1, 2, False)
    assert part.ignores[0].host == "hardened"
    assert (deploy.target, deploy.replicas, deploy.health.within) == (TargetKind.DOCKER, 2, 30_000)


def test_stage_that_says_the_least_demands_the_reference(tmp_path):
    found = read_stage(put(tmp_path, LEAST))
    assert (found.after, found.store, found.is_remote, found.deploy) == (None, None, False, None)
    part = found.policy
    assert (part.max_age, part.soak, part.ignores, part.rebuilders, part.unstable) == (None, None, None, 0, 0)
    assert (part.hermetic, part.fidelity, part.lint) == (True, LeastFidelity.EMULATED, LintDemand.NONE)


@pytest.mark.parametrize("store", ["oci:stages", "oci:/srv/stages"])
def test_layout_is_no_registry(tmp_path, store):
    assert not read_stage(put(tmp_path, f"{LEAST}store: {store}\ntrust: local\n")).is_remote


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LEAST.replace("[reference]", "[]"), "hosts"),
        (LEAST.replace("[reference]", "[hardened]"), "reference"),
        (LEAST.replace("{hosts: [reference]}", "{}"), "hosts"),
        (LEAST.replace("policy: {hosts: [reference]}\n", ""), "policy"),
        (f"{LEAST}store: registry.example.org/dev\ntrust: local\n", "trust"),
        (f"{LEAST}gate: open\n", "gate"),
        (f"{LEAST}platforms: []\n", "platforms"),
        (f"{LEAST}platforms: [linux/amd64]\n", "an architecture in Go's words"),
        (LEAST.replace("[reference]", "[reference], signers: {threshold: 2}"), "this machine has one key"),
        (LEAST.replace("[reference]", "[reference], rebuilders: 2"), "this machine has one key"),
        (LEAST.replace("seatrial: 1", "seatrial: 2"), "seatrial"),
        (LEAST.replace("[reference]", "[reference], max-age: 7"), "unit"),
        (LEAST.replace("[reference]", "[reference], max-age: 0d"), "longer than zero"),
        (LEAST.replace("[reference]", "[reference], signers: {threshold: 0}"), "threshold"),
        (LEAST.replace("[reference]", "[reference], signers: {roles: []}"), "roles"),
        (LEAST.replace("[reference]", "[reference], signers: {roles: [root]}"), "roles"),
        (LEAST.replace("[reference]", "[reference], fidelity: real"), "fidelity"),
        (LEAST.replace("[reference]", "[reference], unstable: -1"), "unstable"),
        (f"{LEAST}deploy: {{replicas: 0}}\n", "replicas"),
        (f"{LEAST}deploy: {{before: []}}\n", "before"),
        (f"{LEAST}deploy: {{health: {{http: healthz, port: 80}}}}\n", "http"),
        (f"{LEAST}deploy: {{volumes: [{{name: data, to: relative}}]}}\n", "to"),
    ],
)
def test_fault_of_a_stage_is_told_with_its_place(tmp_path, text, message):
    path = put(tmp_path, text)
    with pytest.raises(SpecFaults) as refused:
        read_stage(path)
    assert message in str(refused.value)
    assert f"{path}:" in str(refused.value)


def test_stage_is_called_as_its_file(tmp_path):
    with pytest.raises(SpecFaults, match=r"the name is 'dev', and the file is test\.yaml"):
        read_stage(put(tmp_path, LEAST, "test"))


def test_stages_that_come_with_seatrial_form_one_way():
    catalogue = StageCatalogue(BUILT_IN)
    assert catalogue.names == ("dev", "prod", "test")
    assert [each.name for each in catalogue.way("prod")] == ["dev", "test", "prod"]
    assert [each.name for each in catalogue.way("dev")] == ["dev"]


def test_stages_of_a_project_are_all_there_are(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    assert StageCatalogue.of(tmp_path / "envs" / "web.yaml").folder == BUILT_IN
    put(tmp_path / "specs" / "stages", LEAST.replace("dev", "live"))
    found = StageCatalogue.of(tmp_path / "envs" / "web.yaml")
    assert found.names == ("live",)
    with pytest.raises(SpecError, match="there is no stage 'prod'"):
        found.stage("prod")


def test_stage_that_is_nearly_called_so_is_named():
    with pytest.raises(SpecError) as refused:
        StageCatalogue(BUILT_IN).stage("prdo")
    assert "prod" in refused.value.hint


def test_stages_that_go_round_are_refused(tmp_path):
    for name, after in (("a", "b"), ("b", "c"), ("c", "a"), ("self", "self")):
        put(tmp_path, f"{LEAST.replace('dev', name)}after: {after}\n")
    with pytest.raises(SpecError, match="a after b after c after a"):
        StageCatalogue(tmp_path).way("a")
    with pytest.raises(SpecError, match="self after self"):
        StageCatalogue(tmp_path).way("self")


def test_stage_after_one_that_is_not_there_is_refused(tmp_path):
    put(tmp_path, f"{LEAST}after: nowhere\n")
    with pytest.raises(SpecError, match="there is no stage 'nowhere'"):
        StageCatalogue(tmp_path).way("dev")


def test_no_path_leads_out_of_the_folder_of_stages(tmp_path):
    put(tmp_path, LEAST)
    (tmp_path / "stages").mkdir()
    with pytest.raises(SpecError):
        StageCatalogue(tmp_path / "stages").stage("../dev")


def test_built_in_stages_are_those_of_the_tree():
    tree = Path(__file__).parents[3] / "specs" / "stages"
    assert {each.name: each.read_bytes() for each in BUILT_IN.glob("*.yaml")} == {
        each.name: each.read_bytes() for each in tree.glob("*.yaml")
    }
