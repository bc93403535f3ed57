import subprocess
import sys

import tables
import pytest


@pytest.mark.parametrize("width", [1, 10, 40, 80, 400])
def test_no_line_is_wider_than_the_terminal(width):
    assert all(len(line) <= max(width, tables.LEAST) for line in tables.lines([("a", "b" * 500)], width))


def test_table_is_printed():
    done = subprocess.run([sys.executable, tables.__file__], capture_output=True, check=True, stdin=subprocess.DEVNULL)
    assert b"Bergen" in done.stdout


def test_all_cells_are_there():
    assert "Bergen" in "".join(tables.lines([("Bergen", "rain")], 80))
