"""Kubernetes, against a server of our own that applies as the real one does: see ``simulated_cluster``."""

import json
import re

import pytest
import yaml
from worlds import write_kubeconfig

from pipeline.declare.errors import TargetError
from pipeline.release.targets.kubeconfig import read_kubeconfig
from pipeline.release.targets.kubernetes import KubernetesTarget
from pipeline.release.targets.kubernetes_api import Api

SCHEMAS = ("1.25", "1.30", "1.34")


@pytest.fixture
def world(worlds):
    found = worlds("kubernetes")
    found.cluster.requests.clear()
    yield found
    found.clean()


@pytest.fixture
def api(world):
    with Api(read_kubeconfig(world.folder / "config")) as opened:
        yield opened


def full(world, **more):
    more["volumes"] = ({"name": "data", "to": "/data"},)
    return world.wanted("one", port=80, env={"LEVEL": "$(HOME) $x"}, secrets={"TOKEN": "hunter2"}, **more)


@pytest.mark.bar("2 kubernetes schemas", slice=1)
@pytest.mark.parametrize("version", SCHEMAS)
def test_manifests_on_disk_are_valid_by_the_schemas_and_hold_no_secret(world, version):
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    wanted = full(world, replicas=2)
    world.deploy(wanted)
    text = (world.folder / "kept" / world.app / "prod" / "kubernetes.yaml").read_text()
    assert "hunter2" not in text
    manifests = list(yaml.safe_load_all(text))
    assert [each["kind"] for each in manifests] == ["PersistentVolumeClaim", "Deployment", "Service"]
    for each in manifests:
        kubernetes_validate.validate(each, version, strict=True)
    assert f"@{wanted.image.digest}" in text
    assert not re.search(r"image: .*:[a-z0-9.]+$", text.replace(f"@{wanted.image.digest}", ""), re.MULTILINE)


@pytest.mark.bar("2 kubernetes")
def test_dry_run_goes_before_everything_that_is_kept(world):
    world.deploy(full(world))
    kept = [path for method, path in world.cluster.requests if method == "PATCH"]
    first = next(index for index, path in enumerate(kept) if "/deployments/" in path and "dryRun" not in path)
    assert all("dryRun=All" in path for path in kept[:first] if "/deployments/" in path)
    assert any("dryRun=All" in path for path in kept[:first] if "/deployments/" in path)
    assert all("fieldManager=seatrial" in path and "fieldValidation=Strict" in path for path in kept)


@pytest.mark.bar("2 kubernetes", slice=0)
def test_dry_run_keeps_nothing(world):
    world.target.prepare(world.wanted("one", port=80))
    assert {kind for kind, _ in world.cluster.objects} <= {"persistentvolumeclaims"}


@pytest.mark.bar("2 kubernetes", slice=0)
def test_manifest_that_the_cluster_refuses_leaves_the_old_as_it_is(world):
    before = world.deploy(world.wanted("one", port=80))
    wanted = world.wanted("two", port=80, env={"LEVEL": "x"}, volumes=({"name": "data", "to": "/tmp"},))
    world.cluster.refuse = "volumeMounts: duplicate mountPath"
    try:
        with pytest.raises(TargetError, match="volumeMounts: duplicate"):
            world.deploy(wanted)
    finally:
        world.cluster.refuse = ""
    assert world.observe() == before


@pytest.mark.bar("2 kubernetes")
def test_service_leads_to_the_checked_pods_alone(world, api):
    world.deploy(world.wanted("one", port=80))
    name = next(name for kind, name in world.cluster.objects if kind == "services")
    old = api.get("Service", name)["spec"]["selector"]
    seen = []
    world.deploy(world.wanted("two", port=80), lambda _: seen.append(api.get("Service", name)["spec"]["selector"]))
    assert seen == [old]
    selector = api.get("Service", name)["spec"]["selector"]
    assert selector != old
    assert {each["metadata"]["name"] for each in api.listed("Pod", selector)} == {each.id for each in world.observe()}


@pytest.mark.bar("2 kubernetes", slice=0)
def test_image_that_nobody_has_is_told_and_leaves_the_old_as_it_is(world):
    before = world.deploy(world.wanted("one"))
    wanted = world.wanted("two")
    with pytest.raises(TargetError, match="ErrImagePull"):
        world.deploy(_elsewhere(wanted))
    assert world.observe() == before


def _elsewhere(wanted):
    from dataclasses import replace  # noqa: PLC0415 - here alone

    return replace(wanted, repository=f"{wanted.repository}/nobody")


@pytest.mark.bar("6 drifts by a cluster", slice=1)
@pytest.mark.parametrize("kind", ["environment", "mounts", "capabilities", "memory", "user", "state", "digests"])
def test_edit_of_a_pod_is_seen(world, kind):
    (before,) = world.deploy(world.wanted("one"))
    world.tamper(kind, before.id)
    (after,) = world.observe()
    names = {"environment": "given-environment", "user": "given-user"}
    changed = {name for name in before.facts if before.facts[name] != after.facts.get(name)}
    match kind:
        case "state":
            assert before.state is not after.state
        case "digests":
            assert not before.digests & after.digests
        case _:
            assert names.get(kind, kind) in changed


@pytest.mark.bar("2 kubernetes")
def test_client_certificate_is_taken_and_a_wrong_token_refused(world, tmp_path):
    both = str(world.authority.issue("me"))
    config, kept = tmp_path / "config", tmp_path / "kept"
    write_kubeconfig(config, world.server, world.authority, {"client-certificate": both, "client-key": both})
    assert KubernetesTarget(kept, {"KUBECONFIG": str(config)}).unavailable() == ""
    write_kubeconfig(config, world.server, world.authority, {"token": "wrong"})
    assert "401 Unauthorized" in KubernetesTarget(kept, {"KUBECONFIG": str(config)}).unavailable()


@pytest.mark.bar("2 kubernetes", slice=0)
def test_server_of_another_authority_is_refused(world, tmp_path):
    other = type(world.authority)(tmp_path / "other")
    write_kubeconfig(tmp_path / "config", world.server, other, {"token": "x"})
    assert "certificate" in KubernetesTarget(tmp_path, {"KUBECONFIG": str(tmp_path / "config")}).unavailable()


@pytest.mark.bar("2 kubernetes", slice=2)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"users": [{"name": "me", "user": {"exec": {"command": "aws"}}}]}, "logs in by a program"),
        ({"users": []}, "has no user 'me'"),
        ({"current-context": "gone"}, "has no context 'gone'"),
        ({"clusters": [{"name": "one", "cluster": {"server": "http://a"}}]}, "not reached by https"),
    ],
)
def test_kubeconfig_that_cannot_be_used_says_why(world, tmp_path, change, words):
    write_kubeconfig(tmp_path / "config", world.server, world.authority, {"token": "x"})
    found = json.loads((tmp_path / "config").read_text()) | change
    (tmp_path / "config").write_text(json.dumps(found))
    assert words in KubernetesTarget(tmp_path, {"KUBECONFIG": str(tmp_path / "config")}).unavailable()
