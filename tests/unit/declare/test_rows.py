"""Sets that make their hosts: covering arrays of the levels that they name."""

import pytest

from pipeline.declare.covering import pairs_met
from pipeline.declare.errors import SpecError
from pipeline.declare.faults import SpecFaults
from pipeline.declare.host_file import read_set
from pipeline.declare.hosts import BUILT_IN, Catalogue
from pipeline.declare.rows import rows

COVER = """\
seatrial: 1
name: mine
version: 1
cover:
  umask: [0077, 0002]
  columns: [40]
  locale: [C]
  hash-seed: [1]
"""
NEVER = "never:\n  - {umask: 0077, locale: C}\n"
LEVELS = {
    "umask": ("0022", "0077", "0002"),
    "columns": ("unset", "40"),
    "locale": ("C.UTF-8", "C"),
    "hash-seed": ("0", "1"),
}


@pytest.fixture
def catalogue(tmp_path):
    def write(text):
        folder = tmp_path / "hosts"
        (folder / "sets").mkdir(parents=True, exist_ok=True)
        (folder / "sets" / "mine.yaml").write_text(text)
        return Catalogue((folder, BUILT_IN))

    return write


def whole(host):
    return {name: host.level(name) for name in LEVELS}


def test_rows_with_the_reference_meet_every_pair_of_levels(catalogue):
    made = rows(catalogue(COVER).set("mine"), seed=0)
    usual = {name: levels[0] for name, levels in LEVELS.items()}
    met = pairs_met([usual, *map(whole, made)])
    levels = [(name, level) for name, each in LEVELS.items() for level in each]
    assert met == {frozenset((one, two)) for one in levels for two in levels if one[0] != two[0]}


def test_rows_never_hold_what_the_set_forbids(catalogue):
    made = rows(catalogue(COVER + NEVER).set("mine"), seed=0)
    assert made
    assert not any(whole(each)["umask"] == "0077" and whole(each)["locale"] == "C" for each in made)


def test_rows_of_one_seed_are_the_same_and_can_be_had_by_name(catalogue):
    found = catalogue(COVER)
    names = found.members("mine", seed=7)
    assert names == tuple(f"mine-{number}-seed-7" for number in range(1, len(names) + 1))
    assert [found.host(name) for name in names] == list(rows(found.set("mine"), seed=7))
    assert found.host("mine-1").factors == rows(found.set("mine"), seed=0)[0].factors


@pytest.mark.parametrize("name", ["mine-0", "mine-99", "mine-1-seed-0", "other-1"])
def test_row_that_the_set_does_not_make_is_no_host(catalogue, name):
    with pytest.raises(SpecError, match="there is no host"):
        catalogue(COVER).host(name)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (COVER.replace("umask", "umsk"), 5, "umsk"),
        (COVER.replace("0002", "0999"), 5, "0999"),
        (COVER + "never: [{tmp: 1M}]\n", 9, "tmp is not covered"),
        (COVER + "never: [{umask: 999}]\n", 9, "999"),
        ("seatrial: 1\nname: mine\nversion: 1\n", 1, "the set names no host"),
        (COVER.replace("[40]", "[]"), 6, "columns"),
    ],
)
def test_set_with_a_fault_is_refused_at_its_line(catalogue, text, line, said):
    catalogue(text)
    with pytest.raises(SpecFaults) as caught:
        catalogue(text).set("mine")
    (fault,) = caught.value.faults
    assert fault.line == line
    assert said in str(fault)


def test_set_of_which_no_host_can_be_made_is_refused_by_name(catalogue):
    never = "never:\n" + "".join(f"  - {{umask: {level}}}\n" for level in LEVELS["umask"])
    with pytest.raises(SpecError, match="the set 'mine' cannot be made"):
        catalogue(COVER + never).members("mine", seed=0)


def test_set_that_is_brought_reads(tmp_path):
    assert read_set(BUILT_IN / "sets" / "quick.yaml").cover == {}
