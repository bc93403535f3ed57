import pytest

import ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "book"


def test_entry_is_read_by_its_number(path):
    ledger.write(path, ["rent", "wages"])
    assert ledger.read(path, 1) == "wages"


def test_long_ledger_is_written(path):
    assert ledger.write(path, (str(number) for number in range(20_000))) == 20_000 * ledger.WIDTH
