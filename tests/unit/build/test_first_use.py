"""What packages would make for one machine is not made in an image, and can be made in a run."""

import re
import subprocess

import pytest

from pipeline.build import first_use


def test_packages_that_make_nothing_need_nothing():
    packages = ["base-files", "python3"]
    assert first_use.before_scripts(packages) == first_use.after_scripts(packages) == ""


@pytest.mark.parametrize("package", first_use.MAKERS)
def test_maker_does_nothing_in_between_and_is_as_it_was_afterwards(package, tmp_path):
    makers = [tmp_path / each.lstrip("/") for each in first_use.MAKERS.values()]
    for each in makers:
        each.parent.mkdir(parents=True, exist_ok=True)
        each.write_text("#!/bin/sh\necho made\n")
        each.chmod(0o755)

    (tmp_path / "etc" / "bind").mkdir(parents=True)

    def shell(lines: str) -> None:
        there = re.sub("/(usr|etc)/", rf"{tmp_path}/\1/", lines)
        subprocess.run(["/bin/sh", "-ec", there], check=True)

    def said() -> str:
        return "".join(subprocess.run([each], capture_output=True, text=True, check=True).stdout for each in makers)

    shell(first_use.before_scripts([package]))
    assert said() == "made\n" * (len(makers) - 1)
    shell(first_use.after_scripts([package]))
    assert said() == "made\n" * len(makers)
    assert sorted(each for each in tmp_path.rglob("*") if each.is_file()) == sorted(makers)


def test_file_that_scripts_go_on_with_is_there_only_while_they_run(tmp_path):
    program, key = tmp_path / "usr/sbin/rndc-confgen", tmp_path / "etc/bind/rndc.key"
    for each in (program, key):
        each.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 7\n")

    def shell(lines: str) -> None:
        subprocess.run(["/bin/sh", "-ec", re.sub("/(usr|etc)/", rf"{tmp_path}/\1/", lines)], check=True)

    shell(first_use.before_scripts(["bind9-utils"]))
    subprocess.run([program], check=True)
    assert key.read_bytes() == b""
    shell(first_use.after_scripts(["bind9-utils"]))
    assert not key.exists()
