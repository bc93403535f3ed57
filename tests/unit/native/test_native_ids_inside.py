"""Ids outside of a namespace, as they are seen inside."""

from runtime.backends.native.idmap import ARBITRARY, map_for_one_id, map_for_user


def test_ids_inside_are_those_that_the_kernel_maps():
    ids = map_for_user(1000, 1001, 100000, 200000)
    assert ids.inside(1000, 1001) == (0, 0)
    assert ids.inside(100000, 200000) == (1, 1)
    assert ids.inside(100000 + 65534, 200000) == (ARBITRARY, 1)


def test_id_that_is_not_mapped_is_nobody_inside():
    assert map_for_one_id(1000, 1000).inside(0, 5) == (65534, 65534)
