"""The strata of a Debian tree, from relations and scripts alone."""

from types import SimpleNamespace

import pytest

from pipeline.build.strata import CACHES, ESSENTIAL, PLAIN, RUNTIMES, SCRIPTED, strata
from pipeline.declare.errors import BuildError


def package(*files, **control):
    fields = {key.replace("_", "-"): text for key, text in control.items()}
    return SimpleNamespace(control=fields, control_files=dict.fromkeys(files, b""))


BASE = {"dpkg": package("postinst", essential="yes", depends="libc6"), "libc6": package("postinst")}


def of(packages):
    return {each.name: each.stages for each in strata({**BASE, **packages})}


def test_essential_packages_alone_are_one_stratum():
    assert of({}) == {ESSENTIAL: (("dpkg", "libc6"),)}


@pytest.mark.parametrize("script", ["preinst", "postinst", "config"])
def test_package_with_a_script_is_below_those_without(script):
    found = of({"a": package(), "b": package(script)})
    assert found == {ESSENTIAL: (("dpkg", "libc6"),), SCRIPTED: (("b",),), PLAIN: (("a",),)}


@pytest.mark.parametrize("file", ["prerm", "postrm", "triggers", "conffiles", "md5sums"])
def test_package_whose_files_are_not_run_when_it_is_installed_is_plain(file):
    assert PLAIN in of({"a": package(file)})


def test_what_a_script_may_need_is_with_it():
    packages = {
        "a": package("postinst", depends="b | x, libc6"),
        "b": package(pre_depends="c"),
        "c": package(provides="y"),
        "d": package(depends="a"),
    }
    assert of(packages) == {ESSENTIAL: (("dpkg", "libc6"),), SCRIPTED: (("a", "b", "c"),), PLAIN: (("d",),)}


def test_what_runs_programs_is_below_other_scripts_with_all_that_it_needs():
    packages = {"a": package("postinst"), "python3": package("postinst", depends="b"), "b": package()}
    assert of(packages) == {ESSENTIAL: (("dpkg", "libc6"),), RUNTIMES: (("b", "python3"),), SCRIPTED: (("a",),)}


def test_one_more_plain_package_leaves_what_is_below():
    few, more = of({"a": package("postinst")}), of({"a": package("postinst"), "b": package(depends="a")})
    assert more == {**few, PLAIN: (("b",),)}


def test_stages_of_scripts_are_kept_in_their_stratum():
    packages = {"a": package("preinst", pre_depends="b"), "b": package("postinst"), "c": package()}
    assert of(packages)[SCRIPTED] == (("b",), ("a",))


def test_stage_before_whose_files_no_script_runs_is_one_with_that_below():
    packages = {
        "a": package("preinst", pre_depends="b"),
        "b": package("postinst"),
        "c": package("postinst", depends="python3"),
        "d": package("postinst"),
        "python3": package("preinst", pre_depends="e"),
        "e": package("postinst"),
    }
    found = of(packages)
    assert (found[RUNTIMES], found[SCRIPTED]) == ((("e",), ("python3",)), (("b", "d"), ("a", "c")))
    del packages["a"]
    assert of(packages)[SCRIPTED] == (("b", "d", "c"),)


def late(packages):
    return {each.name: (each.packages, each.late) for each in strata({**BASE, **packages})}


def test_what_fills_a_cache_is_unpacked_in_its_place_and_configured_over_all_others():
    packages = {"man-db": package("postinst"), "a": package("postinst"), "b": package()}
    assert late(packages) == {
        ESSENTIAL: (("dpkg", "libc6"), ()),
        SCRIPTED: (("a", "man-db"), ("man-db",)),
        PLAIN: (("b",), ("man-db",)),
        CACHES: ((), ("man-db",)),
    }


def test_stratum_below_what_fills_a_cache_is_as_it_is_without_it():
    packages = {"python3": package("postinst"), "fontconfig": package("postinst", depends="python3")}
    found, without = late(packages), late({"python3": packages["python3"]})
    assert found[RUNTIMES] == without[RUNTIMES] == (("python3",), ())
    assert found[CACHES] == ((), ("fontconfig",))


def test_essential_package_is_configured_with_the_others():
    assert CACHES not in late({"dpkg": package("postinst", essential="yes", depends="man-db"), "man-db": package()})


def test_packages_without_dpkg_cannot_be_installed():
    with pytest.raises(BuildError, match="dpkg is not among the packages"):
        strata({"a": package(essential="yes")})


IDLE = b'#!/bin/sh\nset -e\ndpkg-maintscript-helper rm_conffile /etc/old 1 -- "$@"\n'


def test_package_whose_first_script_does_nothing_waits_for_none():
    idle, b = package("preinst", pre_depends="b"), package("postinst")
    idle.control_files["preinst"] = IDLE
    assert of({"a": idle, "b": b})[SCRIPTED] == (("a", "b"),)


def test_stages_between_which_scripts_do_nothing_are_one():
    first, idle = package("preinst", pre_depends="b"), package("preinst", pre_depends="a")
    idle.control_files["preinst"] = IDLE
    packages = {"a": first, "b": package("postinst"), "c": idle, "d": package("postinst", depends="a")}
    assert of(packages)[SCRIPTED] == (("b",), ("a", "c", "d"))
