import storage


def test_record_is_kept_in_time(tmp_path):
    assert storage.keep(tmp_path / "store.db", "block") < 1.5


def test_record_is_documented():
    assert "safe" in storage.keep.__doc__
