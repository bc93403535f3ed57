import time

import ledger


def test_entry_is_read_as_it_was_written(tmp_path):
    before = int(time.time())
    ledger.add(tmp_path / "ledger", 1250)
    ((at, amount),) = ledger.entries(tmp_path / "ledger")
    assert amount == 1250
    assert before <= at <= before + 60


def test_empty_ledger_has_no_entries(tmp_path):
    (tmp_path / "ledger").touch()
    assert ledger.entries(tmp_path / "ledger") == []
