import os

import handover


def test_folder_belongs_to_its_new_owner(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "base").write_text("")
    handover.entrust(tmp_path / "data", 33)
    assert handover.owner_of(tmp_path / "data" / "base") == 33


def test_owner_of_a_new_file_is_its_writer(tmp_path):
    (tmp_path / "base").write_text("")
    assert handover.owner_of(tmp_path / "base") == os.geteuid()
