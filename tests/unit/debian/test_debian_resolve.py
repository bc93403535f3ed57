"""What is chosen, on archives of a few packages."""

import pytest
from debian_archive import Archive

from pipeline.declare.errors import ArchiveError, ResolveError, SpecError


def test_lock_takes_dependencies_and_essential_packages_and_no_recommends(archive: Archive, lock) -> None:
    archive.add("base", essential="yes", pre_depends="libc")
    archive.add("libc")
    archive.add("app", depends="lib (>= 1)", recommends="docs")
    archive.add("lib", "1.5")
    archive.add("docs")
    archive.add("unrelated")
    assert list(lock("app")) == ["app", "base", "lib", "libc"]


def test_lock_is_the_same_whatever_the_order_of_the_request(archive: Archive, lock) -> None:
    for name, depends in (("a", "x | y"), ("b", "y"), ("c", "x | z")):
        archive.add(name, depends=depends)
    for name in "xyz":
        archive.add(name)
    assert list(lock("a", "b", "c")) == list(lock("c", "b", "a"))


def test_lock_security_pocket_with_the_higher_version_wins(archive: Archive, lock) -> None:
    archive.add("app", "1.0-1")
    archive.add("app", "1.0-1+deb12u1", pocket=archive.security)
    archive.add("app", "1.0-1+deb12u0", pocket=archive.updates)
    locked = lock("app")["app"]
    assert locked.version == "1.0-1+deb12u1"
    assert locked.artifact.source == "debian-security:pool/main/a/app/app_1.0-1+deb12u1_all.deb"


def test_lock_highest_version_is_the_highest_as_dpkg_compares(archive: Archive, lock) -> None:
    for version in ("1.9", "1.10", "1.10~rc1"):
        archive.add("app", version)
    assert lock("app")["app"].version == "1.10"


def test_lock_equal_versions_are_taken_from_the_main_archive(archive: Archive, lock) -> None:
    archive.add("app", "1", pocket=archive.security)
    archive.add("app", "1")
    assert lock("app")["app"].artifact.archive == "debian"


def test_lock_alternative_that_is_needed_anyway_satisfies(archive: Archive, lock) -> None:
    archive.add("app", depends="first | second, other")
    archive.add("other", depends="second")
    archive.add("first")
    archive.add("second")
    assert list(lock("app")) == ["app", "other", "second"]


def test_lock_first_alternative_that_exists_is_taken(archive: Archive, lock) -> None:
    archive.add("app", depends="absent | second | third")
    archive.add("second")
    archive.add("third")
    assert list(lock("app")) == ["app", "second"]


def test_lock_real_package_goes_before_one_that_provides_it(archive: Archive, lock) -> None:
    archive.add("app", depends="mta")
    archive.add("a-provider", provides="mta")
    archive.add("mta")
    assert list(lock("app")) == ["app", "mta"]


def test_lock_provider_of_the_higher_priority_is_taken(archive: Archive, lock) -> None:
    archive.add("app", depends="awk")
    archive.add("a-awk", provides="awk", priority="optional")
    archive.add("mawk", provides="awk", priority="required")
    assert list(lock("app")) == ["app", "mawk"]


def test_lock_versioned_dependency_needs_a_versioned_provides(archive: Archive, lock) -> None:
    archive.add("app", depends="api (>= 2)")
    archive.add("a-plain", provides="api")
    archive.add("b-old", provides="api (= 1)")
    archive.add("c-right", provides="api (= 2.1)")
    assert list(lock("app")) == ["app", "c-right"]


def test_lock_conflict_is_avoided_by_another_alternative(archive: Archive, lock) -> None:
    archive.add("app", depends="first | second, third")
    archive.add("first", conflicts="third")
    archive.add("second")
    archive.add("third")
    assert list(lock("app")) == ["app", "second", "third"]


def test_lock_conflict_found_late_goes_back_to_the_choice(archive: Archive, lock) -> None:
    # Both choices look free; what the first one needs refuses what the only way of the second one needs.
    archive.add("app", depends="one | two, left | right")
    archive.add("one", depends="one-lib")
    archive.add("one-lib", breaks="right-lib, left")
    archive.add("two")
    archive.add("left", depends="left-lib")
    archive.add("left-lib", depends="gone")
    archive.add("right", depends="right-lib")
    archive.add("right-lib")
    assert list(lock("app")) == ["app", "right", "right-lib", "two"]


def test_lock_breaks_of_an_older_version_does_not_refuse_the_newer(archive: Archive, lock) -> None:
    archive.add("app", depends="lib", breaks="lib (<< 2)")
    archive.add("lib", "2.1")
    assert list(lock("app")) == ["app", "lib"]


def test_lock_package_may_conflict_with_a_name_that_it_provides(archive: Archive, lock) -> None:
    archive.add("postfix", provides="mta", conflicts="mta")
    archive.add("exim", provides="mta", conflicts="mta")
    assert list(lock("postfix")) == ["postfix"]
    with pytest.raises(ResolveError, match="exim 1 refuses mta, and postfix 1 is chosen"):
        lock("postfix", "exim")


def test_lock_usr_is_merged_is_preferred(archive: Archive, lock) -> None:
    archive.add("init", essential="yes", depends="usrmerge | usr-is-merged")
    archive.add("usrmerge", depends="perl")
    archive.add("perl")
    archive.add("usr-is-merged")
    assert list(lock()) == ["init", "usr-is-merged"]


def test_lock_other_architectures_are_not_seen(archive: Archive, lock) -> None:
    archive.add("app", "1", architecture="amd64", depends="lib:any")
    archive.add("app", "2", architecture="arm64")
    archive.add("lib", architecture="amd64")
    assert lock("app")["app"].version == "1"


def test_lock_unknown_package_names_a_near_one(archive: Archive, lock) -> None:
    archive.add("python3")
    with pytest.raises(ResolveError, match="no package 'pyhton3'; did you mean 'python3'"):
        lock("pyhton3")


def test_lock_unmet_dependency_shows_the_chain(archive: Archive, lock) -> None:
    archive.add("app", depends="middle")
    archive.add("middle", depends="lib (>= 3)")
    archive.add("lib", "2")
    with pytest.raises(ResolveError) as caught:
        lock("app")
    assert caught.value.message == (
        "cannot install lib (>= 3), which middle 1 needs (app → middle): the archive has lib 2"
    )


def test_lock_version_that_was_asked_for_is_taken_from_an_older_pocket(archive: Archive, lock) -> None:
    archive.add("app", "1")
    archive.add("app", "2", pocket=archive.security)
    assert lock("app=1")["app"].version == "1"
    with pytest.raises(ResolveError, match=r"cannot install app \(= 3\)"):
        lock("app=3")


@pytest.mark.parametrize("text", ["a, b", "a | b", "a b", "-rf", ""])
def test_lock_entry_that_is_no_package_is_refused(archive: Archive, lock, text: str) -> None:
    with pytest.raises(SpecError, match="Debian package"):
        lock(text)


def test_lock_installed_packages_stay_and_are_left_out(archive: Archive, lock) -> None:
    archive.add("base", essential="yes")
    archive.add("lib", "1")
    image = lock("lib")
    archive.main.packages.clear()
    archive.add("base", essential="yes")
    archive.add("lib", "2")
    archive.add("tool", depends="lib")
    archive.add("fresh", depends="lib (>= 2)")
    assert list(lock("tool", installed=tuple(image.values()))) == ["tool"]
    with pytest.raises(ResolveError, match=r"lib 1 is there already|the archive has lib 1"):
        lock("fresh", installed=tuple(image.values()))


def test_lock_kept_packages_stay_and_only_those_in_the_way_are_freed(archive: Archive, lock) -> None:
    for version in ("1", "2"):
        archive.main.packages.clear()
        archive.add("lib", version)
        archive.add("lib-core", version)
        archive.add("calm", version)
        archive.add("lib-dev", version, depends=f"lib (= {version}), lib-core (= {version})")
        if version == "1":
            old = tuple(lock("lib", "lib-core", "calm").values())
    again = lock("lib", "lib-core", "calm", keep=old)
    assert tuple(again.values()) == old
    more = lock("lib", "lib-core", "calm", "lib-dev", keep=old)
    assert {name: one.version for name, one in more.items()} == {
        "lib": "2",
        "lib-core": "2",
        "calm": "1",
        "lib-dev": "2",
    }


def test_lock_package_with_weak_hashes_only_is_refused(archive: Archive, lock) -> None:
    archive.add("app")
    archive.main.packages[0]["MD5sum"] = "0" * 32
    del archive.main.packages[0]["SHA256"]
    with pytest.raises(ArchiveError, match="no SHA-256 or SHA-512 of app 1"):
        lock("app")
