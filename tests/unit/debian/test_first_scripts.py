"""Scripts that run before the files of their package: which of them do nothing where there was no older version."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from pipeline.build.first_scripts import has_first_script

HELPER = "dpkg-maintscript-helper"
IDLE = {
    "no line": "",
    "an end": "set -e\n\nexit 0\n",
    "conffile that goes": f'# Automatically added by dh_installdeb\n{HELPER} rm_conffile /etc/old 1:4.7-2\\~ -- "$@"\n',
    "conffile that goes, of another package": f'{HELPER} rm_conffile /etc/old 2.1-1~ other -- "$@"\n',
    "conffile that goes, of any version": f'{HELPER} rm_conffile /etc/old -- "$@"\n',
    "conffile that moves": f'{HELPER} mv_conffile /etc/old /etc/new 1.0 -- "$@"\n',
    "link that becomes a folder": f'{HELPER} symlink_to_dir /usr/link ../dir 2+dfsg-1\\~ -- "$@"\n',
    "folder that becomes a link": f'{HELPER} dir_to_symlink /usr/dir /usr/other 3.1\\~rc1-1 app -- "$@"  \n',
    "version with signs": f'{HELPER} rm_conffile /etc/old 2023.3\\+deb12u1\\~\\~ -- "$@"\n',
}
NOT_IDLE = {
    "another command": "true\n",
    "another command of the same name": f'/tmp/{HELPER} rm_conffile /etc/old 1 -- "$@"\n',
    "two commands": f'{HELPER} rm_conffile /etc/old 1 -- "$@"; touch /x\n',
    "command in a word": f'{HELPER} rm_conffile /etc/$(touch${{IFS}}x) 1 -- "$@"\n',
    "line that goes on": f'{HELPER} rm_conffile /etc/old 1 -- "$@" \\\ntouch /x\n',
    "comment that goes on is none": f'set -e \\\n{HELPER} rm_conffile /etc/old 1 -- "$@"\n',
    "other arguments": f"{HELPER} rm_conffile /etc/old 1 -- upgrade 0\n",
    "another action": f'{HELPER} supports rm_conffile -- "$@"\n',
    "path that is relative": f'{HELPER} rm_conffile etc/old 1 -- "$@"\n',
    "link that ends with a slash": f'{HELPER} symlink_to_dir /usr/link/ dir 1 -- "$@"\n',
    "version that is none": f'{HELPER} rm_conffile /etc/old one -- "$@"\n',
    "revision that is empty": f'{HELPER} rm_conffile /etc/old 1- -- "$@"\n',
    "fewer words": f'{HELPER} mv_conffile /etc/old -- "$@"\n',
}


def package(script):
    return SimpleNamespace(control_files={"preinst": script.encode()})


def test_script_that_ends_where_a_line_fails_is_like_others():
    assert not has_first_script(SimpleNamespace(control_files={"preinst": b"#! /bin/sh -e\n"}))


def test_package_without_a_script_has_none():
    assert not has_first_script(SimpleNamespace(control_files={"postinst": b"#!/bin/sh\ntrue\n"}))


@pytest.mark.parametrize("what", IDLE)
def test_script_that_changes_what_an_older_version_left_does_nothing_without_one(tmp_path, what):
    script = f"#!/bin/sh\n{IDLE[what]}"
    assert not has_first_script(package(script))
    for each in ("etc/old", "usr/dir/file", "dir/file"):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text("")
    (tmp_path / "usr/link").symlink_to("../dir")
    before = sorted(tmp_path.rglob("*"))
    variables = {"DPKG_MAINTSCRIPT_NAME": "preinst", "DPKG_MAINTSCRIPT_PACKAGE": "app", "DPKG_ROOT": str(tmp_path)}
    command = ["/bin/sh", "-c", script, "preinst", "install"]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("what", NOT_IDLE)
def test_any_other_script_is_run(what):
    assert has_first_script(package(f"#!/bin/sh\n{NOT_IDLE[what]}"))


@pytest.mark.parametrize("first", ["", "#!/bin/bash", "#!/usr/bin/perl", "#!/bin/sh -x"])
def test_script_of_another_program_is_run(first):
    assert has_first_script(package(f"{first}\nset -e\n"))
