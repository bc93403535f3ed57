"""The links and the bundle of trusted certificates are made in one process; what is unusual is left to the script."""

import hashlib
import re
import subprocess

import pytest

from pipeline.build import certificates

SCRIPT = '#!/bin/sh\nprintf "script %s\\n" "$*"\n'
NAMES = ("one", "Főtanúsítvány_=2=")


class Machine:
    """A folder that stands for the tree: absolute paths are below it."""

    def __init__(self, root):
        self.root = root
        self.script = root / "usr/sbin/update-ca-certificates"
        self.certs = root / "etc/ssl/certs"
        self.listed = root / "etc/ca-certificates.conf"
        for name in ("usr/sbin", "usr/share/ca-certificates/m", "etc/ssl/certs", "etc/ca-certificates/update.d", "tmp"):
            (root / name).mkdir(parents=True)
        (root / "usr/local/share/ca-certificates").mkdir(parents=True)
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)
        self.listed.write_text("# a comment\n\n" + "".join(f"m/{name}.crt\n" for name in NAMES))
        for name in NAMES:
            self.certificate(name).write_text(f"of {name}")
            (self.certs / f"{name}.pem").symlink_to(self.certificate(name))

    def certificate(self, name):
        return self.root / f"usr/share/ca-certificates/m/{name}.crt"

    def shell(self, lines):
        there = re.sub("/(usr/(?!bin)|etc/|var/|debs/|tmp/|sbin/rest)", rf"{self.root}/\1", lines)
        return subprocess.run(["/bin/sh", "-ec", there], check=True, capture_output=True, text=True).stdout

    def update(self, *arguments):
        return subprocess.run([self.script, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(certificates, "KNOWN", ("0" * 64, hashlib.sha256(SCRIPT.encode()).hexdigest()))
    found = Machine(tmp_path)
    found.shell(certificates.before_scripts(["adduser", "ca-certificates"]))
    return found


def test_bundle_is_made_of_what_is_listed_each_with_the_end_of_its_line(machine):
    assert (machine.update(), machine.update("--hooksdir", "")) == ("", "")
    bundle = machine.certs / "ca-certificates.crt"
    assert bundle.read_text() == "".join(f"of {name}\n" for name in NAMES)
    assert bundle.stat().st_mode & 0o777 == 0o644
    assert sorted(each.name for each in machine.certs.iterdir()) == sorted(
        ["ca-certificates.crt", *(f"{name}.pem" for name in NAMES)]
    )
    assert list((machine.root / "tmp").iterdir()) == []


UNUSUAL = {
    "a hook": lambda machine: (machine.root / "etc/ca-certificates/update.d/hook").touch(),
    "a certificate of this machine": lambda machine: (machine.root / "usr/local/share/ca-certificates/own.crt").touch(),
    "a folder among the links": lambda machine: (machine.certs / "java").mkdir(),
    "a bundle under way": lambda machine: (machine.certs / "ca-certificates.crt.new").touch(),
    "SELinux": lambda machine: [
        (machine.root / "sbin").mkdir(),
        (machine.root / "sbin/restorecon").touch(mode=0o755),
    ],
    "an empty list": lambda machine: machine.listed.write_text(""),
    "a list that was cut": lambda machine: machine.listed.write_text("m/one.crt"),
    "a certificate that is not trusted": lambda machine: machine.listed.write_text("m/one.crt\n!m/two.crt\n"),
    "a certificate that is not there": lambda machine: machine.listed.write_text("m/two.crt\n"),
    "a name with a blank": lambda machine: [
        machine.certificate("a b").touch(),
        machine.listed.write_text("m/a b.crt\n"),
    ],
    "one name twice": lambda machine: machine.listed.write_text("m/one.crt\nm/../m/one.crt\n"),
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_unusual_is_left_to_the_script(machine, what):
    before = [each.name for each in machine.certs.iterdir()]
    UNUSUAL[what](machine)
    assert machine.update() == "script \n"
    assert [each.name for each in machine.certs.iterdir() if each.name in before] == before
    assert not (machine.certs / "ca-certificates.crt").exists()


def test_other_arguments_are_left_to_the_script(machine):
    assert machine.update("--fresh") == "script --fresh\n"
    assert machine.update("--hooksdir", "/x") == "script --hooksdir /x\n"


def test_script_is_put_back(machine):
    assert machine.script.read_text() != SCRIPT
    machine.shell(certificates.after_scripts(["ca-certificates"]))
    assert machine.script.read_text() == SCRIPT
    assert list(machine.script.parent.iterdir()) == [machine.script]


def test_script_that_is_not_known_stays(tmp_path):
    machine = Machine(tmp_path)
    for lines in (certificates.before_scripts, certificates.after_scripts):
        machine.shell(lines(["ca-certificates"]))
        assert machine.script.read_text() == SCRIPT
        assert list(machine.script.parent.iterdir()) == [machine.script]


def test_nothing_is_done_where_the_package_is_not_installed():
    assert certificates.before_scripts(["openssl"]) == certificates.after_scripts(["openssl"]) == ""


LOOK_UP = """#!/bin/sh
CERTS_DISABLED= CERTS_TRUST=one.crt crt=$1
if (echo "$CERTS_DISABLED" | grep -F -q -x "$crt") > /dev/null 2>&1; then
  echo disabled
elif (echo "$CERTS_TRUST" | grep -F -q -x "$crt") > /dev/null 2>&1; then
  echo trusted
else
  echo new
fi
"""


@pytest.mark.parametrize(("is_list", "answer"), [(True, "trusted\n"), (False, "new\n")])
def test_certificates_are_looked_up_only_where_there_is_a_list_of_before(tmp_path, is_list, answer):
    machine = Machine(tmp_path)
    config = tmp_path / "var/lib/dpkg/info/ca-certificates.config"
    config.parent.mkdir(parents=True)
    (tmp_path / "debs").mkdir()
    config.write_text(LOOK_UP)
    if not is_list:
        machine.listed.unlink()
    machine.shell(certificates.before_scripts(["ca-certificates"]))
    assert subprocess.run(["/bin/sh", config, "one.crt"], capture_output=True, text=True, check=True).stdout == answer
    machine.shell(certificates.after_scripts(["ca-certificates"]))
    assert config.read_text() == LOOK_UP
    assert list(config.parent.iterdir()) == [config]
    assert list((tmp_path / "debs").iterdir()) == []
