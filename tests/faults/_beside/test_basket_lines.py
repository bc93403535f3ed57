import csv
import io
import re

BASKET = re.compile(r"(?P<count>\d+) x (?P<name>\w+)")


def test_basket_line_is_read():
    assert BASKET.fullmatch("3 x tea").groupdict() == {"count": "3", "name": "tea"}


def test_basket_line_without_count_is_refused():
    assert BASKET.fullmatch("x tea") is None


def test_basket_lines_become_a_table():
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([["tea", 3], ["a, b", 1]])
    assert table.getvalue() == 'tea,3\n"a, b",1\n'
