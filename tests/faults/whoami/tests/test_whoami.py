import os

import whoami


def test_somebody_is_always_named():
    assert whoami.name()


def test_nobody_is_named_by_a_number():
    assert whoami.name_of(4_000_123_456 % 2**31) == f"user {4_000_123_456 % 2**31}"


def test_owner_of_a_new_file_is_me(tmp_path):
    (tmp_path / "mine").touch()
    assert whoami.name_of((tmp_path / "mine").stat().st_uid) == whoami.name_of(os.getuid())


def test_settings_have_a_place():
    assert whoami.settings().is_absolute()
