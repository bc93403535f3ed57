"""The pages of docs/: each is listed, and each link of each page leads to something."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "docs" / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def links(page):
    """Return where a page leads, without what lies elsewhere in the world."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    return [each for each in re.findall(r"\]\(([^)\s]+)\)", prose) if not re.match(r"[a-z]+:", each)]


def anchors(page):
    """Return the anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_index_lists_every_page_but_decisions():
    pages = {each.relative_to(INDEX.parent).as_posix() for each in PAGES if INDEX.parent in each.parents}
    listed = set(links(INDEX)) - {"decisions/"}
    assert listed == {each for each in pages if not each.startswith("decisions/")} - {"README.md"}
