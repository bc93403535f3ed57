"""What scripts compile: the layers are the same when each script compiles by itself, and a failure is as loud."""

import os
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

SITE = "usr/lib/python3/dist-packages"
MANY = {
    "bookworm": ("python3-pip", "python3-twisted", "python3-lib2to3"),
    "trixie": ("python3-pip", "python3-numpy", "python3-yaml"),
}


@pytest.mark.network
@pytest.mark.parametrize(
    "names", [("python3-minimal",), pytest.param(("python3", "python3-yaml"), marks=pytest.mark.slow)], ids=" ".join
)
def test_layers_are_the_same_when_each_script_compiles_by_itself(packages, layers, tmp_path, names):
    same(packages("bookworm", *names), layers, tmp_path)


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
@pytest.mark.parametrize(
    "more", [" ", pytest.param(f" /{SITE} -V 3.8-", marks=pytest.mark.slow)], ids=["public", "own"]
)
def test_module_that_does_not_compile_is_named_when_all_scripts_have_run(packages, layers, tmp_path, more):
    broken = {"usr/lib/python3/dist-packages/broken.py": b"x = (\n"}
    fields = {"Package": "python3-broken", "Version": "1", "Architecture": "all", "Depends": "python3"}
    scripts = {"postinst": POSTINST.format(name="python3-broken", more=more)}
    (tmp_path / "python3-broken.deb").write_bytes(make_deb(fields, broken, scripts=scripts))
    files = {**packages("bookworm", "python3"), "python3-broken": tmp_path / "python3-broken.deb"}
    with pytest.raises(BuildError, match=r"(?s)broken\.py.*line 1.*byte-code of python3-broken failed"):
        layers(files, tmp_path / "store")


PACKAGE = "python3-odd"
OTHERS = {
    "goes on": f"py3compile -p {PACKAGE} || true",
    "another way": f"if ! py3compile -p {PACKAGE}; then rm -f /nowhere; fi",
    "relative path": f"cd /{SITE}; py3compile . || true",
    "no py3compile": f"cd /{SITE}; python3 -m py_compile broken.py right.py || true",
    "not root": f"su -s /bin/sh nobody -c 'py3compile -p {PACKAGE}' || true",
}


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
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # as scripts have it
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def modules(tmp_path):
    """Return a function that writes modules and what is asked for of Python itself, and returns its path."""

    def write(**sources):
        for name, text in sources.items():
            (tmp_path / f"{name}.py").write_text(text)
        asked = [(call, name) for name in (*sources, "gone") for call in ("this\t0", "this\t1", "other\t2")]
        (tmp_path / "listed").write_text("".join(f"{call}\t{tmp_path}/{name}.py\n\n" for call, name in asked))
        return tmp_path / "listed"

    return write


def compiled(tmp_path):
    """Return the names of what byte-code there is, without what is of the interpreter."""
    tag = f".{sys.implementation.cache_tag}"
    return sorted(each.name.replace(tag, "") for each in (tmp_path / "__pycache__").iterdir())


def test_each_module_is_compiled_at_each_level_by_its_own_interpreter(modules, tmp_path):
    done = run(COMPILE, modules(one="assert True\n", two="X = 2\n", three="X = 3\n"), "this")
    assert (done.returncode, done.stderr) == (0, "")
    assert compiled(tmp_path) == sorted(f"{name}{level}.pyc" for name in NUMBERS for level in ("", ".opt-1"))


NUMBERS = ("one", "two", "three")


@pytest.mark.parametrize("place", ["first", "second"])
def test_failure_of_either_process_is_told(modules, place):
    sources = {"first": "X = 1\n", "second": "X = 2\n", place: "x = (\n"}
    done = run(COMPILE, modules(**sources), "this")
    assert done.returncode == 1
    assert f"{place}.py" in done.stderr


@pytest.fixture
def answered(tmp_path):
    """Return a function that answers calls by a ``py3compile`` that means its own arguments."""
    (tmp_path / "program").write_text(PROGRAM.format(python=Path(sys.executable).name.removeprefix("python")))

    def answer(*calls):
        lines = ("\n".join((*call, "/\t/\n")) for call in calls)
        (tmp_path / "asked").write_text("".join(lines))
        program = ANSWER.replace("/usr/bin/python", f"{Path(sys.executable).parent}/python")
        return run(program, tmp_path / "program", tmp_path / "asked")

    for name in NUMBERS:
        (tmp_path / f"{name}.py").write_text(f"X = '{name}'\n")
    return answer


PROGRAM = """
import sys
STDINS = {{}}
vrepr = ".".join
def py_compile(version, optimize, workers):
    raise AssertionError
def main():
    if "-fail" in sys.argv:
        sys.exit(3)
    pipe = py_compile("{python}", "-O" in sys.argv, {{}})
    next(pipe)
    for each in sys.argv[1:]:
        if each != "-O":
            pipe.send(each)
    sys.exit(0)
"""


def test_calls_are_answered_by_the_program_s_own_code(answered, tmp_path):
    one, two, three = (f"{tmp_path}/{name}.py" for name in NUMBERS)
    done = answered(("some", one), ("other",), ("third", "-O", two, three))
    assert (done.returncode, done.stderr) == (0, "")
    assert compiled(tmp_path) == ["one.pyc", "three.opt-1.pyc", "two.opt-1.pyc"]


def test_call_that_fails_is_told(answered, tmp_path):
    done = answered(("some", f"{tmp_path}/one.py"), ("other", "-fail"))
    assert done.returncode == 1
    assert "other: py3compile -fail failed" in done.stderr


def test_every_package_whose_modules_do_not_compile_is_told(answered, tmp_path):
    for name in ("one", "three"):
        (tmp_path / f"{name}.py").write_text("x = (\n")
    done = answered(*((name, f"{tmp_path}/{name}.py") for name in NUMBERS))
    assert done.returncode == 1
    assert "byte-code of one failed\ncompiling the byte-code of three failed" in done.stderr
