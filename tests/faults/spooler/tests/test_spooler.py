import pytest
import spooler


def test_spooler_starts():
    assert spooler.Spooler().parcels == []


def test_release_of_a_vendor_is_read():
    assert spooler.version("4.18.0-553.el8_10.x86_64") == (4, 18)


def test_release_of_nobody_is_refused():
    with pytest.raises(ValueError, match="current"):
        spooler.version("current")
