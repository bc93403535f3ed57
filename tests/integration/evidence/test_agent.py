"""Keys that a real ssh-agent holds: they sign what every verifier accepts, and are never seen."""

import os
import shutil
import subprocess

import pytest

from pipeline.declare.errors import KeysError
from pipeline.release.agent import agent_keys
from pipeline.release.attest import Statement, Subject
from pipeline.release.key_source import signer_of
from pipeline.release.public_key import Kind
from pipeline.release.signing import sign, verify
from runtime.digest import Digest

pytestmark = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="ssh-agent is not installed")


@pytest.fixture
def agent(tmp_path):
    """An agent with a key of each kind that is used, and one that is not; the variables that reach it."""
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()  # it listens by now
            variables = {"SSH_AUTH_SOCK": str(path)}
            for kind, size in (("ecdsa", "256"), ("ed25519", "256"), ("rsa", "2048"), ("ecdsa", "384")):
                key = tmp_path / f"{kind}{size}"
                make = ["ssh-keygen", "-q", "-N", "", "-t", kind, "-b", size, "-C", key.name, "-f", key]
                subprocess.run(make, check=True)
                subprocess.run(["ssh-add", "-q", key], check=True, env=os.environ | variables)
                key.unlink()
            yield variables
        finally:
            process.terminate()


def test_agent_signs_and_its_signature_is_accepted(agent, tmp_path):
    statement = Statement(
        subjects=(Subject(name="", digest=Digest.of(b"")),), predicate_type="https://seatrial.dev/try/v1", predicate={}
    )
    for name, kind in (("ecdsa256", Kind.P256), ("ed25519256", Kind.ED25519)):
        signer = signer_of(f"agent:{name}", agent, tmp_path)
        assert signer.public.kind is kind
        for _ in range(20):  # numbers of an ECDSA signature are of several lengths
            assert verify(sign(statement, signer), [signer.public]).key == signer.public


def test_agent_shows_keys_of_the_kinds_that_are_used(agent, tmp_path):
    assert {each.comment for each in agent_keys(tmp_path / "agent")} == {"ecdsa256", "ed25519256"}


def test_key_that_is_not_the_only_one_is_named(agent, tmp_path):
    with pytest.raises(KeysError) as several:
        signer_of("agent:", agent, tmp_path)
    assert "names 2 keys" in several.value.message
    assert "ecdsa256 (ecdsa-p256)" in several.value.hint


def test_agent_that_has_lost_the_key_is_an_error(agent, tmp_path):
    signer = signer_of("agent:ecdsa", agent, tmp_path)
    subprocess.run(["ssh-add", "-q", "-D"], check=True, env=os.environ | agent, capture_output=True)
    with pytest.raises(KeysError, match="refuses to sign"):
        signer.sign(b"")
