"""A tree is cut by whose its files are, and the parts stack to the tree that was cut."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.build.belongings import debian_owners, wheel_owners
from pipeline.build.parts import FIRST, LARGE, MOST, SHARED, Part, cut, plan
from runtime.oci.pack import pack_tree

EPOCH = 1_700_000_000
STATUS = """\
Package: dpkg
Essential: yes
Depends: libc6

Package: libc6
Source: glibc

Package: libssl3
Source: openssl (3.0-1)

Package: openssl
"""
LISTS = {
    "dpkg": "/.\n/bin\n/bin/dpkg\n/etc/shared\n",
    "libc6:amd64": "/lib/libc.so\n",
    "libssl3": "/usr/lib/libssl.so\n",
    "openssl": "/usr/bin/openssl\n/usr/lib/mod.py\n/etc/shared\n",
}


def write(root: Path, path: str, content: str = "x", mtime: int = EPOCH - 9) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)
    os.utime(root / path, (mtime, mtime))


@pytest.fixture
def tree(tmp_path):
    """A tree as dpkg leaves it, with byte-code and with what scripts made."""
    root = tmp_path / "tree"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/lib").mkdir()
    for name in ("bin", "lib"):
        (root / name).symlink_to(f"usr/{name}")
    write(root, "var/lib/dpkg/status", STATUS, EPOCH + 5)
    for name, content in LISTS.items():
        write(root, f"var/lib/dpkg/info/{name}.list", content, EPOCH + 5)
        write(root, f"var/lib/dpkg/info/{name}.md5sums")
    for path in ("usr/bin/dpkg", "usr/lib/libc.so", "usr/lib/libssl.so", "usr/lib/mod.py", "etc/shared", "etc/passwd"):
        write(root, path)
    write(root, "usr/lib/__pycache__/mod.cpython-311.pyc", "code", EPOCH + 7)
    write(root, "usr/lib/__pycache__/gone.cpython-311.pyc", "code", EPOCH + 7)
    write(root, "usr/bin/openssl", "changed by a script", EPOCH + 7)
    return root


def opened(function, root, *arguments, **options):
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return function(descriptor, *arguments, **options)
    finally:
        os.close(descriptor)


def packed(root, part: Part):
    out = io.BytesIO()
    opened(pack_tree, root, out, epoch=EPOCH, exclude=part.exclude, only=part.only)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        return {each.name: (each.type, each.mode, each.mtime, each.linkname) for each in archive}


def parts_of(root):
    return opened(cut, root, opened(debian_owners, root), epoch=EPOCH)


def test_files_of_dpkg_belong_to_their_source_and_those_of_two_to_nobody(tree):
    owners = opened(debian_owners, tree)
    assert owners[b"usr/bin/dpkg"] == owners[b"usr/lib/libc.so"] == FIRST
    assert owners[b"usr/lib/libssl.so"] == owners[b"usr/bin/openssl"] == "openssl"
    assert owners[b"var/lib/dpkg/info/libc6:amd64.md5sums"] == FIRST
    assert not {b"bin", b"etc/shared", b"etc/passwd", b"var/lib/dpkg/info/openssl.list"} & owners.keys()


def test_parts_stack_to_the_tree_that_was_cut(tree):
    parts = parts_of(tree)
    stacked = {}
    for each in parts:
        stacked |= packed(tree, each)
    assert stacked == packed(tree, Part())
    files = [{name for name, entry in packed(tree, each).items() if entry[0] != tarfile.DIRTYPE} for each in parts]
    assert sum(map(len, files)) == len(set().union(*files))


def test_part_of_a_package_is_the_same_whatever_else_there_is(tree):
    first = packed(tree, parts_of(tree)[0])
    write(tree, "usr/lib/another.so")
    write(tree, "var/lib/dpkg/info/another.list", "/usr/lib/another.so\n", EPOCH + 50)
    write(tree, "var/lib/dpkg/status", f"{STATUS}\nPackage: another\n", EPOCH + 50)
    again = parts_of(tree)
    assert packed(tree, again[0]) == first
    assert {"usr/bin/dpkg", "usr/lib/libc.so"} <= first.keys()


def test_byte_code_has_the_owner_and_the_time_of_its_source(tree):
    _, openssl, rest = parts_of(tree)
    entry = packed(tree, openssl)["usr/lib/__pycache__/mod.cpython-311.pyc"]
    assert entry[2] == EPOCH - 9
    assert b"usr/lib/__pycache__/gone.cpython-311.pyc" not in openssl.only
    assert packed(tree, rest)["usr/lib/__pycache__/gone.cpython-311.pyc"][2] == EPOCH


def test_what_a_script_changed_is_in_the_rest(tree):
    *_, rest = parts_of(tree)
    assert {"usr/bin/openssl", "var/lib/dpkg/status", "etc/passwd", "etc/shared"} <= packed(tree, rest).keys()


def test_hard_links_of_two_owners_stay_together(tree):
    (tree / "usr/lib/libssl.so").unlink()
    os.link(tree / "usr/lib/libc.so", tree / "usr/lib/libssl.so")
    *_, rest = parts_of(tree)
    found = packed(tree, rest)
    assert found["usr/lib/libssl.so"][3] == "usr/lib/libc.so"


def test_database_behind_a_link_is_not_read(tree, tmp_path):
    (tree / "var/lib/dpkg").rename(tmp_path / "outside")
    (tree / "var/lib/dpkg").symlink_to(tmp_path / "outside")
    assert opened(debian_owners, tree) == {}
    assert parts_of(tree) == (Part(),)


def test_wheels_own_what_their_record_names(tmp_path):
    for name, rows in {"one": "one.py,,\n../../../bin/one,,\nboth.py,,\n", "two": "two.py,,\nboth.py,,\n"}.items():
        write(tmp_path, f"usr/local/lib/python3.11/{name}-1.dist-info/RECORD", rows)
    owners = opened(wheel_owners, tmp_path, "usr/local/lib/python3.11")
    site = b"usr/local/lib/python3.11/"
    assert owners == {site + b"one.py": "one", b"usr/bin/one": "one", site + b"two.py": "two"}


def test_plan_keeps_the_largest_alone_and_bounds_the_layers():
    sizes = {f"p{each:03}": LARGE + each for each in range(100)} | {FIRST: 5, "small": LARGE - 1}
    found = plan(sizes)
    alone = {name for name, place in found.items() if place[0] == 1}
    assert alone == {f"p{each:03}" for each in range(100 - MOST, 100)}
    assert found[FIRST] == (0, "")
    assert len(set(found.values())) <= 1 + MOST + SHARED


@given(st.dictionaries(st.text("abc", max_size=3), st.integers(0, LARGE - 1), min_size=1), st.integers(0, LARGE - 1))
def test_plan_of_small_owners_depends_on_nothing_but_their_names(sizes, more):
    assert plan(sizes).items() <= plan(sizes | {"other": more}).items()
