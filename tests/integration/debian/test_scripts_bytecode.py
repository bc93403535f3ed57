"""What scripts compile: the layers are the same when each script compiles by itself, and a failure is as loud."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from debian_archive import make_deb
from mutant import disabled

from pipeline.build.scripts_bytecode import ANSWER, COMPILE, before_scripts
from pipeline.declare.errors import BuildError

BY_SCRIPTS = ("pipeline.build.scripts_bytecode", "return lines", 'return ""')
"""The change with which each script compiles by itself."""

POSTINST = """#!/bin/sh
set -e

# Automatically added by dh_python3
if command -v py3compile >/dev/null 2>&1; then
\tpy3compile -p {name}{more}
fi
if command -v pypy3compile >/dev/null 2>&1; then
\tpypy3compile -p {name}{more} || true
fi

# End automatically added section
"""
"""What dh_python3 gives a package."""

MANY = {
    "bookworm": ("python3-pip", "python3-twisted", "python3-lib2to3"),
    "trixie": ("python3-pip", "python3-numpy", "python3-yaml"),
}


@pytest.mark.network
def test_layers_are_the_same_when_each_script_compiles_by_itself(packages, layers, tmp_path):
    same(packages("bookworm", "python3", "python3-yaml"), layers, tmp_path)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("suite", MANY)
def test_layers_of_many_modules_are_the_same_when_each_script_compiles_by_itself(packages, layers, tmp_path, suite):
    same(packages(suite, *MANY[suite]), layers, tmp_path)


def same(files, layers, tmp_path):
    ours = layers(files, tmp_path / "ours")
    with disabled(*BY_SCRIPTS):
        assert before_scripts(["libpython3.11-minimal"]) == ""
        assert layers(files, tmp_path / "other") == ours


@pytest.mark.network
@pytest.mark.parametrize("more", [" ", " /usr/lib/python3/dist-packages -V 3.8-"], ids=["public", "of its own"])
def test_module_that_does_not_compile_is_named_when_all_scripts_have_run(packages, layers, tmp_path, more):
    broken = {"usr/lib/python3/dist-packages/broken.py": b"x = (\n"}
    fields = {"Package": "python3-broken", "Version": "1", "Architecture": "all", "Depends": "python3"}
    scripts = {"postinst": POSTINST.format(name="python3-broken", more=more)}
    (tmp_path / "python3-broken.deb").write_bytes(make_deb(fields, broken, scripts=scripts))
    files = {**packages("bookworm", "python3"), "python3-broken": tmp_path / "python3-broken.deb"}
    with pytest.raises(BuildError, match=r"(?s)python3-broken: /usr/lib/python3/dist-packages/broken\.py.*line 1"):
        layers(files, tmp_path / "store")


PACKAGE = "python3-odd"
SITE = "usr/lib/python3/dist-packages"
GOES_ON = f"py3compile -p {PACKAGE} || true"
OTHERS = {
    "another way": f"if ! py3compile -p {PACKAGE}; then rm -f /nowhere; fi",
    "relative path": f"cd /{SITE}; py3compile . || true",
    "no py3compile": f"cd /{SITE}; python3 -m py_compile broken.py right.py || true",
    "not root": f"su -s /bin/sh nobody -c 'py3compile -p {PACKAGE}' || true",
}


@pytest.mark.network
def test_script_that_goes_on_where_compiling_failed_is_left_alone(packages, layers, tmp_path):
    same(beside_python(packages, tmp_path, GOES_ON), layers, tmp_path)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("how", OTHERS)
def test_script_that_compiles_in_its_own_way_is_left_alone(packages, layers, tmp_path, how):
    same(beside_python(packages, tmp_path, OTHERS[how]), layers, tmp_path)


def beside_python(packages, tmp_path, line):
    """Return Python, and a package of two modules with one line in its script."""
    fields = {"Package": PACKAGE, "Version": "1", "Architecture": "all", "Depends": "python3"}
    modules = {f"{SITE}/{name}.py": text for name, text in MODULES.items()}
    content = make_deb(fields, modules, scripts={"postinst": f"#!/bin/sh\nset -e\n{line}\n"})
    (tmp_path / "odd.deb").write_bytes(content)
    return {**packages("bookworm", "python3"), PACKAGE: tmp_path / "odd.deb"}


MODULES = {"broken": b"x = (\n", "right": b"X = 1\n"}


def run(program, *arguments):
    command = [sys.executable, "-s", "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def modules(tmp_path):
    """Return a function that writes modules and what is asked for, and returns its path."""

    def write(**sources):
        for name, text in sources.items():
            (tmp_path / f"{name}.py").write_text(text)
        asked = [(call, name) for name in (*sources, "gone") for call in ("this\t0", "this\t1", "other\t2")]
        lines = (f"{call}\tpack\t{tmp_path}/{name}.py\n" for call, name in asked)
        (tmp_path / "listed").write_text("".join(lines))
        return tmp_path / "listed"

    return write


def test_each_module_is_compiled_at_each_level_by_its_own_interpreter(modules, tmp_path):
    done = run(COMPILE, modules(one="assert True\n", two="X = 2\n", three="X = 3\n"), "this")
    assert (done.returncode, done.stderr) == (0, "")
    tag = sys.implementation.cache_tag
    names = {f"{name}.{tag}{level}.pyc" for name in ("one", "two", "three") for level in ("", ".opt-1")}
    assert {each.name for each in (tmp_path / "__pycache__").iterdir()} == names


@pytest.mark.parametrize("place", ["first", "second"])
def test_failure_of_either_process_is_told(modules, place):
    sources = {"first": "X = 1\n", "second": "X = 2\n", place: "x = (\n"}
    done = run(COMPILE, modules(**sources), "this")
    assert done.returncode == 1
    assert done.stderr.startswith("pack: /")
    assert f"{place}.py" in done.stderr


PROGRAM = """
import sys
STDINS = {}
vrepr = ".".join
def py_compile(version, optimize, workers):
    raise AssertionError
def main():
    if "-fail" in sys.argv:
        sys.exit(3)
    pipe = py_compile(("3", "12"), "-O" in sys.argv, {})
    next(pipe)
    for each in sys.argv[1:]:
        pipe.send(each)
    sys.exit(0)
"""


def test_calls_are_answered_by_the_program_s_own_code(tmp_path):
    (tmp_path / "program").write_text(PROGRAM)
    (tmp_path / "asked").write_text("one\na b\n/\t/\ntwo\n/\t/\ntwo\n-O\nc\n/\t/\n")
    done = run(ANSWER, *(tmp_path / name for name in ("program", "asked", "listed")))
    assert (done.returncode, done.stderr) == (0, "")
    three = "/usr/bin/python3.12"
    assert (tmp_path / "listed").read_text() == f"{three}\t0\tone\ta b\n{three}\t1\ttwo\t-O\n{three}\t1\ttwo\tc\n"


def test_call_that_fails_is_told(tmp_path):
    (tmp_path / "program").write_text(PROGRAM)
    (tmp_path / "asked").write_text("one\n-fail\nsome\n/\t/\n")
    done = run(ANSWER, *(tmp_path / name for name in ("program", "asked", "listed")))
    assert done.returncode == 1
    assert "one: py3compile -fail some failed" in done.stderr
