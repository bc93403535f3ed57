import os

import jail


def test_program_in_a_jail_cannot_link(tmp_path):
    assert jail.guarded(lambda: os.symlink("here", tmp_path / "there")) == 1


def test_jail_has_rules():
    assert len(jail.rules()) % 8 == 0
