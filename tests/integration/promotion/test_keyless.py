"""Releases whose evidence an identity signs, without a key, by a simulated Sigstore with real cryptography."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.append(str(Path(__file__).parent))

from cryptography.hazmat.primitives.asymmetric import ec
from project import ROOT, Project
from simulated_sigstore import ISSUER, REQUEST_TOKEN, SUBJECT, Sigstore, TimeAuthority, serving

from pipeline.attested import FOLDER
from pipeline.declare.errors import KeysError
from pipeline.release.attest import Statement
from pipeline.release.bundle import parse_bundle
from pipeline.release.certified import verify_certified
from pipeline.release.key_source import signer_of
from pipeline.release.refusal import Refusal, RefusedEvidenceError

ID = f"oidc:{ISSUER}#{SUBJECT}"
KEY = ("--key", "oidc:trust_config.json")
STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "web", "digest": {"sha256": "00" * 32}}],
    "predicateType": "https://seatrial.dev/try/v1",
    "predicate": {},
}
POLICY = {"hosts": ["reference"], "max-age": "7d"}


@dataclass
class World:
    """A project, and a Sigstore that it signs by."""

    project: Project
    sigstore: Sigstore
    patch: pytest.MonkeyPatch

    def trust(self, subject=SUBJECT):
        """Let a keyring name an identity, and the trust root."""
        both = ("--role", "verifier", "--role", "promoter")
        self.project.run("keys", "add", "workflow", f"oidc:{subject}", "--issuer", ISSUER, *both)
        self.project.run("keys", "trust", "trusted_root.json")

    def token(self, **claims):
        """Have a token in place of a CI that gives one."""
        for name in ("GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
            self.patch.delenv(name)
        return self.sigstore.token(**claims)


@pytest.fixture
def world(tmp_path, monkeypatch):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    project, sigstore = Project(tmp_path, hosts=("read-only",)), Sigstore()
    project.stage("dev", trust="keyring", policy=POLICY)
    project.stage("test", after="dev", trust="keyring", policy=POLICY)
    project.run("keys", "init")
    with serving(sigstore) as address:
        (tmp_path / "trusted_root.json").write_text(json.dumps(sigstore.trust_root()))
        (tmp_path / "trust_config.json").write_text(json.dumps(sigstore.trust_config(address)))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{address}/token?api-version=2.0")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN)
        yield World(project=project, sigstore=sigstore, patch=monkeypatch)
    for number, handler in before.items():
        signal.signal(number, handler)


def codes(asked):
    return {each["code"] for each in asked["refusals"]}


def test_release_goes_through_two_stages_by_a_workflow_without_a_key(world):
    world.trust()
    world.project.run("verify", "web", *KEY)
    assert world.project.json("gate", "web", "--stage", "dev")["decision"] == "OPEN"
    for stage in ("dev", "test"):
        done = world.project.json("promote", "web", "--to", stage, *KEY)
        assert (done["ending"], done["release"]) == ("PROMOTED", world.project.image)
        assert world.project.status(stage)["key"] == {"name": "workflow", "id": ID}


def test_gate_stays_shut_for_an_identity_that_the_keyring_does_not_name(world):
    world.project.run("verify", "web", *KEY)
    assert "trust-root-missing" in codes(world.project.json("gate", "web", "--stage", "dev", code=1))
    world.trust(SUBJECT.replace("main", "other"))
    assert "identity-subject" in codes(world.project.json("gate", "web", "--stage", "dev", code=1))
    refused = world.project.run("promote", "web", "--to", "dev", *KEY, code=2)
    assert f"the keyring has no identity {ID}" in refused.stderr


def test_gate_stays_shut_for_a_revoked_identity(world):
    world.trust()
    world.project.run("verify", "web", *KEY)
    world.project.run("keys", "revoke", "workflow", "--reason", "its repository was sold")
    assert "key-revoked" in codes(world.project.json("gate", "web", "--stage", "dev", code=1))


def test_what_an_identity_signed_is_not_signed_again(world, monkeypatch):
    now = time.time()  # a statement of the next second would be another one
    monkeypatch.setattr("pipeline.cli.verify.time", SimpleNamespace(time=lambda: now))
    world.project.run("verify", "web", *KEY)
    entries = len(world.sigstore.log.leaves)
    assert entries
    shutil.rmtree(world.project.store / FOLDER)
    world.project.run("verify", "web", *KEY)
    assert len(world.sigstore.log.leaves) == entries


def test_token_comes_from_a_file(world):
    (world.project.folder / "token").write_text(f"{world.token()}\n")
    world.patch.setenv("SIGSTORE_ID_TOKEN_FILE", "token")
    world.trust()
    world.project.run("verify", "web", *KEY)
    assert world.project.json("gate", "web", "--stage", "dev")["decision"] == "OPEN"


def test_token_that_does_not_hold_signs_nothing(world):
    told = {}
    for name, claims in {"ended": {"lasting": -60}, "forged": {"key": ec.generate_private_key(ec.SECP256R1())}}.items():
        with world.patch.context() as patch:
            world.patch = patch
            patch.setenv("SIGSTORE_ID_TOKEN", world.token(**claims))
            told[name] = world.project.run("verify", "web", "--fresh", *KEY, code=2).stderr
    assert "no identity can be had: Identity token is malformed or missing claims" in told["ended"]
    assert "nothing can be signed without a key" in told["forged"]


def test_nobody_who_vouches_is_told_with_what_helps(world):
    world.token()
    told = world.project.run("verify", "web", *KEY, code=2).stderr
    assert "nobody vouches for an identity here" in told
    assert "SIGSTORE_ID_TOKEN" in told


@pytest.mark.parametrize("module", ["keyless", "identity_token"])
def test_missing_extra_is_told_before_anything_is_signed(world, module):
    world.patch.setitem(sys.modules, f"pipeline.release.{module}", None)
    told = world.project.run("verify", "web", *KEY, code=2).stderr
    assert "wants the library `sigstore`, which is not installed" in told
    assert "pip install '.[keyless]'" in told


def test_keyring_with_an_identity_is_listed_and_its_root_is_a_key(world):
    world.trust()
    listed = world.project.run("keys").stdout
    assert f"workflow  oidc  {ID}  promoter, verifier  until" in listed
    assert "trust root  sha256:" in listed
    found = world.project.json("keys")["keyring"]
    assert [each["kind"] for each in found["keys"]] == ["oidc"]
    assert found["trustRoot"].startswith("sha256:")
    assert "is an identity" in world.project.run("keys", "export", "workflow", code=2).stderr
    assert "no root of a keyring" in world.project.run("keys", "sign", *KEY, code=2).stderr
    for words in (("oidc:me",), ("me.pub", "--issuer", ISSUER), ("oidc:me you", "--issuer", ISSUER)):
        world.project.run("keys", "add", "me", *words, "--role", "verifier", code=2)


def test_nothing_loads_the_library_before_a_certificate_counts():
    loads = "import pipeline.attesting, pipeline.promoting, pipeline.release.key_source, pipeline.cli.keys, sys"
    code = f"{loads}; sys.exit(any(each.startswith('sigstore') for each in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


@contextlib.contextmanager
def signing(sigstore, folder):
    """Yield a signer without a key."""
    with serving(sigstore) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        (folder / "trust_config.json").write_text(json.dumps(sigstore.trust_config(address)))
        yield signer_of(f"oidc:{folder}/trust_config.json", {"SIGSTORE_ID_TOKEN": sigstore.token()}, folder)


def test_certificate_that_has_expired_is_followed_by_a_new_one(tmp_path):
    sigstore = Sigstore()
    sigstore.next_begins = [time.time() - 3600]
    with signing(sigstore, tmp_path) as signer:
        bundle = signer.certify(Statement.parse(json.dumps(STATEMENT).encode()))
    assert sigstore.next_begins == []
    assert verify_certified(parse_bundle(bundle), signer.trust_root, [signer.public]).key.id == ID


def test_log_that_is_away_is_told(tmp_path):
    with signing(Sigstore(), tmp_path) as signer:
        assert signer.public.id == ID
    with pytest.raises(KeysError, match=r"nothing can be signed without a key: .*Connection"):
        signer.certify(Statement.parse(json.dumps(STATEMENT).encode()))


def test_time_of_an_authority_counts_where_the_log_promises_none(tmp_path):
    sigstore, statement = Sigstore(TimeAuthority(tmp_path)), Statement.parse(json.dumps(STATEMENT).encode())
    with signing(sigstore, tmp_path) as signer:
        document = json.loads(signer.certify(statement))
    (entry,) = document["verificationMaterial"]["tlogEntries"]
    del entry["inclusionPromise"], entry["integratedTime"]
    envelope = parse_bundle(json.dumps(document).encode())
    found = verify_certified(envelope, json.dumps(sigstore.trust_root()), [signer.public])
    assert (found.key.id, found.statement) == (ID, statement)
    sigstore.times = TimeAuthority(tmp_path)
    with pytest.raises(RefusedEvidenceError) as refused:
        verify_certified(envelope, json.dumps(sigstore.trust_root()), [signer.public])
    assert refused.value.reason is Refusal.LOG_TIME
