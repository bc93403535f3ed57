import deploykey


def test_key_is_made(tmp_path):
    assert deploykey.make(str(tmp_path / "key")).startswith("ssh-ed25519 ")


def test_key_has_no_passphrase():
    assert "without a passphrase" in deploykey.make.__doc__
