import filters
import pytest


def test_line_passes_a_filter():
    assert filters.run("upper", "tr a-z A-Z", "one line") == "ONE LINE"


def test_filter_has_a_plain_name():
    with pytest.raises(ValueError, match="name"):
        filters.run("../upper", "cat", "")
