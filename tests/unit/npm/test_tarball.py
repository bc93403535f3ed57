"""Packages of npm are read without trust, and laid as npm would lay them."""

import os
import tarfile
from pathlib import Path

import pytest
from tarballs import TIME, member, tarball

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.ecosystems.npm.install import install_modules, module_owners
from pipeline.build.ecosystems.npm.tarball import Tarball
from pipeline.build.modules import LockedModule
from pipeline.declare.errors import LockError, PackageError

NAMED = {"name": "a", "version": "1.0.0"}


def module(name, *paths):
    artifact = Artifact(source=f"npm:{name}@1.0.0", size=1, hash="sha512:" + "0" * 128)
    return LockedModule(
        package=LockedPackage(name=name, version="1.0.0", architecture="", artifact=artifact), paths=paths
    )


def lay(folder, *packages, to=""):
    """Lay pairs of a module and its tarball's bytes."""
    (folder / "root").mkdir(exist_ok=True)
    files = []
    for number, (_, content) in enumerate(packages):
        files.append(folder / f"{number}.tgz")
        files[-1].write_bytes(content)
    install_modules([each for each, _ in packages], files, folder / "root", to=to)
    return folder / "root"


def opened(folder, content):
    (folder / "a.tgz").write_bytes(content)
    return Tarball(folder / "a.tgz", "npm:a@1.0.0")


def test_install_strips_any_first_folder_and_sets_modes_and_keeps_times(tmp_path):
    content = tarball(
        member("any", tarfile.DIRTYPE, mode=0o700),
        member("any/run", content=b"x", mode=0o4711),
        member("any/lib/a.js", content=b"y", mode=0o600),
        manifest=NAMED,
        top="any",
    )
    root = lay(tmp_path, (module("a", "node_modules/a"), content), to="srv/app")
    at = root / "srv/app/node_modules/a"
    assert (at / "run").stat().st_mode & 0o7777 == 0o755
    assert (at / "lib/a.js").stat().st_mode & 0o7777 == 0o644
    assert (at / "lib").stat().st_mode & 0o7777 == 0o755
    assert (at / "lib/a.js").stat().st_mtime == TIME


def test_install_links_programs_which_become_executable(tmp_path):
    manifest = {"name": "@s/a", "version": "1.0.0", "bin": {"../../evil": "cli.js", "b": "./bin/b.js", "c": "missing"}}
    content = tarball(
        member("package/cli.js", content=b"1"), member("package/bin/b.js", content=b"2"), manifest=manifest
    )
    root = lay(tmp_path, (module("@s/a", "node_modules/@s/a", "node_modules/z/node_modules/@s/a"), content))
    links = {str(each.relative_to(root)): str(each.readlink()) for each in root.rglob(".bin/*")}
    assert links == {
        "node_modules/.bin/b": "../@s/a/bin/b.js",
        "node_modules/.bin/evil": "../@s/a/cli.js",
        "node_modules/z/node_modules/.bin/b": "../@s/a/bin/b.js",
        "node_modules/z/node_modules/.bin/evil": "../@s/a/cli.js",
    }
    assert (root / "node_modules/.bin/b").stat().st_mode & 0o777 == 0o755


def test_install_of_two_programs_of_one_name_links_the_first_by_name(tmp_path):
    pairs = []
    for name in ("b", "a"):
        content = tarball(member("package/x"), manifest={"name": name, "version": "1.0.0", "bin": {"tool": "x"}})
        pairs.append((module(name, f"node_modules/{name}"), content))
    assert (lay(tmp_path, *pairs) / "node_modules/.bin/tool").readlink() == Path("../a/x")


def test_owners_are_the_packages_at_the_top_and_links_are_nobodys(tmp_path):

    inner = module("c", "node_modules/@s/a/node_modules/c")
    content = tarball(member("p/x"), manifest={**NAMED, "bin": "x"}, top="p")
    root = lay(tmp_path, (module("@s/a", "node_modules/@s/a"), content), (inner, content), to="srv")
    descriptor = os.open(root, os.O_RDONLY)
    try:
        owners = module_owners(descriptor, "srv", (module("@s/a", "node_modules/@s/a"), inner))
    finally:
        os.close(descriptor)
    assert owners[b"srv/node_modules/@s/a/node_modules/c/x"] == "@s/a"
    assert owners[b"srv/node_modules/@s/a/package.json"] == "@s/a"
    assert not any(b"node_modules/.bin" in path and b"@s" not in path for path in owners)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (member("package/../../etc/passwd", content=b"x"), "no plain path"),
        (member("/etc/passwd", content=b"x"), "no plain path"),
        (member("package/a\\..\\b", content=b"x"), "no plain path"),
        (member("package/l", tarfile.SYMTYPE, link="/etc/passwd"), "is a link"),
        (member("package/l", tarfile.LNKTYPE, link="package/package.json"), "is a link"),
        (member("package/n", tarfile.CHRTYPE), "is a device"),
        (member("package/n", tarfile.BLKTYPE), "is a device"),
        (member("package/n", tarfile.FIFOTYPE), "is a device, a pipe"),
        (member("package/package.json", content=b"{}"), "in it twice"),
        (member("other/package.json", content=b"{}"), "in it twice"),
        (member("package/x", mtime=1 << 40), "has the time"),
    ],
)
def test_hostile_member_is_refused_and_lays_nothing_outside(tmp_path, bad, reason):
    with pytest.raises(PackageError, match=reason):
        lay(tmp_path, (module("a", "node_modules/a"), tarball(bad, manifest=NAMED)))
    assert [each.name for each in (tmp_path / "root").iterdir()] in ([], ["node_modules"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no archive", "no package of npm"),
        (tarball(manifest=NAMED)[:60], "damaged|no package of npm"),
        (tarball(member("package/a.js")), "no package.json"),
        (tarball(member("package/package.json", content=b"[]")), "no object"),
        (tarball(member("package/package.json", content=b"{")), "cannot be read"),
        (tarball(member("package/package.json", content=b"[" * 200_000)), "cannot be read"),
    ],
)
def test_what_is_no_package_is_refused(tmp_path, content, reason):
    with opened(tmp_path, content) as file, pytest.raises(PackageError, match=reason):
        file.manifest()


def test_tarball_with_too_many_bytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.build.ecosystems.npm.tarball.MAX_UNPACKED", 1000)
    content = tarball(member("p/x", content=bytes(1001)), manifest=NAMED)
    with opened(tmp_path, content) as file, pytest.raises(PackageError, match="more than"):
        file.manifest()


@pytest.mark.parametrize(
    ("manifest", "members", "expected"),
    [
        ({**NAMED, "scripts": {"postinstall": "node x"}}, (), ("postinstall: node x",)),
        ({**NAMED, "scripts": {"test": "node x", "prepare": "tsc"}}, (), ()),
        (NAMED, (member("package/binding.gyp"),), ("install: node-gyp rebuild",)),
        ({**NAMED, "gypfile": False}, (member("package/binding.gyp"),), ()),
    ],
)
def test_install_scripts_are_found(tmp_path, manifest, members, expected):
    with opened(tmp_path, tarball(*members, manifest=manifest)) as file:
        assert file.install_scripts() == expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "/node_modules/a",
        "../node_modules/a",
        "node_modules/..",
        "node_modules/a/../b",
        "node_modules/a/b",
        "node_modules/a/node_modules/",
        "node_modules/.bin",
        "node_modules/@s",
        "node_modules/node_modules",
    ],
)
def test_path_that_leaves_node_modules_is_refused_in_a_lock(path):
    with pytest.raises(LockError, match="no path such as"):
        module("a", path)


def test_module_written_and_read_is_the_same_and_others_are_refused():
    one = module("@s/a", "node_modules/@s/a", "node_modules/b/node_modules/@s/a")
    assert LockedModule.from_json(one.to_json()) == one
    for change in ({"paths": "node_modules/a"}, {"paths": []}, {"paths": [1]}, {"more": 1}):
        with pytest.raises(LockError):
            LockedModule.from_json({**one.to_json(), **change})
