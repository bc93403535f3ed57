import time

import cashbook


def test_entry_is_read_as_it_was_written(tmp_path):
    before = int(time.time())
    cashbook.add(tmp_path / "cashbook", 1250)
    ((at, amount),) = cashbook.entries(tmp_path / "cashbook")
    assert amount == 1250
    assert before <= at <= before + 60


def test_empty_cashbook_has_no_entries(tmp_path):
    (tmp_path / "cashbook").touch()
    assert cashbook.entries(tmp_path / "cashbook") == []
