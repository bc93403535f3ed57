"""The page about system calls, and the counts beside other profiles."""

from pathlib import Path

from runtime.backends.native.seccomp import read_numbers
from runtime.backends.native.seccomp.reference import allowed_calls, neighbors, summary, to_markdown

ROOT = Path(__file__).parents[3]


def test_page_of_system_calls_is_what_the_profile_gives():
    assert (ROOT / "docs/reference/system-calls.md").read_text() == to_markdown()


def test_profile_is_stricter_than_dockers():
    (docker,) = [each for each in neighbors() if each.name == "docker"]
    assert not docker.added
    assert len(allowed_calls()) == docker.allowed - len(docker.refused)
    assert summary() == f"{len(allowed_calls())} system calls allowed, of {docker.allowed} that Docker allows"


def test_each_difference_names_a_call_and_says_why():
    known = {name for table in read_numbers().values() for name in table}
    for each in neighbors():
        assert set(each.refused) | set(each.added) <= known
        assert not set(each.refused) & allowed_calls()
        assert set(each.added) <= allowed_calls()
        assert all([*each.refused.values(), *each.added.values()])
