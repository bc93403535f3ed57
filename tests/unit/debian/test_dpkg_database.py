"""What dpkg's database says of packages that it did not unpack itself; what could add anything else is left to it."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from debian_archive import make_deb

from pipeline.build.dpkg_database import Unpacked, before_scripts, database
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.unpacking import unpack_first
from pipeline.build.usual_packages import conffiles, is_told, told
from pipeline.declare.errors import PackageError
from runtime.backends.native.mapped import run_mapped

EPOCH = 1_750_000_000
CONTROL = {"Package": "app", "Version": "1", "Architecture": "amd64", "Maintainer": "a <a@example.org>"}


def package(folder, *, name="app", scripts=None, files=None, control_mode=None, **fields):
    control = {**CONTROL, **{key.replace("_", "-"): value for key, value in fields.items()}}
    path = folder / f"{name}.deb"
    files = files or {"etc/app.conf": b"1\n", "usr/bin/app": b"2"}
    path.write_bytes(make_deb(control, files, scripts=scripts or {}, control_mode=control_mode))
    return read_deb(path)


def shown(deb, *listed):
    found = database([Unpacked(package=deb, listed=[*listed])], epoch=EPOCH)
    return {path: (mode, content) for path, mode, content, _ in found}


def test_unpacked_package_is_told_with_its_files_scripts_and_files_of_configuration(tmp_path):
    scripts = {"postinst": "#!/bin/sh\n", "conffiles": "/etc/app.conf\n"}
    deb = package(tmp_path, scripts=scripts, Description="an app\n of two lines")
    assert is_told(deb, "amd64")
    found = shown(deb, "/.", "/etc", "/etc/app.conf")
    info = "var/lib/dpkg/info/app."
    assert found[f"{info}list"] == (0o644, b"/.\n/etc\n/etc/app.conf\n")
    assert found[f"{info}postinst"] == (0o755, b"#!/bin/sh\n")
    assert found[f"{info}conffiles"] == (0o644, b"/etc/app.conf\n")
    assert f"{info}control" not in found
    stanza = found["var/lib/dpkg/status"][1].decode()
    assert stanza.startswith("Package: app\n")
    assert "\n of two lines\nStatus: install ok unpacked\nConffiles:\n /etc/app.conf newconffile\n" in stanza


def test_files_of_a_package_that_may_be_there_for_several_architectures_have_its_own_in_their_name(tmp_path):
    found = shown(package(tmp_path, Multi_Arch="same"))
    assert "var/lib/dpkg/info/app:amd64.list" in found


def test_interests_are_told_by_path_and_by_name(tmp_path):
    triggers = "# a comment\ninterest-noawait /usr/share/app\ninterest run-app\nactivate-noawait ldconfig\n"
    found = shown(package(tmp_path, scripts={"triggers": triggers}))
    assert found["var/lib/dpkg/triggers/File"] == (0o644, b"/usr/share/app app/noawait\n")
    assert found["var/lib/dpkg/triggers/run-app"] == (0o644, b"app\n")
    assert "var/lib/dpkg/triggers/ldconfig" not in found


UNUSUAL = {
    "name of another package": {"name": "other"},
    "name that leaves": {"Package": "../../../etc/app"},
    "architecture that leaves": {"Architecture": "../x", "Multi_Arch": "same"},
    "control file of another name": {"scripts": {"Postinst": "x"}},
    "state": {"Status": "install ok installed"},
    "files of configuration": {"Conffiles": "\n /etc/passwd 0"},
    "second stanza": {"Description": "x\n\nPackage: other\nStatus: install ok installed"},
    "state before a blank": {"Status ": "install ok installed"},
    "end of a stanza for dpkg": {"Description": "x\n\x1aPackage: other"},
    "line that is no field": {"Description": "x\nother"},
    "empty line of a field": {"Description": "x\n \n y"},
    "control file of another package": {"scripts": {"1.postinst": "x"}},
    "list of its own": {"scripts": {"list": "/etc/passwd\n"}},
    "trigger that leaves": {"scripts": {"triggers": "interest ../../../etc/cron.d/x\n"}},
    "trigger that is kept for others": {"scripts": {"triggers": "interest Unincorp\n"}},
    "trigger without a name": {"scripts": {"triggers": "interest\n"}},
    "trigger of an unknown kind": {"scripts": {"triggers": "interest-perhaps x\n"}},
    "interest of several architectures": {"scripts": {"triggers": "interest x\n"}, "Multi_Arch": "same"},
    "file of configuration that goes": {"scripts": {"conffiles": "remove-on-upgrade /etc/app.conf\n"}},
    "folder of configuration": {"scripts": {"conffiles": "/etc/app.conf/\n"}},
    "comment among files of configuration": {"scripts": {"conffiles": "#/etc/app.conf\n"}},
    "file of configuration after a blank": {"scripts": {"conffiles": " /etc/app.conf\n"}},
    "line of files of configuration without an end": {"scripts": {"conffiles": "/etc/app.conf"}},
    "trigger after a blank of another kind": {"scripts": {"triggers": "activate\u00a0x\n"}},
    "trigger without an end": {"scripts": {"triggers": "activate x"}},
    "long trigger": {"scripts": {"triggers": f"interest {'x' * 300}\n"}},
    "long name": {"name": "a" * 200, "Package": "a" * 200},
    "long name of a control file": {"scripts": {"a" * 60: "x"}},
    "field of an archive": {"Filename": "pool/app.deb"},
    "size": {"Size": "1"},
    "old name of a field": {"Optional": "((("},
    "several architectures in capitals": {"Multi_Arch": "SAME"},
    "architecture of another machine": {"Architecture": "arm64"},
    "name of a field of one letter": {"X": "y"},
    "all architectures at once, and several": {"Architecture": "all", "Multi_Arch": "same"},
    "relation to no architecture": {"Depends": "a:-x"},
    "blank of another kind at the end": {"Version": "1\u00a0"},
    "blank of another kind after a name": {"Depends": "a\u2003"},
    "name of a file of another archive": {"MSDOS_Filename": "app.deb"},
    "several architectures perhaps": {"Multi_Arch": "maybe"},
    "many triggers": {"scripts": {"triggers": "activate x\n" * 100_000}},
    "many files of configuration": {"scripts": {"conffiles": "/etc/app.conf\n" * 100_000}},
    "version that is none": {"Version": "one"},
    "relation that is none": {"Depends": "a (1)"},
    "choice of what is broken": {"Breaks": "a | b"},
    "provision of a range": {"Provides": "a (>= 1)"},
    "essential perhaps": {"Essential": "maybe"},
    "field twice": {"version": "2"},
    "field that is empty": {"Section": ""},
    "control file of another mode": {"scripts": {"postinst": "x", "md5sums": ""}, "control_mode": 0o700},
}


HEADERS = {
    "user": {"uid": 1},
    "group": {"gid": 1},
    "user by name": {"uname": "daemon"},
    "group by name": {"gname": "daemon"},
    "time before all times": {"mtime": -1},
    "time that no disk keeps": {"mtime": 1 << 40},
}


@pytest.mark.parametrize("what", HEADERS)
def test_control_file_that_is_unusual_leaves_its_package_to_dpkg(tmp_path, what):
    deb = package(tmp_path, scripts={"postinst": "x"})
    assert is_told(deb, "amd64")
    for name, value in HEADERS[what].items():
        setattr(deb.control_headers["postinst"], name, value)
    assert not is_told(deb, "amd64")


def test_package_of_all_architectures_is_told_and_one_without_a_version_is_not(tmp_path):
    deb = package(tmp_path, Architecture="all")
    assert is_told(deb, "amd64")
    control = deb.control_files["control"].replace(b"Version: 1\n", b"")
    fields = {name: value for name, value in deb.control.items() if name != "version"}
    assert not is_told(replace(deb, control=fields, control_files={"control": control}), "amd64")


def test_packages_are_told_by_the_architecture_of_dpkg(tmp_path):
    first = package(tmp_path, name="app")
    dpkg = package(tmp_path, name="dpkg", Package="dpkg", Architecture="arm64")
    assert told([first, dpkg]) == {"dpkg"}


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_is_unusual_is_left_to_dpkg(tmp_path, what):
    assert not is_told(package(tmp_path, **UNUSUAL[what]), "amd64")


def test_packages_that_want_to_know_of_triggers_are_all_told_or_none(tmp_path):
    plain = package(tmp_path, name="plain", Package="plain")
    triggers = {"triggers": "interest /usr/share/x\n"}
    first, second = (package(tmp_path, name=each, Package=each, scripts=triggers) for each in ("first", "second"))
    assert told([first, plain, second]) == {"first", "plain", "second"}
    unusual = package(tmp_path, name="second", Package="second", scripts={**triggers, "Preinst": "x"})
    assert told([first, plain, unusual]) == {"plain"}


def test_scripts_that_come_first_are_run_as_by_dpkg(tmp_path):
    same = package(tmp_path, Multi_Arch="same", scripts={"preinst": "x"})
    lines = before_scripts([package(tmp_path, name="plain", Package="plain"), same], "/debs")
    assert "plain" not in lines
    assert lines.startswith("dpkg-deb --control /debs/app.deb /var/lib/dpkg/tmp.ci\n")
    assert " /var/lib/dpkg/tmp.ci/preinst install || {" in lines
    assert {'DPKG_MAINTSCRIPT_PACKAGE="app"', 'DPKG_MAINTSCRIPT_NAME="preinst"'} <= set(lines.split())


def unpack(root, *packages):
    """Unpack packages as a user who gives files to owners: as root, or as user 0 of a namespace of one id."""
    scratch = root.with_name("scratch")
    scratch.mkdir()

    def unpacked(descriptor):
        return unpack_first(descriptor, packages, epoch=EPOCH, scratch=scratch)

    if os.geteuid():
        return run_mapped(unpacked, directories=(root,), one_id=True)
    descriptor = os.open(root, os.O_RDONLY)
    try:
        return unpacked(descriptor)
    finally:
        os.close(descriptor)


def test_unpacking_tells_dpkg_of_a_package_and_keeps_its_new_file_of_configuration(tmp_path):
    deb = package(tmp_path, scripts={"conffiles": "/etc/app.conf\n"})
    other = package(tmp_path, name="before", Package="before", scripts={"Preinst": "x"}, files={"usr/bin/before": b"3"})
    root = tmp_path / "root"
    root.mkdir()
    assert unpack(root, deb, other) == ("app",)
    assert conffiles(deb) == ("/etc/app.conf",)
    assert (root / "etc/app.conf.dpkg-new").read_bytes() == (root / "etc/app.conf").read_bytes() == b"1\n"
    listed = (root / "var/lib/dpkg/info/app.list").read_text().splitlines()
    assert [each for each in listed if "app" in each] == ["/etc/app.conf", "/usr/bin/app"]
    assert (root / "usr/bin/before").is_file()
    assert "before" not in (root / "var/lib/dpkg/status").read_text()


def test_package_that_holds_the_database_is_refused(tmp_path):
    deb = package(tmp_path, files={"var/lib/dpkg/status": b"Package: x\n"})
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(PackageError, match="dpkg's database"):
        unpack(root, deb)
