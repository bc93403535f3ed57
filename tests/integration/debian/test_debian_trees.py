"""Trees of many Debian packages equal those that mmdebstrap makes of the same files, but for a table of exceptions."""

import fnmatch
import io
import os
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from debian_trees import Difference, Exempt, count_scripts, differences, mmdebstraps, ours, read_tree, shipped

from pipeline.build.ecosystems.debian.archive import DebianRequest, read_universe
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.ecosystems.debian.lock import lock_debian
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import read_sources
from runtime.oci.platform import own_architecture

HERE = Path(__file__).parent
SUITE = "bookworm"
GROUPS = yaml.safe_load((HERE / "packages.yaml").read_text())
EXEMPT = tuple(Exempt(**each) for each in yaml.safe_load((HERE / "exceptions.yaml").read_text()))
NAME = "5 debian packages"
SMALL = [("small", each) for each in GROUPS["small"]]
LARGE = [(group, each) for group, names in GROUPS.items() if group != "small" for each in names]


@pytest.fixture(scope="module")
def locked(store):
    """Give the package files of a group by name, locked and fetched once."""
    known = {}

    def files(group):
        if group not in known:
            with Fetcher(store / "cache", read_sources(os.environ, Path.home())) as fetcher:
                known["universe"] = known.get("universe") or read_universe(_request(()), fetcher, now=datetime.now(UTC))
                request = _request(("apt", *GROUPS[group]))
                found = lock_debian(request, fetcher, now=datetime.now(UTC), universe=known["universe"])
                paths = fetcher.fetch_all([each.artifact for each in found])
            known[group] = {each.name: path for each, path in zip(found, paths, strict=True)}
        return known[group]

    return files


@pytest.fixture(scope="module")
def compared(store, locked, tmp_path_factory, request):
    """Give the differences of a group's two trees; both are made once, and the archives are not kept."""
    known = {}
    manager = request.config.pluginmanager.get_plugin("capturemanager")

    def compare(group):
        if group not in known:
            if shutil.which("mmdebstrap") is None:
                pytest.skip("mmdebstrap is not installed")
            folder = tmp_path_factory.mktemp(group)
            packages = locked(group)
            mine = ours(store, packages, folder)
            with manager.global_and_fixture_disabled():
                scripts, idle = count_scripts(packages)
                where = f"{idle} that do nothing natively, {scripts - idle} in the sandbox"
                print(f"\n{group}: {len(packages)} packages, {scripts} scripts: {where}")
            other = mmdebstraps(SUITE, packages, folder)
            known[group] = differences(mine, read_tree(other))
            shutil.rmtree(folder)
        return known[group]

    return compare


@pytest.mark.network
@pytest.mark.bar(NAME, slice=1)
@pytest.mark.parametrize(("group", "package"), SMALL, ids=[each for _, each in SMALL])
def test_tree_of_a_small_package_equals(locked, compared, group, package):
    _is_equal(locked, compared, group, package)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.bar(NAME)
@pytest.mark.parametrize(("group", "package"), LARGE, ids=[each for _, each in LARGE])
def test_tree_equals(locked, compared, group, package):
    _is_equal(locked, compared, group, package)


def _is_equal(locked, compared, group, package):
    assert package in locked(group)
    assert [str(each) for each in compared(group) if not any(one.covers(each) for one in EXEMPT)] == []


@pytest.mark.network
@pytest.mark.parametrize("group", [pytest.param(each, marks=[pytest.mark.slow] * (each != "small")) for each in GROUPS])
def test_no_exception_is_of_a_path_that_a_package_ships(locked, group):
    paths = shipped([read_deb(path) for path in locked(group).values()])
    assert [(one.path, path) for one in EXEMPT for path in paths if fnmatch.fnmatchcase(path, one.path)] == []


def test_packages_are_at_least_eighty_and_exceptions_at_most_twenty_five():
    names = [each for names in GROUPS.values() for each in names]
    assert len(set(names)) == len(names) >= 80
    assert len({each.path for each in EXEMPT}) == len(EXEMPT) <= 25
    assert all(len(each.reason) > 10 for each in EXEMPT)


CHANGES = {
    "content": {"content": b"other"},
    "mode": {"mode": 0o4755},
    "owner": {"uid": 7},
    "target": {"link": "elsewhere"},
    "linked": {"hard": "etc/b"},
    "attributes": {"attribute": "other"},
    "lines": {"shell": "/bin/sh"},
}


@pytest.mark.parametrize("what", CHANGES)
def test_change_of_one_kind_is_told(tmp_path, what):
    first, second = _archive(tmp_path / "a.tar"), _archive(tmp_path / "b.tar", **CHANGES[what])
    told = differences(read_tree(first), read_tree(second))
    assert what in {name for each in told for name in each.parts}
    assert differences(read_tree(first), read_tree(first)) == ()


def test_path_of_one_side_is_told(tmp_path):
    tree = read_tree(_archive(tmp_path / "a.tar"))
    rest = {path: node for path, node in tree.items() if path != "etc/file"}
    assert differences(tree, rest) == (Difference(path="etc/file", side="ours"),)
    assert differences(rest, tree) == (Difference(path="etc/file", side="mmdebstrap"),)


def _archive(path, *, content=b"same", mode=0o644, uid=0, link="file", hard="etc/a", attribute="same", shell=""):
    users, groups = f"root:x:0:0:::\nbin:x:7:7:::{shell}\n".encode(), b"root:x:0:\nbin:x:7:\n"
    files = {"etc/passwd": users, "etc/group": groups, "etc/a": b"1", "etc/b": b"1", "etc/file": content}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            if name == "etc/file":
                member.mode, member.uid, member.pax_headers = mode, uid, {"SCHILY.xattr.user.x": attribute}
            archive.addfile(member, io.BytesIO(data))
        for name, kind, target in (("symbolic", tarfile.SYMTYPE, link), ("hard", tarfile.LNKTYPE, f"./{hard}")):
            member = tarfile.TarInfo(f"./etc/{name}")
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return path


def _request(packages):
    architecture = own_architecture()
    return DebianRequest(suite=SUITE, packages=packages, architecture=architecture)
