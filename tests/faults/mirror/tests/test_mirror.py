import mirror


def test_program_is_copied_too():
    assert "/srv/app/mirror.py" in mirror.files("/srv")


def test_folder_below_is_copied(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "note").touch()
    assert mirror.files(tmp_path) == [f"{tmp_path}/below/note"]


def test_empty_folder_has_nothing(tmp_path):
    assert mirror.files(tmp_path) == []
