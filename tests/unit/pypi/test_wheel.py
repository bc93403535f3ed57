import base64
import hashlib
import os
import stat
import zipfile

import pytest

from pipeline.build.ecosystems.pypi.record import Row, parse_record, print_record
from pipeline.build.ecosystems.pypi.wheel import install_wheels, newest_time
from pipeline.declare.errors import PackageError

SITE = "usr/local/lib/python3.11/dist-packages"
WHEEL = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def row(path, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n"


def wheel(folder, files, *, name="shop", extra=(), record=None, modes=None):
    """Write a wheel; ``extra`` are members outside of RECORD, ``modes`` the Unix modes of members."""
    info = f"{name}-1.0.dist-info"
    members = {f"{info}/WHEEL": WHEEL, f"{info}/METADATA": f"Name: {name}\nVersion: 1.0\n".encode(), **files}
    text = "".join(row(path, content) for path, content in members.items()) + f"{info}/RECORD,,\n"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for member, content in [*members.items(), (f"{info}/RECORD", (record or text).encode()), *extra]:
            entry = zipfile.ZipInfo(member, (2024, 5, 6, 7, 8, 10))
            entry.external_attr = (modes or {}).get(member, stat.S_IFREG | 0o644) << 16
            file.writestr(entry, content)
    return path


def install(root, *wheels):
    root.mkdir(exist_ok=True)
    install_wheels(wheels, root, site=SITE, scripts="usr/local/bin")


def tree(root):
    found = {}
    for path in sorted(root.rglob("*")):
        about = path.lstat()
        found[str(path.relative_to(root))] = (stat.S_IMODE(about.st_mode), path.is_file() and path.read_bytes())
    return found


def test_install_wheels_lays_down_modules_scripts_and_data(tmp_path):
    files = {
        "shop/__init__.py": b"def main(): return 0\n",
        "shop/run.sh": b"#!/bin/sh\n",
        "shop-1.0.data/scripts/tool": b"#!python -E\nprint(1)\n",
        "shop-1.0.data/data/share/x.txt": b"x",
        "shop-1.0.data/purelib/extra.py": b"",
        "shop-1.0.dist-info/entry_points.txt": b"[console_scripts]\nShop = shop:main\n",
    }
    path = wheel(tmp_path, files, modes={"shop/run.sh": stat.S_IFREG | 0o775})
    install(tmp_path / "root", path)
    found = tree(tmp_path / "root")
    assert found[f"{SITE}/shop/run.sh"][0] == 0o755
    assert found[f"{SITE}/shop/__init__.py"] == (0o644, files["shop/__init__.py"])
    assert found["usr/local/bin/tool"] == (0o755, b"#!/usr/bin/python3 -E\nprint(1)\n")
    assert found["usr/local/share/x.txt"] == (0o644, b"x")
    assert f"{SITE}/extra.py" in found
    assert found["usr/local/bin/Shop"][1].startswith(b"#!/usr/bin/python3\nimport sys\nfrom shop import main\n")
    assert found[f"{SITE}/shop-1.0.dist-info/INSTALLER"] == (0o644, b"seatrial\n")
    assert (tmp_path / "root" / SITE / "shop" / "__init__.py").stat().st_mtime == 1714979290
    assert newest_time(path) == 1714979290


def test_installed_record_lists_every_file_with_its_hash(tmp_path):
    root = tmp_path / "root"
    entry = {
        "shop-1.0.dist-info/entry_points.txt": b"[console_scripts]\nshop = shop:main\n",
        "shop.py": b"main = int\n",
    }
    install(root, wheel(tmp_path, entry))
    rows = parse_record((root / SITE / "shop-1.0.dist-info" / "RECORD").read_bytes())
    listed = {(root / SITE / each.path).resolve() for each in rows}
    assert listed == {path.resolve() for path in root.rglob("*") if path.is_file()}
    for each in rows:
        if each.hash:
            assert row(each.path, (root / SITE / each.path).read_bytes()).startswith(f"{each.path},{each.hash},")


def test_install_wheels_is_the_same_in_any_order_and_umask(tmp_path):
    first, second = wheel(tmp_path, {"a.py": b"1"}, name="aa"), wheel(tmp_path, {"b.py": b"2"}, name="bb")
    install(tmp_path / "one", first, second)
    before = os.umask(0o077)
    try:
        install(tmp_path / "two", second, first)
    finally:
        os.umask(before)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../evil.py", "no plain path"),
        ("/etc/evil", "no plain path"),
        ("a/../../evil", "no plain path"),
        ("a\\..\\evil", "no plain path"),
        ("shop-1.0.data/other/x", "no known part"),
        ("shop-1.0.data/scripts/../../../../evil", "no plain path"),
    ],
)
def test_wheel_with_path_that_leaves_the_tree_is_refused(tmp_path, path, reason):
    with pytest.raises(PackageError, match=reason):
        install(tmp_path / "root", wheel(tmp_path, {path: b"x"}))
    assert not (tmp_path / "evil.py").exists()


def test_wheel_with_symbolic_link_is_refused(tmp_path):
    path = wheel(tmp_path, {"link": b"/etc/passwd"}, modes={"link": stat.S_IFLNK | 0o777})
    with pytest.raises(PackageError, match="neither a file nor a folder"):
        install(tmp_path / "root", path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_wheel_with_name_twice_is_refused(tmp_path):
    with pytest.raises(PackageError, match="in it twice"):
        install(tmp_path / "root", wheel(tmp_path, {"a.py": b"1"}, extra=[("a.py", b"2")]))


def test_wheel_with_file_outside_of_record_is_refused(tmp_path):
    with pytest.raises(PackageError, match=r"'b\.py' is not in RECORD"):
        install(tmp_path / "root", wheel(tmp_path, {"a.py": b"1"}, extra=[("b.py", b"2")]))


def test_wheel_with_other_hash_in_record_is_refused(tmp_path):
    info = "shop-1.0.dist-info"
    metadata = b"Name: shop\nVersion: 1.0\n"
    record = row(f"{info}/WHEEL", WHEEL) + row(f"{info}/METADATA", metadata) + row("a.py", b"2") + f"{info}/RECORD,,\n"
    with pytest.raises(PackageError, match="RECORD says"):
        install(tmp_path / "root", wheel(tmp_path, {"a.py": b"1"}, record=record))


@pytest.mark.parametrize("program", ["../evil", "a/b", ".hidden"])
def test_wheel_with_program_whose_name_is_a_path_is_refused(tmp_path, program):
    entry = {"shop-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{program} = shop:main\n".encode()}
    with pytest.raises(PackageError, match="is refused"):
        install(tmp_path / "root", wheel(tmp_path, entry))


def test_wheel_with_code_for_entry_point_is_refused(tmp_path):
    entry = {"shop-1.0.dist-info/entry_points.txt": b"[console_scripts]\nshop = shop:main();import os\n"}
    with pytest.raises(PackageError, match="is refused"):
        install(tmp_path / "root", wheel(tmp_path, entry))


def test_wheel_of_unknown_format_is_refused(tmp_path):
    files = {"shop-1.0.dist-info/WHEEL": b"Wheel-Version: 2.0\n"}
    with pytest.raises(PackageError, match=r"'2\.0' is not known"):
        install(tmp_path / "root", wheel(tmp_path, files))


def test_file_that_is_no_wheel_is_refused(tmp_path):
    (tmp_path / "x.whl").write_bytes(b"no zip")
    with pytest.raises(PackageError, match="is no wheel"):
        install(tmp_path / "root", tmp_path / "x.whl")


def test_install_never_follows_link_in_the_tree(tmp_path):
    root = tmp_path / "root"
    (root / "usr").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (root / "usr" / "local").symlink_to(tmp_path / "outside")
    with pytest.raises(PackageError, match="is no folder"):
        install(root, wheel(tmp_path, {"a.py": b"1"}))
    assert list((tmp_path / "outside").iterdir()) == []


def test_two_wheels_with_one_file_agree_or_are_refused(tmp_path):
    first = wheel(tmp_path, {"ns/__init__.py": b""}, name="aa")
    same = wheel(tmp_path, {"ns/__init__.py": b""}, name="bb")
    other = wheel(tmp_path, {"ns/__init__.py": b"x"}, name="cc")
    install(tmp_path / "root", first, same)
    with pytest.raises(PackageError, match=r"cc 1\.0: .*other content"):
        install(tmp_path / "root2", first, other)


def test_record_printed_and_parsed_is_equal():
    rows = (Row(path='a,"b', hash="sha256=x", size=3), Row(path="z/RECORD"))
    assert parse_record(print_record(reversed(rows))) == rows
