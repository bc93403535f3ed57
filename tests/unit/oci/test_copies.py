"""Copies of unpacked trees: equal in all that a layer has, and apart from what was copied."""

import contextlib
import os
import stat

import pytest

from runtime.backends.native.mapped import run_mapped
from runtime.oci.copies import copy_tree, merge_trees


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


@contextlib.contextmanager
def opened(*folders):
    descriptors = [os.open(each, os.O_RDONLY | os.O_DIRECTORY) for each in folders]
    before = os.umask(0o077)  # it is not looked at
    try:
        yield descriptors
    finally:
        os.umask(before)
        for each in descriptors:
            os.close(each)


def copy(source, target):
    merge(target, source)


def merge(target, *layers):
    """Merge as user 0: this one, or that of a namespace."""
    with opened(target, *layers) as descriptors:
        if os.geteuid() == 0:
            merge_trees(*descriptors)
        else:
            run_mapped(merge_trees, directories=(target, *layers))


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
    with opened(source, target) as descriptors:
        copy_tree(*descriptors, mode=lambda mode, _: mode | 0o005)
    assert (target / "a" / "file").stat().st_mode & 0o777 == 0o645


def test_upper_layers_lie_over_lower_ones(trees, tmp_path):
    lower, target = trees
    upper = tmp_path / "upper"
    (upper / "a").mkdir(parents=True, mode=0o700)
    (upper / "a" / "file").write_bytes(b"above")
    (upper / "empty").write_bytes(b"no folder now")
    (upper / "link").mkdir()
    (upper / "link" / "new").touch()
    merge(target, lower, upper)
    assert (target / "a" / "file").read_bytes() == b"above"
    assert (target / "a" / "same").read_bytes() == b"content\0" * 5000
    assert (target / "a").stat().st_mode & 0o777 == 0o700
    assert (target / "empty").read_bytes() == b"no folder now"
    assert (target / "link" / "new").is_file()
    assert not (target / "link").is_symlink()
    assert (target / "outside").readlink() == tmp_path


def test_what_an_upper_layer_hides_is_not_there(trees, tmp_path):
    lower, target = trees
    upper = tmp_path / "upper"
    (upper / "a").mkdir(parents=True)
    (upper / "a" / "new").touch()
    try:
        os.mknod(upper / "link", stat.S_IFCHR, 0)
    except PermissionError:
        pytest.skip("only root, or a user namespace, may make overlayfs's whiteouts")
    os.setxattr(upper / "a", "user.overlay.opaque", b"y")
    merge(target, lower, upper)
    assert not (target / "link").is_symlink()
    assert [each.name for each in (target / "a").iterdir()] == ["new"]
    assert os.listxattr(target / "a") == []
    assert not stat.S_ISCHR((target / "outside").lstat().st_mode)
