"""The page of the reference is the table of rules."""

from pathlib import Path

from pipeline.lint.rules import to_markdown

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "lint.md"


def test_page_is_the_table():
    assert PAGE.read_text(encoding="utf-8") == to_markdown(), (
        "run `python -m pipeline.lint.rules > docs/reference/lint.md`"
    )
