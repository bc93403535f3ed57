"""The stages in which packages are unpacked, from relations and scripts alone."""

from types import SimpleNamespace

import pytest

from pipeline.build.stages import unpack_stages


def package(*, preinst=False, **control):
    files = {"preinst": b""} if preinst else {}
    return SimpleNamespace(control={key.replace("_", "-"): text for key, text in control.items()}, control_files=files)


def test_all_are_of_one_stage_where_no_script_runs_before_its_files():
    packages = {"a": package(pre_depends="b"), "b": package(depends="c"), "c": package(preinst=True, depends="a")}
    assert unpack_stages(packages, ()) == (("a", "b", "c"),)


def test_package_follows_what_its_first_script_needs():
    packages = {"a": package(preinst=True, pre_depends="b"), "b": package(), "c": package(depends="a"), "d": package()}
    assert unpack_stages(packages, ()) == (("b", "d"), ("a", "c"))


def test_what_a_needed_package_depends_on_is_configured_with_it():
    packages = {
        "a": package(preinst=True, pre_depends="b"),
        "b": package(depends="c"),
        "c": package(preinst=True, pre_depends="d (>= 1)"),
        "d": package(),
    }
    assert unpack_stages(packages, ()) == (("d",), ("b", "c"), ("a",))


@pytest.mark.parametrize("relation", ["base", "virtual", "absent | base"])
def test_essential_packages_are_first(relation):
    packages = {"a": package(preinst=True, pre_depends=relation), "base": package(provides="virtual")}
    packages |= {"b": package(), "c": package(preinst=True, pre_depends="b")}
    assert unpack_stages(packages, ("base",)) == (("base",), ("a", "b"), ("c",))
    assert unpack_stages(packages, ()) == (("b", "base"), ("a", "c"))


def test_circle_ends():
    packages = {each: package(preinst=True, pre_depends=other) for each, other in ("ab", "ba")}
    assert {name for stage in unpack_stages(packages, ()) for name in stage} == {"a", "b"}
