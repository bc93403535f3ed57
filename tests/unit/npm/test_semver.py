"""Ranges have the versions that npm says: the cases are those of its documentation and of its own program's answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.build.ecosystems.npm.semver import Range, Version

NUMBERS = st.integers(0, 4)
VERSIONS = st.builds(
    lambda major, minor, patch, before: f"{major}.{minor}.{patch}" + (f"-{before}" if before else ""),
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.sampled_from(["", "", "0", "alpha", "alpha.1", "rc.10"]),
)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.2.3", ["1.2.3", "1.9.0"], ["1.2.2", "2.0.0", "2.0.0-0", "1.3.0-rc"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4", "0.0.2"]),
        ("^0.0", ["0.0.9"], ["0.1.0"]),
        ("^0.x", ["0.9.9"], ["1.0.0"]),
        ("^1.2.3-beta.2", ["1.2.3-beta.2", "1.2.3-beta.10", "1.2.3"], ["1.2.4-beta.3", "1.2.3-beta.1"]),
        ("~1.2.3", ["1.2.9"], ["1.3.0"]),
        ("~1", ["1.9.0"], ["2.0.0", "0.9.0"]),
        ("1.2 - 2.3", ["1.2.0", "2.3.9"], ["2.4.0", "1.1.9"]),
        ("1.2.3 - 2.3.4", ["2.3.4"], ["2.3.5"]),
        ("", ["0.0.0", "9.9.9"], ["1.0.0-a"]),
        ("*", ["0.0.0"], ["1.0.0-a"]),
        ("1.x || >=2.5.0 <3", ["1.0.0", "2.5.0"], ["2.4.9", "3.0.0"]),
        (">1.2", ["1.3.0"], ["1.2.9"]),
        ("<=1.2", ["1.2.9"], ["1.3.0"]),
        ("<1.2", ["1.1.9"], ["1.2.0"]),
        (">= 1.2.0 <1.3.0", ["1.2.5"], ["1.3.0"]),
        ("=1.2.3", ["1.2.3", "1.2.3+build"], ["1.2.4"]),
        ("v1.2.3", ["1.2.3"], ["1.2.4"]),
    ],
)
def test_range_has_what_npm_says(text, inside, outside):
    wanted = Range.parse(text)
    assert [each for each in inside if not wanted.has(Version.parse(each))] == []
    assert [each for each in outside if wanted.has(Version.parse(each))] == []


@pytest.mark.parametrize("text", ["latest", "git+https://h/a.git", "=", "1.2.3.4", "file:../a", "^", "1 " * 4000])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match="range of versions"):
        Range.parse(text)


@pytest.mark.parametrize("text", ["", "1.2", "a.b.c", "1.2.3-", "1.2.3_4", "9" * 300 + ".0.0"])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(ValueError, match="no version"):
        Version.parse(text)


def test_pre_releases_are_in_the_order_of_the_specification():
    texts = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"]
    texts += ["1.0.0-rc.1", "1.0.0"]
    assert sorted(set(texts), key=Version.parse) == texts
    assert Version.parse("1.0.0-1") < Version.parse("1.0.0-a")


@given(VERSIONS, VERSIONS)
def test_order_is_total_and_bounds_agree_with_it(one, other):
    first, second = Version.parse(one), Version.parse(other)
    assert (first < second) + (second < first) + (first == second) == 1
    if not first.before:
        assert Range.parse(f">={other}").has(first) == (not first < second)
        assert Range.parse(f"<{other}").has(first) == (first < second)
    assert Range.parse(other).has(first) == (first == second)
