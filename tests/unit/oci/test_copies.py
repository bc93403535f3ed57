"""Copies of unpacked trees: equal in all that a layer has, and apart from what was copied."""

import os

import pytest

from runtime.oci.copies import copy_tree


@pytest.fixture
def trees(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for each in (source, target):
        each.mkdir()
    (source / "a").mkdir(mode=0o750)
    (source / "a" / "file").write_bytes(b"content\0" * 5000)
    (source / "a" / "file").chmod(0o640)
    (source / "a" / "same").hardlink_to(source / "a" / "file")
    (source / "empty").mkdir()
    (source / "link").symlink_to("/nowhere/else")
    (source / "outside").symlink_to(tmp_path)
    for path in (source / "a" / "file", source / "a", source):
        os.utime(path, ns=(1_600_000_000_000_000_001, 1_600_000_000_000_000_002))
    return source, target


def copy(source, target, **options):
    descriptors = [os.open(each, os.O_RDONLY | os.O_DIRECTORY) for each in (source, target)]
    before = os.umask(0o077)  # it is not looked at
    try:
        copy_tree(*descriptors, **options)
    finally:
        os.umask(before)
        for each in descriptors:
            os.close(each)


def described(top):
    """Return path → kind, mode, owner, time, and content or target."""
    found = {}
    for path in (top, *sorted(top.rglob("*"))):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        about = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content)
        found[str(path.relative_to(top))] = about
    return found


def test_copy_is_equal_and_links_among_its_files_are_links_there(trees):
    source, target = trees
    copy(source, target)
    assert described(target) == described(source)
    one, other = (target / "a" / name for name in ("file", "same"))
    assert one.stat().st_ino == other.stat().st_ino != (source / "a" / "file").stat().st_ino


def test_change_in_a_copy_does_not_reach_what_was_copied(trees):
    source, target = trees
    copy(source, target)
    (target / "a" / "file").write_bytes(b"other")
    assert (source / "a" / "file").read_bytes() == b"content\0" * 5000


def test_attributes_are_copied_but_those_of_ours(trees):
    source, target = trees
    os.setxattr(source / "a" / "file", "user.color", b"blue")
    os.setxattr(source / "a" / "file", "user.seatrial.owner", b"1:1")
    copy(source, target)
    assert os.listxattr(target / "a" / "file") == ["user.color"]


def test_mode_of_a_copy_is_what_the_caller_makes_of_it(trees):
    source, target = trees
    copy(source, target, mode=lambda mode, _: mode | 0o005)
    assert (target / "a" / "file").stat().st_mode & 0o777 == 0o645
