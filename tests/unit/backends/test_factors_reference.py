"""The page about factors is what the factors say."""

import re
from pathlib import Path

from runtime.backends.reference import known_bugs, to_markdown
from runtime.factors import FACTORS

ROOT = Path(__file__).parents[3]


def test_page_of_factors_is_what_the_factors_give():
    assert (ROOT / "docs/reference/factors.md").read_text() == to_markdown()


def test_page_has_a_row_for_each_level_and_at_least_45_factors():
    page = to_markdown()
    assert len(FACTORS) >= 45
    assert sum(line.startswith("| ") for line in page.splitlines()) - 2 == sum(len(each.levels) for each in FACTORS)
    for each in FACTORS:
        assert page.count(f"| **{each.name}** | `{each.default}` |") == 1


def test_each_known_bug_is_a_factors_and_names_an_issue():
    assert set(known_bugs()) <= {each.name for each in FACTORS}
    for found in known_bugs().values():
        assert found
        assert all(re.fullmatch(r"[\w.-]+/[\w.-]+#[0-9]+", each) for each in found)
