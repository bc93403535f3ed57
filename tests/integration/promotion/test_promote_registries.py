"""The same over three repositories of a registry, where a keyring says whose signatures count."""

import signal
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from project import Project

from pipeline.registry.registry import Registry
from runtime.digest import Digest
from runtime.oci.remote import parse_remote

pytestmark = pytest.mark.bar("6 promotions")

STAGES = {"dev": None, "test": "dev", "prod": "test"}


@pytest.fixture
def project(tmp_path, debian):
    """A project with three stages in a registry, and keys of a verifier and of a promoter."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    made = Project(tmp_path, hosts=("read-only",))
    for stage, after in STAGES.items():
        store = f"{debian.address}/{tmp_path.name}/{stage}"
        made.stage(stage, after=after, store=store, policy={"hosts": ["reference", "read-only"], "max-age": "7d"})
    made.run("keys", "init")
    for name, roles in (("ci", ["verifier", "promoter"]), ("tester", ["verifier"])):
        written = made.run("keys", "new", f"{name}.pem", "--no-passphrase")
        (tmp_path / f"{name}.pub").write_text(written.stdout)
        made.run("keys", "add", name, f"{name}.pub", *(word for role in roles for word in ("--role", role)))
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


def test_release_goes_through_three_repositories(project, debian, connections):
    project.run("verify", "web", "--key", "tester.pem")
    for stage, before in STAGES.items():
        if before:
            for name in ("web", f"{debian.address}/{project.folder.name}/{before}/web:current"):
                asked = project.json("gate", name, "--stage", stage)
                assert (asked["decision"], asked["release"]) == ("OPEN", project.image)
        done = project.json("promote", "web", "--to", stage, "--key", "ci.pem")
        assert (done["ending"], done["number"], done["release"]) == ("PROMOTED", 1, project.image)
        assert done["store"] == f"oci://{debian.address}/{project.folder.name}/{stage}/web"
        remote = parse_remote(f"{debian.address}/{project.folder.name}/{stage}/web:current")
        assert Digest.of(Registry(remote, connections).manifest()).text == project.image
        found = project.status(stage)
        assert (found["live"], found["number"], found["key"]["name"]) == (project.image, 1, "ci")
        assert not debian.uploads(f"{project.folder.name}/{stage}/web")


@pytest.mark.slow
def test_key_of_this_machine_counts_in_no_registry(project):
    project.run("verify", "web")
    done = project.json("promote", "web", "--to", "dev", "--key", "ci.pem", code=1)
    assert "signer-local" in {each["code"] for each in done["refusals"]}
    refused = project.run("promote", "web", "--to", "dev", code=2)
    assert "[key-unknown]" in refused.stderr


@pytest.mark.slow
def test_key_that_may_not_promote_is_told_before_anything_is_moved(project, debian):
    project.run("verify", "web", "--key", "tester.pem")
    refused = project.run("promote", "web", "--to", "dev", "--key", "tester.pem", code=2)
    assert "[key-role]" in refused.stderr
    assert project.status("dev")["live"] is None


@pytest.mark.slow
def test_rollback_in_a_registry_moves_the_tag_alone(project):
    project.run("verify", "web", "--key", "ci.pem")
    project.run("promote", "web", "--to", "dev", "--key", "ci.pem")
    first = project.image
    project.write("echo 1..1\necho ok 1 - again\n", hosts=("read-only",), Env=["PATH=/bin", "VERSION=2"])
    project.run("verify", "web", "--key", "ci.pem")
    project.run("promote", "web", "--to", "dev", "--key", "ci.pem")
    done = project.json("rollback", "web", "--stage", "dev", "--key", "ci.pem")
    assert (done["release"], done["number"], done["bytes"]) == (first, 3, 0)
    assert project.status("dev")["live"] == first
