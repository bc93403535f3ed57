"""Each rule catches the fault that it is for, alone; without the rule nobody does; a sound image has no finding."""

import json
import re
import time

import pytest
from crafted_images import ACCOUNTS, BASE, NOW, RUN, add_image, file, link, pack
from injected_faults import CLOUD, FAULTS

from pipeline.cli.command_line import start
from pipeline.lint.lint import lint
from pipeline.lint.rules import RULES
from runtime.oci.layout import Layout

CODES = [each.code for each in RULES]


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "oci")


def add_faulty(layout, fault):
    base = {path: item for path, item in {**BASE, **fault.base}.items() if item is not None}
    archives = [pack(sorted(base.items())), *fault.over]
    return add_image(layout, archives, {**RUN, **fault.run}, **fault.config)


def codes(layout, digest, rules=RULES):
    return {rule.code for rule, _ in lint(layout, "crafted", digest, rules, NOW).findings}


def test_rules_have_codes_of_their_own_and_a_fault_each():
    assert len(CODES) == len(set(CODES)) >= 40
    assert sorted(FAULTS) == sorted(CODES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", each) for each in CODES)


def test_rules_say_why_and_what_to_do_in_a_sentence():
    assert [each.code for each in RULES if not (each.why.endswith(".") and each.fix.endswith("."))] == []


def test_no_two_faults_are_alike():
    texts = [repr(each) for each in FAULTS.values()]
    assert len(set(texts)) == len(texts)


@pytest.mark.bar("5 lint", slice=20)
@pytest.mark.parametrize("code", CODES)
def test_rule_alone_catches_its_fault_and_without_it_nothing_does(layout, code):
    digest = add_faulty(layout, FAULTS[code])
    assert codes(layout, digest) == {code}
    assert codes(layout, digest, [each for each in RULES if each.code != code]) == set()


@pytest.mark.bar("5 lint")
def test_sound_image_has_no_finding(layout):
    digest = add_image(layout, [pack(sorted(BASE.items()))], RUN)
    assert codes(layout, digest) == set()


SOUND = {
    "localhost as the host name": {"etc/hostname": file("localhost\n")},
    "variables in place of tokens": {"root/.npmrc": file("//r.example.org/:_authToken=${NPM_TOKEN}\n")},
    "a proxy in a comment": {"etc/apt/apt.conf.d/10x": file('// Acquire::http::Proxy "http://proxy:3128";\n')},
    "a third party's archive": {
        "etc/apt/sources.list.d/x.list": file("deb https://download.docker.com/linux/debian b m\n")
    },
    "a mirror of the project": {"etc/apt/sources.list": file("deb http://ftp.de.debian.org/debian b main\n")},
    "a file about keys": {"usr/lib/keys.py": file("MARK = '-----BEGIN PRIVATE KEY-----'\n")},
    "a public key": {"app/key.pub": file("-----BEGIN PUBLIC KEY-----\n" + "QUJD" * 20 + "\n")},
    "empty logs": {"var/log/lastlog": file("")},
    "a program called core": {"usr/bin/core": file("program", 0o755)},
    "links into what the runtime mounts": {"etc/mtab": link("/proc/self/mounts"), "usr/bin/x": link("/dev/null")},
    "a link to another by the merged tree": {"usr/bin/tool": link("/bin/sh")},
    "byte-code by hash, checked": {
        "app/__pycache__/main.cpython-311.opt-1.pyc": BASE["app/__pycache__/main.cpython-311.pyc"]
    },
    "tests of an installed package": {"app/node_modules/x/tests/a.js": file()},
    "a user in the group of root, as OpenShift wants it": {
        "etc/passwd": file(ACCOUNTS.replace("app:x:1000:1000", "app:x:1000:0"))
    },
    "an empty machine id": {"etc/machine-id": file("uninitialized\n")},
}


@pytest.mark.bar("5 lint")
@pytest.mark.parametrize("changes", SOUND.values(), ids=SOUND)
def test_what_only_looks_like_a_fault_is_none(layout, changes):
    digest = add_image(layout, [pack(sorted({**BASE, **changes}.items()))], RUN)
    assert codes(layout, digest) == set()


SOUND_RUNS = {
    "variables in place of secrets": ({}, {"history": [{"created_by": "RUN curl --token $TOKEN -u x:${PASSWORD}"}]}),
    "a package with such a name": (
        {},
        {"history": [{"created_by": "RUN apt-get install python3-secretstorage nginx"}]},
    ),
    "a file with the secret": ({"Env": ["DATABASE_PASSWORD=/run/secrets/password"]}, {}),
    "a range of ports": ({"ExposedPorts": {"8000-8010/tcp": {}, "53/udp": {}, "80": {}}}, {}),
    "a version": ({"Labels": {"org.opencontainers.image.version": "1.2.3"}}, {}),
    "a user by name": ({"User": "app:app"}, {}),
    "no time of creation": ({}, {"created": None}),
}


@pytest.mark.bar("5 lint")
@pytest.mark.parametrize(("run", "config"), SOUND_RUNS.values(), ids=SOUND_RUNS)
def test_configuration_that_only_looks_faulty_is_not(layout, run, config):
    digest = add_image(layout, [pack(sorted(BASE.items()))], {**RUN, **run}, **config)
    assert codes(layout, digest) == set()


def test_long_lines_and_circles_end_soon(layout):
    hostile = {
        "root/.npmrc": file("a" * 500_000 + "\n" + "\n" * 500_000),
        "etc/loop": link("loop"),
        "etc/pip.conf": file("://a:" * 100_000),
        "usr/bin/round": link("../../etc/loop/loop"),
    }
    digest = add_image(layout, [pack(sorted({**BASE, **hostile}.items()))], RUN)
    begun = time.process_time()
    assert codes(layout, digest) == {"dangling-link"}
    assert time.process_time() - begun < 20


def test_finding_names_path_layer_and_no_secret(layout, tmp_path, capsys):
    for code in ("hidden-secret", "history-secret", "netrc"):
        digest = add_faulty(layout, FAULTS[code])
        assert start(["--store", str(tmp_path), "lint", "--json", str(digest)], program="seatrial") == 1
        shown = capsys.readouterr().out
        assert not [each for each in ("hidden\\n", CLOUD, "QUJDRA", "password hidden") if each in shown]
        (finding,) = json.loads(shown)["images"][0]["findings"]
        assert (finding["code"], finding["severity"]) == (code, "error")
    assert (finding["path"], finding["layer"]) == ("/root/.netrc", 1)


@pytest.mark.parametrize(("code", "exit_code"), [("machine-id", 1), ("host-name", 0), ("no-user", 0)])
def test_command_fails_on_errors_only(layout, tmp_path, capsys, code, exit_code):
    digest = add_faulty(layout, FAULTS[code])
    assert start(["--store", str(tmp_path), "lint", f"oci:{layout.root}"], program="seatrial") == exit_code
    shown = capsys.readouterr().out
    assert code in shown
    assert digest.short in shown
    assert "fix: " in shown


def test_deleted_and_replaced_paths_are_no_part_of_the_tree(layout):
    over = [pack([("root/.wh..wh..opq", file(""))]), pack([("app/tests", link("main.py"))])]
    base = {**BASE, "root/.netrc": file("machine a password b\n"), "app/tests/test_x.py": file()}
    digest = add_image(layout, [pack(sorted(base.items())), *over], RUN)
    assert codes(layout, digest) == {"hidden-secret"}
