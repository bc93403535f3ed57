"""Releases that go from stage to stage by the command, each time asked again, and what keeps them from it."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from busybox_image import lay_layout
from project import PASSES, Project

from pipeline.release.layout_stage import LayoutStage
from pipeline.release.reservation import Reservation, reserve
from pipeline.release.stage_tags import RECORD
from runtime.digest import Digest
from runtime.oci.layout import Layout

STAGES = ("dev", "test", "prod")


pytestmark = pytest.mark.bar("6 promotions")


@pytest.fixture
def project(tmp_path):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield Project(tmp_path)
    for number, handler in before.items():
        signal.signal(number, handler)


def live(project, stage):
    return Layout(project.store / "stages" / stage / "web").resolve("current")


def test_release_goes_through_all_stages_without_the_files_of_its_project(project):
    project.run("verify", "web")
    for each in ("envs", "image"):
        shutil.rmtree(project.folder / each)
    for number, stage in enumerate(STAGES, 2):
        done = project.json("promote", "web", "--to", stage)
        assert (done["ending"], done["number"], done["release"]) == ("PROMOTED", 1, project.image)
        assert {each["verdict"] for each in done["hosts"]} == {"PASSED"}
        assert len({each["behavior"] for each in done["hosts"]}) == 1
        assert len(done["hosts"]) == {"dev": 2, "test": 3, "prod": 5}[stage], number
        layout = Layout(project.store / "stages" / stage / "web")
        assert live(project, stage).digest.text == project.image
        assert layout.verify()
    found = project.json("status", "web")["stages"]
    assert [(each["stage"], each["live"], each["number"]) for each in found] == [
        (stage, project.image, 1) for stage in STAGES
    ]
    assert {each["key"]["name"] for each in found} == {"this machine"}


def test_promotion_that_another_machine_began_is_waited_for_or_taken_over(project):
    project.run("verify", "web")
    project.run("promote", "web", "--to", "dev")
    store = LayoutStage(Layout(project.store / "stages" / "dev" / "web"), "oci-layout:dev/web")
    other = Reservation(id="0" * 32, number=0, release=Digest.of(b"another"), at=int(time.time()))
    assert reserve(store, other, least=0, take_over=False).number == 2
    project.stage("dev", policy={"hosts": ["reference"]})  # another policy than the one that took it
    done = project.run("promote", "web", "--to", "dev", code=2)
    assert "promotion 2 into oci-layout:dev/web" in done.stderr
    assert "--take-over" in done.stderr
    assert project.json("promote", "web", "--to", "dev", "--take-over")["number"] == 3


def test_number_goes_on_where_every_record_of_it_is_lost(project):
    project.run("verify", "web")
    project.run("promote", "web", "--to", "dev")
    shutil.rmtree(project.store / "promotions")
    layout = Layout(project.store / "stages" / "dev" / "web")
    index = layout.root / "index.json"
    listed = json.loads(index.read_text())
    listed["manifests"] = [
        each
        for each in listed["manifests"]
        if each.get("annotations", {}).get("org.opencontainers.image.ref.name") != RECORD
    ]
    index.write_text(json.dumps(listed))
    project.stage("dev", policy={"hosts": ["reference"]})
    assert project.json("promote", "web", "--to", "dev")["number"] == 2


@pytest.mark.slow
def test_release_that_is_live_already_is_not_promoted_again(project):
    project.run("verify", "web")
    project.run("promote", "web", "--to", "dev")
    done = project.json("promote", "web", "--to", "dev")
    assert (done["ending"], done["number"]) == ("ALREADY", None)
    assert project.status("dev")["number"] == 1
    time.sleep(1.1)  # evidence tells its time to the second: of the same second it would be the same
    project.run("verify", "web", "--fresh")  # newer evidence is worth a promotion
    assert project.json("promote", "web", "--to", "dev")["number"] == 2


@pytest.mark.slow
def test_stage_takes_only_what_stands_in_the_one_before(project):
    project.run("verify", "web")
    refused = project.run("promote", "web", "--to", "test", code=2)
    assert "dev has no release of web that could enter test" in refused.stderr
    assert "`seatrial promote web --to dev` comes before" in refused.stderr


def test_host_that_was_not_verified_is_named_with_the_command_that_supplies_it(project):
    project.write(PASSES, hosts=("umask-0077",))
    project.run("verify", "web")
    done = project.json("promote", "web", "--to", "dev", code=1)
    assert done["ending"] == "REFUSED"
    assert {each["code"] for each in done["refusals"]} == {"host-missing"}
    assert "seatrial verify web --hosts" in done["refusals"][0]["line"]
    assert live(project, "dev") is None


@pytest.mark.slow
def test_what_nobody_signed_is_not_promoted(project):
    project.run("verify", "web", "--no-sign")
    refused = project.run("promote", "web", "--to", "dev", code=2)
    assert "nothing was verified here as web" in refused.stderr


@pytest.mark.slow
def test_key_that_cannot_be_made_keeps_nobody_from_verifying_and_one_that_was_named_does(project):
    (project.folder / "keys").write_text("a file")
    done = project.run("verify", "web")
    assert "warning: nothing is signed: " in done.stderr
    assert "PASSED" in done.stdout
    assert "nothing.pem cannot be read" in project.run("verify", "web", "--key", "nothing.pem", code=2).stderr


# Behavior that a machine changes and no factor of the run does: how long it is up.
ONCE = """\
read -r up _ < /proc/uptime
echo 1..1
[ "${up%%.*}" -lt LIMIT ] && echo "ok 1 - young" || echo "not ok 1 - young"
"""


@pytest.mark.slow
def test_behavior_that_changed_stops_the_promotion_and_is_told(project):
    begun = float(Path("/proc/uptime").read_text().split()[0])
    project.write(ONCE.replace("LIMIT", str(int(begun) + 20)), hosts=("read-only",))
    project.run("verify", "web")
    project.run("promote", "web", "--to", "dev")
    project.stage("dev", policy={"hosts": ["reference", "read-only"]})
    project.stage("test", after="dev", policy={"hosts": ["reference", "read-only"]})
    time.sleep(max(0.0, begun + 21 - float(Path("/proc/uptime").read_text().split()[0])))
    done = project.json("promote", "web", "--to", "test", code=1)
    assert done["ending"] == "CHANGED"
    change = done["changes"][0]
    assert (change["host"], change["differences"]) == (
        "reference",
        [{"kind": "test", "id": "young", "before": "passed", "now": "failed"}],
    )
    assert change["suspects"][0]["name"] == "date"  # the clock comes first, and is not the cause
    assert change["cause"] is None
    assert live(project, "test") is None
    assert project.status("test")["unfinished"] is None
    shown = project.run("promote", "web", "--to", "test", code=1).stdout
    assert "young  passed before, failed now" in shown
    assert "test does not take web" in shown


@pytest.mark.slow
def test_suite_that_was_taken_away_or_changed_is_refused(project):
    project.run("verify", "web")
    project.run("promote", "web", "--to", "dev")
    layout = Layout(project.store / "stages" / "dev" / "web")
    listed = layout.resolve(f"sha256-{project.image.removeprefix('sha256:')}")
    index = json.loads(layout.path(listed.digest).read_bytes())
    suites = [each for each in index["manifests"] if each["artifactType"] == "application/vnd.seatrial.suite.v1"]
    assert len(suites) == 1
    index["manifests"].remove(suites[0])
    rest = layout.write(json.dumps(index).encode(), listed.media_type)
    layout.add_manifest(rest, name=f"sha256-{project.image.removeprefix('sha256:')}")
    done = project.json("promote", "web", "--to", "test", code=1)
    assert (done["ending"], [each["code"] for each in done["refusals"]]) == ("REFUSED", ["suite-missing"])
    layout.add_manifest(listed, name=f"sha256-{project.image.removeprefix('sha256:')}")
    manifest = json.loads(layout.path(_digest(suites[0])).read_bytes())
    _exchange(layout.path(_digest(manifest["layers"][-2])), b"another")
    done = project.json("promote", "web", "--to", "test", code=1)
    assert (done["ending"], [each["code"] for each in done["refusals"]]) == ("REFUSED", ["suite-missing"])
    assert live(project, "test") is None


def _digest(descriptor):
    return Digest(descriptor["digest"])


def _exchange(path, content):
    """Write another file in place of a blob, of which another store has the same file."""
    path.unlink()
    path.write_bytes(content)


@pytest.fixture
def two(project):
    """Two releases that dev had, the second one live."""
    project.run("verify", "web")
    project.run("promote", "web", "--to", "dev")
    first = project.image
    project.write(PASSES, Env=["PATH=/bin", "VERSION=2"])
    project.run("verify", "web")
    project.run("promote", "web", "--to", "dev")
    return first, project.image


def test_rollback_brings_back_what_was_live_before(project, two):
    first, second = two
    time.sleep(1.1)  # evidence tells its time to the second: of the same second it would be the same
    project.run("verify", "web", "--fresh")
    assert project.json("promote", "web", "--to", "dev")["number"] == 3  # the same once more: what was before stays so
    done = project.json("rollback", "web", "--stage", "dev")
    assert (done["ending"], done["release"], done["previous"], done["number"]) == ("PROMOTED", first, second, 4)
    assert done["bytes"] == 0
    assert live(project, "dev").digest.text == first
    again = project.json("rollback", "web", "--stage", "dev", "--to", second)
    assert (again["release"], again["number"]) == (second, 5)
    assert project.status("dev")["others"] == [first]


def test_rollback_to_a_revoked_image_is_refused(project, two):
    first, second = two
    project.run("keys", "init")
    project.run("keys", "revoke", first, "--reason", "loses data")
    done = project.json("rollback", "web", "--stage", "dev", code=1)
    assert "subject-revoked" in {each["code"] for each in done["refusals"]}
    assert live(project, "dev").digest.text == second


@pytest.mark.slow
def test_rollback_where_nothing_was_before_says_so(project):
    project.run("verify", "web")
    project.run("promote", "web", "--to", "dev")
    assert "had before" in project.run("rollback", "web", "--stage", "dev", code=2).stderr
    unknown = "sha256:" + "0" * 64
    assert "has no release" in project.run("rollback", "web", "--stage", "dev", "--to", unknown, code=2).stderr


@pytest.mark.slow
def test_services_travel_with_the_suite(project):
    spec = project.folder / "envs" / "web.yaml"
    project.write(PASSES, hosts=("read-only",))
    served = lay_layout(project.folder / "service", "service", Cmd=["sh", "-c", "sleep 60"])
    spec.write_text(spec.read_text() + f"services: {{db: {{image: {{from: 'oci:../service@{served}'}}}}}}\n")
    project.run("verify", "web")
    for each in ("envs", "image", "service"):
        shutil.rmtree(project.folder / each)
    assert project.json("promote", "web", "--to", "dev")["ending"] == "PROMOTED"
    assert Layout(project.store / "stages" / "dev" / "web").has(Digest(served))


SLOW = f"sleep 2\n{PASSES}"


@pytest.mark.bar("6 promotions", slice=1)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_promotion_that_is_stopped_leaves_the_stage_as_it_was_and_the_next_one_goes_on(project, number, code):
    project.write(SLOW, hosts=("read-only",))
    project.run("verify", "web")
    with subprocess.Popen(
        project.command("promote", "web", "--to", "dev"),
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as promoter:
        journal = project.store / "promotions" / "dev" / "web" / "journal"
        end = time.monotonic() + 60
        while not (journal.exists() and '"name":"ask"' in journal.read_text()):
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(0.3)
        promoter.send_signal(number)
        assert promoter.wait(timeout=30) == code
    stand = project.status("dev")
    assert stand["live"] is None
    assert (stand["unfinished"] is not None) == (number is signal.SIGKILL)
    assert project.json("promote", "web", "--to", "dev")["ending"] == "PROMOTED"
    assert project.status("dev")["live"] == project.image
