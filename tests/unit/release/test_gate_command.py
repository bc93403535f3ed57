"""``seatrial gate``, as people type it: in layouts with real images, keys and bundles."""

import io
import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import gate_world as world
from gate_world import NOW, World, host_word

from pipeline.cli.command_line import start
from pipeline.declare.hosts import Catalogue
from pipeline.declare.keyring_file import Role
from pipeline.declare.stage_catalogue import StageCatalogue
from pipeline.release.attest import Statement
from pipeline.release.bundle import to_bundle
from pipeline.release.evidence import attach_evidence
from pipeline.release.keyring_changes import make_holder, new_keyring, signed_by, with_holder
from pipeline.release.layout_stage import LayoutStage
from pipeline.release.policy import Policy
from pipeline.release.private_key import machine_key
from pipeline.release.released import verified_name
from pipeline.release.reservation import Reservation, reserve
from pipeline.release.signing import sign
from runtime.oci.attached import AttachedLayout
from runtime.oci.descriptor import INDEX, MANIFEST, Descriptor
from runtime.oci.layout import Layout

DEV = "seatrial: 1\nname: dev\npolicy: {hosts: [reference, own]}\n"
PROD = "seatrial: 1\nname: prod\nafter: dev\npolicy: {hosts: [reference], soak: 1h}\n"
OWN = "seatrial: 1\nname: own\nfactors: {capabilities: none, root-filesystem: read-only}\n"


class Project:
    """A project with two stages, a store with a release, and evidence beside it."""

    def __init__(self, folder):
        self.folder, self.store = folder, folder / "store"
        (folder / "pyproject.toml").touch()
        self.write("specs/stages/dev.yaml", DEV)
        self.write("specs/stages/prod.yaml", PROD)
        self.write("specs/hosts/own.yaml", OWN)
        self.key = machine_key(folder / "keys")
        self.world = World()
        self.world.take(self.world.blobs.image())
        hosts = [host_word(world.REFERENCE, "REFERENCE"), host_word(world.HARDENED, name="own")]
        self.world.say(hosts=hosts)

    @property
    def release(self):
        return self.world.released.digest

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def put(self, layout, tag, *, kind=MANIFEST):
        """Put the release into a layout under a tag, with nothing beside it."""
        layout = Layout(layout)
        for raw in self.world.blobs.content.values():
            layout.write(raw, kind)
        layout.add_manifest(
            Descriptor(media_type=kind, digest=self.release, size=len(layout.read(self.release, 1 << 20))), name=tag
        )
        return AttachedLayout(layout)

    def attach(self, statement, store, key=None):
        signed = sign(Statement.parse(json.dumps(statement).encode()), key or self.key)
        subject = signed_subject(statement)
        attach_evidence(to_bundle(signed), statement["predicateType"], subject, store, at=NOW)

    def built(self):
        """Leave the release in the machine's own store, verified."""
        store = self.put(self.store / "oci", "web")
        self.attach(self.world.signed["verdict"][0], store)
        return store

    def in_dev(self, **changes):
        """Leave the release in the stage dev, which has taken it."""
        store = self.put(self.store / "stages" / "dev" / "web", "current")
        self.attach(self.world.signed["verdict"][0], store)
        stage = StageCatalogue.of(self.folder / "envs" / "web.yaml").stage("dev")
        policy = Policy.of(stage, Catalogue.of(self.folder / "envs" / "web.yaml"))
        said = {"uri": "https://seatrial.dev/policy/v1/dev", "digest": {"sha256": policy.digest.hex}}
        accepted = self.world.acceptance(stage="dev", resourceUri="oci-layout:dev/web", policy=said, **changes)
        self.attach(accepted, store)
        return store


def signed_subject(statement):
    return Statement.parse(json.dumps(statement).encode()).subjects[0].digest


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("SEATRIAL_KEY", "SEATRIAL_KEY_PASSPHRASE", "SEATRIAL_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEATRIAL_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("SEATRIAL_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("time.time", lambda: float(NOW))
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def gate(*words):
    return start(["gate", *words], program="seatrial")


def codes(capsys):
    return {each["code"] for each in json.loads(capsys.readouterr().out)["refusals"]}


def test_what_was_verified_here_may_enter_the_first_stage(project, capsys):
    project.built()
    assert gate("web", "--stage", "dev") == 0
    assert capsys.readouterr().out == (
        f"open  dev takes web {project.release.short}: PASSED on 2 hosts, by 1 statement\n"
    )


def test_what_stands_in_the_stage_before_may_enter(project, capsys):
    project.in_dev()
    assert gate("web", "--stage", "prod") == 0
    assert "by 2 statements" in capsys.readouterr().out


def test_every_reason_is_told_and_the_decision_last(project, capsys):
    project.in_dev(app="api", expires="2027-01-01T00:00:00Z")
    assert gate("web", "--stage", "prod") == 1
    *reasons, last = capsys.readouterr().out.splitlines()
    assert [each.split()[0] for each in reasons] == ["acceptance-app", "acceptance-expired"]
    assert all(each.endswith("`seatrial promote web --to dev`") for each in reasons)
    assert last == f"refused  prod does not take web {project.release.short}: 2 reasons"
    assert gate("web", "--stage", "prod", "--quiet") == 1
    assert capsys.readouterr().out.splitlines() == [last]


def test_document_says_what_was_decided(project, capsys):
    store = project.built()
    store.write(b"{", "application/octet-stream")
    assert gate("web", "--stage", "dev", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["decision"], found["app"]) == ("https://seatrial.dev/gate/v1", "OPEN", "web")
    assert found["release"] == project.release.text
    assert [each["name"] for each in found["images"][0]["hosts"]] == ["reference", "own"]
    assert len(found["inputs"]) == 1
    assert found["refusals"] == []


@pytest.mark.parametrize("name", ["oci:copy", "oci:copy:web", "oci:copy@{release}"])
def test_any_copy_of_a_release_with_its_evidence_will_do(project, name, capsys):
    project.in_dev()
    (project.store / "stages" / "dev" / "web").rename(project.folder / "copy")
    project.in_dev()
    store = AttachedLayout(Layout(project.folder / "copy"))
    project.put(project.folder / "copy", "web")
    assert store.referrers(project.release)
    assert gate(name.format(release=project.release), "--stage", "prod", "--app", "web") == 0
    assert "open" in capsys.readouterr().out


def test_release_of_the_own_store_by_digest_has_to_stand_in_the_stage_before(project, capsys):
    project.built()
    assert gate(project.release.text, "--stage", "prod", "--app", "web", "--json") == 1
    assert codes(capsys) == {"not-live", "acceptance-missing"}


def test_index_is_meant_where_the_image_was_built_for_several_architectures(project, capsys):
    image = project.world.image.digest
    project.world.take(project.world.blobs.index(amd64=image, arm64=project.world.blobs.image("arm64")))
    project.world.say(hosts=[host_word(world.REFERENCE, "REFERENCE"), host_word(world.HARDENED, name="own")])
    index = project.release
    store = project.put(project.store / "oci", "web/index", kind=INDEX)
    layout = Layout(project.store / "oci")
    described = Descriptor(media_type=MANIFEST, digest=image, size=len(layout.read(image, 1 << 20)))
    layout.add_manifest(described, name=verified_name("web"))
    project.attach(project.world.signed["verdict"][0], store)
    assert gate("web", "--stage", "dev", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["release"], [each["digest"] for each in found["images"]]) == (index.text, [image.text])


def test_stage_with_a_keyring_counts_its_keys_alone(project, capsys, monkeypatch):
    project.write("specs/stages/dev.yaml", DEV + "trust: keyring\n")
    project.built()
    assert gate("web", "--stage", "dev", "--json") == 1
    assert "no-key" in codes(capsys)
    found = signed_by(new_keyring([project.key.public], 1, NOW + 1000), project.key)
    project.write("specs/keyring.json", found.to_bytes().decode())
    assert gate("web", "--stage", "dev", "--json") == 1
    assert "signer-local" in codes(capsys)
    holder = make_holder("ci", project.key.public, (Role.VERIFIER,), NOW - 100_000, 200_000)
    project.write("specs/keyring.json", signed_by(with_holder(found.keyring, holder), project.key).to_bytes().decode())
    assert gate("web", "--stage", "dev") == 0
    (project.folder / "app").mkdir()
    monkeypatch.chdir(project.folder / "app")
    assert gate("web", "--stage", "dev") == 0


def test_keyring_that_was_replaced_by_an_older_one_is_refused(project, capsys):
    project.built()
    first = signed_by(new_keyring([project.key.public], 1, NOW + 1000), project.key)
    holder = make_holder("ci", project.key.public, (Role.VERIFIER,), NOW - 100_000, 200_000)
    newer = signed_by(with_holder(first.keyring, holder), project.key)
    project.write("specs/keyring.json", newer.to_bytes().decode())
    assert gate("web", "--stage", "dev") == 0
    project.write("specs/keyring.json", first.to_bytes().decode())
    assert gate("web", "--stage", "dev") == 2
    assert "[keyring-older]" in capsys.readouterr().err


def test_host_file_that_was_emptied_opens_no_gate(project, capsys):
    project.built()
    project.write("specs/hosts/own.yaml", "seatrial: 1\nname: own\nfactors: {umask: 0077}\n")
    assert gate("web", "--stage", "dev", "--json") == 1
    assert codes(capsys) == {"host-other"}


def test_host_file_of_the_stage_before_that_was_emptied_makes_its_acceptance_another_policys(project, capsys):
    project.in_dev()
    project.write("specs/hosts/own.yaml", "seatrial: 1\nname: own\nfactors: {}\n")
    assert gate("web", "--stage", "prod", "--json") == 1
    assert codes(capsys) == {"acceptance-policy"}


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("app/notes.txt", b"nothing to hide", set()),
        ("root/.ssh/id", b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + b"A" * 60 + b"\n", {"lint-found"}),
    ],
    ids=["clean", "private-key"],
)
def test_stage_that_asks_for_it_has_the_layers_looked_at(project, capsys, name, content, found):
    project.write("specs/stages/dev.yaml", DEV.replace("own]", "own], lint: error"))
    project.world.take(project.world.blobs.image(archive=archive(name, content)))
    project.world.say(hosts=[host_word(world.REFERENCE, "REFERENCE"), host_word(world.HARDENED, name="own")])
    project.built()
    assert gate("web", "--stage", "dev", "--json") == bool(found)
    assert codes(capsys) == found


def archive(name, content):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as opened:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = len(content), 0o600, NOW
        opened.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


def test_tag_that_was_moved_back_to_an_older_release_opens_no_gate(project, capsys):
    folder = project.store / "stages" / "dev" / "web"
    older = project.release
    project.in_dev(number=3)
    project.world.take(project.world.blobs.image(salt="newer"))
    project.world.say(hosts=[host_word(world.REFERENCE, "REFERENCE"), host_word(world.HARDENED, name="own")])
    project.in_dev(number=4)
    stage = LayoutStage(Layout(folder), "oci-layout:dev/web")
    newer = stage.tagged("current")
    reserve(stage, Reservation(id="one", number=0, release=newer.digest, at=NOW), least=3, take_over=False)
    assert gate("web", "--stage", "prod") == 0
    stage.tag("current", replace(newer, digest=older), newer.digest)
    capsys.readouterr()
    assert gate("web", "--stage", "prod", "--json") == 1
    assert codes(capsys) == {"acceptance-number"}


def test_gate_makes_no_key_and_no_stage(project, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SEATRIAL_KEYS", str(tmp_path / "other-keys"))
    project.built()
    assert gate("web", "--stage", "dev", "--json") == 1
    assert {"no-key", "host-missing"} <= codes(capsys)
    assert not (tmp_path / "other-keys").exists()
    assert gate("web", "--stage", "prod") == 2
    assert not (project.store / "stages").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["web", "--stage", "live"], "there is no stage 'live'"),
        (["other", "--stage", "dev"], "it lists no image 'other'"),
        (["web", "--stage", "prod"], "the stage dev has no release of web"),
        (["oci:store/oci", "--stage", "prod"], "nobody says of which app oci:store/oci is"),
        (["docker-daemon:web", "--stage", "dev"], "are not read by this version"),
        (["sha256:0", "--stage", "dev"], "is no digest"),
        (["web", "--stage", "dev", "--keyring", "other.json"], "there is no keyring other.json"),
    ],
)
def test_mistake_is_told_with_the_next_step(project, capsys, words, said):
    project.built()
    assert gate(*words) == 2
    assert said in capsys.readouterr().err
