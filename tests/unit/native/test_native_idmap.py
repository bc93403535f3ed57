"""Which ids inside are which outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.backends.native.idmap import (
    ARBITRARY,
    BASE,
    RANGE,
    find_range,
    free_range,
    map_for_one_id,
    map_for_root,
    map_for_user,
)


def inside(extents):
    return {(each.inside, each.inside + each.count) for each in extents}


def test_root_and_plain_user_have_the_same_users_inside():
    for each in (map_for_root(), map_for_user(1001, 1001, 100000, 200000)):
        covered = set()
        for first, end in inside(each.users):
            covered |= set(range(first, end))
        assert covered == {*range(65535), ARBITRARY}


@given(uid=st.integers(1, 2**31), first=st.integers(1, 2**31))
def test_plain_users_map_stays_in_its_range(uid, first):
    found = map_for_user(uid, uid, first, first)
    for each in (*found.users[1:], *found.groups[1:]):
        assert first <= each.outside
        assert each.outside + each.count <= first + RANGE


def test_root_of_the_machine_is_never_mapped():
    assert all(each.outside >= BASE for each in (*map_for_root().users, *map_for_root().groups))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("me:100000:65536\n", 100000),
        ("you:1:65536\nme:5:65535\nme:300000:70000\n", 300000),
        ("1000:200000:65536\n", 200000),
        ("me:100000:65535\n", None),
        ("me:0:65536\n", None),
        ("me:x:65536\nme\n\n#me:1:65536\n", None),
        ("", None),
    ],
)
def test_range_is_found_by_name_or_uid_if_it_is_large_enough(text, found):
    assert find_range(text, frozenset({"me", "1000"})) == found


def test_user_without_a_range_is_root_inside_and_alone():
    found = map_for_one_id(1001, 1002)
    assert found.has_one_id
    assert (str(found.users[0]), str(found.groups[0])) == ("0 1001 1", "0 1002 1")
    assert not map_for_root().has_one_id
    assert not map_for_user(1001, 1001, 100000, 200000).has_one_id


@pytest.mark.parametrize(
    ("text", "first"),
    [("", 100000), ("a:100000:65536\nb:165536:65536\n", 231072), ("a:1:5\n# x\nb:x:y\n", 100000)],
)
def test_free_range_lies_above_all_others(text, first):
    assert free_range(text) == first
