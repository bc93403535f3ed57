"""``seatrial keys``, as people type it."""

import json
import stat

import pytest

from pipeline.cli.command_line import start
from pipeline.release.keyring_file import Trust, open_keyring
from pipeline.release.public_key import PublicKey


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    for name in ("SEATRIAL_KEY", "SEATRIAL_KEY_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEATRIAL_KEYS", str(tmp_path / "keys"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(*words):
    return start(["keys", *words], program="seatrial")


def test_list_without_anything_makes_nothing(place, capsys):
    assert keys() == 0
    assert "no key yet" in capsys.readouterr().out
    assert list(place.iterdir()) == []


def test_export_prints_the_key_that_is_made_then(place, capsys):
    assert keys("export") == 0
    printed = capsys.readouterr().out
    assert PublicKey.parse(printed.encode(), "it").pem.decode() == printed
    assert keys("export") == 0
    assert capsys.readouterr().out == printed


def test_new_key_is_encrypted_or_its_user_says_otherwise(place, capsys, monkeypatch):
    assert keys("new", "ci.pem") == 2
    assert "would not be encrypted" in capsys.readouterr().err
    monkeypatch.setenv("SEATRIAL_KEY_PASSPHRASE", "secret")
    assert keys("new", "ci.pem") == 0
    assert "ENCRYPTED" in (place / "ci.pem").read_text()
    assert stat.S_IMODE((place / "ci.pem").stat().st_mode) == 0o600
    assert keys("new", "plain.pem", "--no-passphrase", "--ed25519") == 0
    assert "ENCRYPTED" not in (place / "plain.pem").read_text()


def test_new_key_takes_no_file_that_exists(place, capsys):
    (place / "ci.pem").write_text("mine")
    assert keys("new", "ci.pem", "--no-passphrase") == 2
    assert "never written over another" in capsys.readouterr().err
    assert (place / "ci.pem").read_text() == "mine"


def test_keyring_from_its_beginning_to_a_revocation(place, capsys):
    public(place, "ci"), public(place, "next")
    assert keys("init") == 0
    assert keys("add", "ci", "ci.pub", "--role", "verifier", "--role", "builder") == 0
    assert keys("rotate", "ci", "next.pub", "--overlap", "0") == 0
    assert keys("revoke", "ci-2", "--reason", "laptop lost") == 0
    assert keys("revoke", "sha256:" + "0" * 64, "--reason", "it lost data") == 0
    assert keys("sign", "--days", "30") == 0
    capsys.readouterr()
    assert keys("--json") == 0
    found = json.loads(capsys.readouterr().out)["keyring"]
    assert found["version"] == 6
    assert {each["name"]: each["roles"] for each in found["keys"]} == {
        "ci-2": ["builder", "verifier"],
        "ci": ["builder", "verifier"],
    }
    assert [each["reason"] for each in found["revoked"]] == ["laptop lost", "it lost data"]
    assert [each["signed"] for each in found["roots"]] == [True]
    raw = (place / "specs" / "keyring.json").read_bytes()
    roots = frozenset(each["id"] for each in found["roots"])
    assert open_keyring(raw, Trust(roots=roots), 1_700_000_000).digest.text == found["digest"]


def test_list_tells_people_who_is_in_it(place, capsys):
    public(place, "ci")
    keys("init")
    keys("add", "ci", "ci.pub", "--role", "verifier")
    keys("revoke", "ci", "--reason", "lost")
    capsys.readouterr()
    assert keys() == 0
    shown = capsys.readouterr().out
    assert "version 3, signed by 1 of 1 roots" in shown
    assert "  ci  ecdsa-p256" in shown
    assert ": lost" in shown


def test_older_keyring_is_listed_as_not_trusted(place, capsys):
    public(place, "ci")
    keys("init")
    keys("add", "ci", "ci.pub", "--role", "verifier")
    before = (place / "specs" / "keyring.json").read_bytes()
    keys("revoke", "ci")
    (place / "specs" / "keyring.json").write_bytes(before)
    capsys.readouterr()
    assert keys() == 1
    assert "[keyring-older]" in capsys.readouterr().out


def test_tampered_keyring_is_neither_trusted_nor_changed(place, capsys):
    public(place, "ci"), public(place, "evil")
    keys("init")
    keys("add", "ci", "ci.pub", "--role", "verifier")
    path = place / "specs" / "keyring.json"
    path.write_text(path.read_text().replace('"verifier"', '"promoter"'))
    capsys.readouterr()
    assert keys() == 1
    assert "[keyring-roots]" in capsys.readouterr().out
    assert keys("add", "evil", "evil.pub", "--role", "verifier") == 2
    assert "not signed by your key" in capsys.readouterr().err


def test_second_root_completes_what_the_first_has_begun(place, capsys):
    public(place, "second")
    assert keys("init", "--root", "second.pub", "--threshold", "2") == 0
    assert "1 more of its roots have to run `seatrial keys sign`" in capsys.readouterr().out
    assert keys() == 1
    assert keys("sign", "--key", "second.pem") == 0
    assert keys() == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "ci"], "takes a NAME and the FILE"),
        (["frobnicate"], "invalid choice"),
        (["init", "x"], "takes nothing more"),
        (["add", "ci", "missing.pub", "--role", "verifier"], "there is no keyring"),
        (["init", "--days", "0"], "--days 0"),
        (["export", "nobody", "--keyring", "other.json"], "there is no keyring other.json"),
    ],
)
def test_wrong_words_are_told(words, said, capsys):
    assert keys(*words) == 2
    assert said in capsys.readouterr().err


def test_add_without_a_role_names_the_roles(place, capsys):
    public(place, "ci")
    keys("init")
    assert keys("add", "ci", "ci.pub") == 2
    assert "--role builder or rebuilder" in capsys.readouterr().err


def public(place, name):
    """Make a key, and a file of its public half."""
    from pipeline.release.private_key import PrivateKey, keep_key  # noqa: PLC0415 - keeps the start of others fast

    key = PrivateKey.new()
    keep_key(place / f"{name}.pem", key)
    (place / f"{name}.pub").write_bytes(key.public.pem)
