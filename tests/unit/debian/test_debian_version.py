import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.build.ecosystems.debian.relations import Relation, parse_relations
from pipeline.build.ecosystems.debian.stanza import parse_stanza
from pipeline.build.ecosystems.debian.version import is_satisfied, version_order
from pipeline.declare.errors import LockError

# Each row ascends. The forms are those of deb-version(7), and of versions that Debian has.
ASCENDING = [
    ["1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0a", "1.0+b1", "1.0.1"],
    ["1.0-1~deb12u1", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-2", "1.0-10"],
    ["9", "10", "1:1", "2:0"],
    ["0~1", "0", "0.1"],
    ["1.2-3-4", "1.2-4-1"],
    ["1a", "1ab", "1+"],
]
EQUAL = [("1.0", "1.00"), ("1.0", "1.0-0"), ("1.", "1.0"), ("0:1", "1"), ("01", "1")]
VERSIONS = st.from_regex(r"(?:[0-9]:)?[0-9][a-z0-9.+~]{0,8}(?:-[a-z0-9.+~]{1,4})?", fullmatch=True)


@pytest.mark.parametrize("row", ASCENDING)
def test_version_order_ascends_as_dpkg_does(row: list[str]) -> None:
    keys = [version_order(version) for version in row]
    assert all(lower < higher for lower, higher in itertools.pairwise(keys))


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_version_order_equal_versions_have_equal_keys(one: str, other: str) -> None:
    assert version_order(one) == version_order(other)


@given(VERSIONS)
def test_version_order_tilde_sorts_before_and_plus_after(version: str) -> None:
    assert version_order(version + "~") < version_order(version) < version_order(version + "+")


@given(VERSIONS, VERSIONS)
def test_is_satisfied_mirrors_when_sides_are_swapped(one: str, other: str) -> None:
    assert is_satisfied(one, "<<", other) == is_satisfied(other, ">>", one)
    assert is_satisfied(one, "<=", other) != is_satisfied(one, ">>", other)


@pytest.mark.parametrize("bad", ["", "1 2", "1_2", "a:1", "1:", "1.0-", "9" * 300])
def test_version_order_bad_version_is_refused(bad: str) -> None:
    with pytest.raises(LockError, match="no Debian version"):
        version_order(bad)


def test_parse_relations_reads_alternatives_versions_and_architectures() -> None:
    parsed = parse_relations("a:any (>= 1.0), b | c (<<2~) , d,")
    assert parsed == (
        (Relation("a", "any", ">=", "1.0"),),
        (Relation("b"), Relation("c", "", "<<", "2~")),
        (Relation("d"),),
    )
    assert ", ".join(" | ".join(map(str, group)) for group in parsed) == "a:any (>= 1.0), b | c (<< 2~), d"


@pytest.mark.parametrize("bad", ["a (>= )", "a b", "(>= 1)", "a |", "${misc:Depends}"])
def test_parse_relations_bad_field_is_refused(bad: str) -> None:
    with pytest.raises(LockError, match="no relation"):
        parse_relations(bad)


def test_parse_stanza_folds_lines_and_ignores_case() -> None:
    fields = parse_stanza("Package: a\nSHA256:\n 12 3 x\n 45 6 y\n# comment\nDEPENDS: b:any\n")
    assert fields == {"package": "a", "sha256": "\n12 3 x\n45 6 y", "depends": "b:any"}
