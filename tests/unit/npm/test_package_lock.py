"""What a package-lock.json asks for, and what is refused of it, with its line."""

import json

import pytest
from tarballs import integrity

from pipeline.build.ecosystems.npm.integrity import Integrity
from pipeline.build.ecosystems.npm.package_lock import read_package_lock
from pipeline.declare.faults import SpecFaults

HASH = integrity(b"a")
GOOD = {"version": "1.0.0", "integrity": HASH}


def project(folder, packages, *, asked=None, version=3, **more):
    """Write a package.json and a package-lock.json; the lock's own copy of the first is right."""
    about = {"name": "app", "version": "1.0.0", "dependencies": asked or {}}
    (folder / "package.json").write_text(json.dumps(about))
    lock = {"name": "app", "lockfileVersion": version, "packages": {"": about, **packages}, **more}
    (folder / "package-lock.json").write_text(json.dumps(lock, indent=2))
    return folder


def read(folder, packages, **options):
    found = read_package_lock(project(folder, packages), **options)
    return {each.path: f"{each.name}@{each.version}" for each in found}


@pytest.mark.parametrize("version", [2, 3])
def test_lock_is_read_with_nested_scoped_and_renamed_packages(tmp_path, version):
    packages = {
        "node_modules/@s/a": {**GOOD, "resolved": "https://example.org/npm/@s%2fa/-/a-1.0.0.tgz"},
        "node_modules/b/node_modules/@s/a": {**GOOD, "version": "2.0.0-rc.1+x"},
        "node_modules/b": {**GOOD, "name": "real"},
    }
    project(tmp_path, packages, version=version)
    found = {each.path: (each.name, each.version) for each in read_package_lock(tmp_path, "amd64")}
    assert found == {
        "node_modules/@s/a": ("@s/a", "1.0.0"),
        "node_modules/b": ("real", "1.0.0"),
        "node_modules/b/node_modules/@s/a": ("@s/a", "2.0.0-rc.1+x"),
    }


def test_what_npm_would_not_install_is_left_out(tmp_path):
    packages = {
        "node_modules/dev": {**GOOD, "dev": True},
        "node_modules/both": {**GOOD, "devOptional": True},
        "node_modules/old": {**GOOD, "extraneous": True},
        "node_modules/mac": {**GOOD, "optional": True, "os": ["darwin"], "hasInstallScript": True},
        "node_modules/arm": {**GOOD, "optional": True, "cpu": ["arm64"]},
        "node_modules/musl": {**GOOD, "optional": True, "libc": ["musl"]},
        "node_modules/here": {**GOOD, "optional": True, "os": ["!win32"], "cpu": ["x64", "arm64"], "libc": ["glibc"]},
        "node_modules/here/node_modules/inside": {"version": "1.0.0", "inBundle": True},
    }
    assert set(read(tmp_path, packages, architecture="amd64")) == {"node_modules/both", "node_modules/here"}
    assert "node_modules/arm" in read(tmp_path, packages, architecture="arm64")
    assert "node_modules/dev" in read(tmp_path, packages, architecture="amd64", dev=True)


def test_packages_whose_scripts_are_named_are_taken(tmp_path):
    packages = {"node_modules/a": {**GOOD, "hasInstallScript": True}}
    assert read(tmp_path, packages, architecture="amd64", skip_scripts=frozenset({"a"}))


BAD = {
    "no_integrity": ("node_modules/a", {"version": "1.0.0"}, "has no 'integrity'"),
    "weak_integrity": ("node_modules/a", {**GOOD, "integrity": integrity(b"a", "sha1")}, "it lists sha1, and"),
    "short_integrity": ("node_modules/a", {**GOOD, "integrity": "sha512-AAAA"}, "is not 64 bytes in Base64"),
    "weak_beside_broken": ("node_modules/a", {**GOOD, "integrity": f"sha512-? {HASH[:9]}"}, "is not 64 bytes"),
    "git": ("node_modules/a", {**GOOD, "resolved": "git+ssh://git@example.org/a.git#0"}, "and no registry"),
    "file": ("node_modules/a", {**GOOD, "resolved": "file:../a.tgz"}, "is a link to a folder"),
    "tarball_of_no_registry": ("node_modules/a", {**GOOD, "resolved": "https://u:pw@h.example/a.tgz"}, "no registry"),
    "resolved_of_another": ("node_modules/a", {**GOOD, "resolved": "https://h/b/-/b-1.0.0.tgz"}, "and no registry"),
    "link": ("node_modules/a", {"resolved": "packages/a", "link": True}, "is a link to a folder"),
    "workspace": ("packages/a", {"version": "1.0.0"}, "is no path such as"),
    "leaves_the_tree": ("node_modules/../../etc", GOOD, "is no path such as"),
    "absolute": ("/etc/node_modules/a", GOOD, "is no path such as"),
    "programs_folder": ("node_modules/.bin/sh", GOOD, "is no path such as"),
    "range": ("node_modules/a", {**GOOD, "version": "^1.0.0"}, "no exact version"),
    "version_that_is_a_path": ("node_modules/a", {**GOOD, "version": "../../x"}, "no exact version"),
    "name_that_is_a_path": ("node_modules/a", {**GOOD, "name": "../x"}, "no name of a package"),
    "script": ("node_modules/a", {**GOOD, "hasInstallScript": True}, "runs a program when it is installed"),
    "other_platform": ("node_modules/a", {**GOOD, "os": ["win32"]}, "not made for linux on amd64"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_entry_is_refused_at_its_line(tmp_path, name):
    key, entry, reason = BAD[name]
    with pytest.raises(SpecFaults, match=reason) as caught:
        read(tmp_path, {"node_modules/good": GOOD, key: entry}, architecture="amd64")
    (fault,) = caught.value.faults
    lines = (tmp_path / "package-lock.json").read_text().splitlines()
    assert json.dumps(key) in lines[fault.line - 1]
    assert fault.path == tmp_path / "package-lock.json"
    assert "pw" not in str(fault)


def test_all_bad_entries_are_told_at_once(tmp_path):
    with pytest.raises(SpecFaults) as caught:
        read(tmp_path, {f"node_modules/{name}": {"version": "1.0.0"} for name in "abc"}, architecture="amd64")
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "cannot be read"),
        ("[]", "no JSON object"),
        ("[" * 100_000, "nests too deeply"),
        ('{"lockfileVersion": 1, "dependencies": {}}', "'lockfileVersion' 1, and 2 and 3"),
        ('{"lockfileVersion": 3}', "no table 'packages'"),
        ('{"lockfileVersion": 3, "packages": {"node_modules/a": 1}}', "no table 'packages'"),
        ('{"lockfileVersion": 3, "packages": {"node_modules/a": {}, "node_modules/a": {}}}', "twice in one object"),
    ],
)
def test_file_of_another_form_is_refused(tmp_path, text, reason):
    project(tmp_path, {})
    (tmp_path / "package-lock.json").write_text(text)
    with pytest.raises(SpecFaults, match=reason):
        read_package_lock(tmp_path, "amd64")


def test_lock_of_an_older_package_json_is_refused(tmp_path):
    project(tmp_path, {"node_modules/a": GOOD}, asked={"a": "1.0.0"})
    (tmp_path / "package.json").write_text('{"dependencies": {"a": "^2.0.0"}}')
    with pytest.raises(SpecFaults, match=r"older package\.json, which has another version of 'a'"):
        read_package_lock(tmp_path, "amd64")


def test_strongest_hash_counts_and_any_of_its_kind_is_right():
    both = Integrity.parse(f"{integrity(b'b', 'sha256')} {integrity(b'a')}?x {integrity(b'c')}")
    assert both.algorithm == "sha512"
    assert both.hash_of(b"a").startswith("sha512:")
    assert both.has(both.hash_of(b"c"))
    with pytest.raises(ValueError, match="is listed"):
        both.hash_of(b"b")
