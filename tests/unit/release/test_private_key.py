"""Private keys: made once, kept to their user, read from where users have them."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

sys.path.append(str(Path(__file__).parent))

import evidence_world as world

from pipeline.declare.errors import KeysError
from pipeline.release.key_place import keys_folder
from pipeline.release.key_source import signer_of
from pipeline.release.private_key import LockedKeyError, PrivateKey, keep_key, machine_key, read_key_file
from pipeline.release.public_key import Kind


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("passphrase", [None, "pass phräse".encode()])
def test_key_that_is_kept_is_read_again(kind, passphrase, tmp_path):
    key, path = PrivateKey.new(kind), tmp_path / "key.pem"
    assert keep_key(path, key, passphrase)
    again = PrivateKey.parse(read_key_file(path), "it", passphrase)
    assert again.public == key.public
    assert key.public.has_signed(b"text", again.sign(b"text"))


def test_key_file_is_closed_to_others_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        machine_key(tmp_path / "data" / "keys")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "data" / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "keys" / "machine.pem").stat().st_mode) == 0o600


def test_machine_key_is_p256_and_made_once(tmp_path):
    first = machine_key(tmp_path / "keys")
    assert first.public.kind is Kind.P256
    assert machine_key(tmp_path / "keys").public == first.public
    assert [each.name for each in (tmp_path / "keys").iterdir()] == ["machine.pem"]


def test_machine_keys_of_a_race_are_one(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = {each.public for each in pool.map(lambda _: machine_key(tmp_path / "keys"), range(32))}
    assert len(found) == 1


def test_key_is_never_written_over_a_file(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text("something")
    assert not keep_key(path, PrivateKey.new())
    assert path.read_text() == "something"
    assert [each.name for each in tmp_path.iterdir()] == ["key.pem"]


def test_key_is_never_written_through_a_link(tmp_path):
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    assert not keep_key(tmp_path / "key.pem", PrivateKey.new())
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_key_that_others_may_use_is_refused(mode, tmp_path):
    path = tmp_path / "key.pem"
    keep_key(path, PrivateKey.new())
    path.chmod(mode)
    with pytest.raises(KeysError, match="other users") as refused:
        read_key_file(path)
    assert "chmod 600" in refused.value.hint


def test_pipe_in_place_of_a_key_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "key.pem", 0o600)
    with pytest.raises(KeysError, match="no file"):
        read_key_file(tmp_path / "key.pem")


def test_encrypted_key_without_passphrase_says_so(tmp_path):
    pem = PrivateKey.new().to_pem(b"secret")
    with pytest.raises(LockedKeyError, match="encrypted"):
        PrivateKey.parse(pem, "it")
    with pytest.raises(KeysError, match="passphrase"):
        PrivateKey.parse(pem, "it", b"another")


@pytest.mark.parametrize(
    "make",
    [
        lambda: rsa.generate_private_key(65537, 2048),
        lambda: ec.generate_private_key(ec.SECP384R1()),
    ],
    ids=["rsa", "p384"],
)
def test_key_of_another_kind_is_refused(make):
    pem = make().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeysError, match="another kind"):
        PrivateKey.parse(pem, "it")


@pytest.mark.parametrize(
    "pem", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", world.pem(world.ALICE)]
)
def test_what_is_no_key_is_refused(pem):
    with pytest.raises(KeysError, match="private key"):
        PrivateKey.parse(pem, "it")


def test_nothing_shows_what_is_secret():
    key = PrivateKey.new()
    assert str(key.key.private_numbers().private_value) not in repr(key)
    assert key.public.id in repr(key)


def test_key_comes_from_the_environment_as_text_or_file_or_is_the_machines(tmp_path):
    key = PrivateKey.new()
    keep_key(tmp_path / "key.pem", key)
    text = {"SEATRIAL_KEY": key.to_pem().decode()}
    path = {"SEATRIAL_KEY": str(tmp_path / "key.pem")}
    for environment in (text, path):
        assert signer_of("", environment, tmp_path / "keys").public == key.public
    assert not (tmp_path / "keys").exists()
    assert signer_of("", {}, tmp_path / "keys").public == machine_key(tmp_path / "keys").public


def test_option_is_stronger_than_the_environment(tmp_path):
    one, two = PrivateKey.new(), PrivateKey.new()
    keep_key(tmp_path / "one.pem", one)
    environment = {"SEATRIAL_KEY": two.to_pem().decode()}
    assert signer_of(str(tmp_path / "one.pem"), environment, tmp_path).public == one.public


def test_passphrase_comes_from_the_environment_or_a_person(tmp_path):
    key = PrivateKey.new()
    keep_key(tmp_path / "key.pem", key, b"secret")
    path = str(tmp_path / "key.pem")
    assert signer_of(path, {"SEATRIAL_KEY_PASSPHRASE": "secret"}, tmp_path).public == key.public
    assert signer_of(path, {}, tmp_path, lambda _: "secret").public == key.public
    with pytest.raises(LockedKeyError):
        signer_of(path, {}, tmp_path)


def test_agent_that_is_not_there_is_named(tmp_path):
    with pytest.raises(KeysError, match="SSH_AUTH_SOCK"):
        signer_of("agent:", {}, tmp_path)
    with pytest.raises(KeysError, match="cannot be asked"):
        signer_of("agent:", {"SSH_AUTH_SOCK": str(tmp_path / "agent")}, tmp_path)


def test_keys_lie_in_the_data_folder_of_the_user(tmp_path):
    assert keys_folder({}, Path("/home/me")) == Path("/home/me/.local/share/seatrial/keys")
    assert keys_folder({"XDG_DATA_HOME": "/data"}, Path("/home/me")) == Path("/data/seatrial/keys")
    assert keys_folder({"XDG_DATA_HOME": "data"}, Path("/home/me")) == Path("/home/me/.local/share/seatrial/keys")
    assert keys_folder({"SEATRIAL_KEYS": str(tmp_path)}, Path("/home/me")) == tmp_path
