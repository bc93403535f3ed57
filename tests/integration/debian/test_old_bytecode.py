"""What scripts compile by a Python before 3.11 is the same in every build, though its hash seed is not."""

import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from mutant import disabled

from pipeline.build.old_bytecode import PROGRAM
from pipeline.build.proof import compare
from runtime.oci.layout import Layout

BUILDS = 3
AS_SCRIPTS_DO = ("pipeline.build.old_bytecode", "in /usr/bin/python3.[7-9] /usr/bin/python3.10;", "in;")
"""The change with which nothing is compiled again."""


TOGETHER = [("python3",), ("python3", "ca-certificates")]
"""A Python 3.9 alone, and beside a package whose scripts are helped too."""

BEGUN = "debs/begun"


@pytest.mark.network
@pytest.mark.parametrize("names", [pytest.param(TOGETHER[0], marks=pytest.mark.slow), TOGETHER[1]], ids="-".join)
def test_two_builds_with_an_old_python_are_the_same(names, packages, layers, tmp_path):
    python = packages("bullseye", *names)
    assert layers(python, tmp_path / "one") == layers(python, tmp_path / "other")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("names", TOGETHER, ids="-".join)
def test_only_byte_code_differs_between_builds_in_which_nothing_is_compiled_again(names, packages, layers, tmp_path):
    python = packages("bullseye", *names)
    with disabled(*AS_SCRIPTS_DO):
        made = [layers(python, tmp_path / str(number)) for number in range(BUILDS)]
    found = {
        difference.path
        for number, other in enumerate(made[1:], 1)
        for difference in compare(made[0], other, both(tmp_path / "0", tmp_path / str(number)))
    }
    assert found
    assert all(path.endswith(".cpython-39.pyc") for path in found)


def both(one, other):
    """Return a store that has what two have."""
    layout = Layout(one / "oci")
    for blob in (other / "oci" / "blobs" / "sha256").iterdir():
        target = one / "oci" / "blobs" / "sha256" / blob.name
        if not target.exists():
            target.hardlink_to(blob)
    return layout


@pytest.fixture
def tree(tmp_path):
    """Return a function that compiles a module in a tree, and then makes its byte-code another one."""

    def compiled(path, optimize=0):
        source = tmp_path / "usr" / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text('"""About."""\nassert True\nX = 1 in {1, 2}\n')
        made = Path(py_compile.compile(str(source), optimize=optimize))
        right = made.read_bytes()
        made.write_bytes(right[:-1] + b"?")
        return made, right

    (tmp_path / "debs").mkdir()
    (tmp_path / "var/lib/dpkg/info").mkdir(parents=True)
    return compiled


def again(tmp_path):
    command = [sys.executable, "-s", "-S", "-c", PROGRAM, tmp_path, BEGUN]
    return subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False)


def test_what_scripts_compiled_is_compiled_again_at_its_level_with_its_mode(tree, tmp_path):
    (tmp_path / BEGUN).touch()
    paths = {"lib/one.py": 0, "lib/two.py": 1, "lib/odd.opt-2.d/three.py": 0, "share/blank in it/four.py": 2}
    made = [tree(path, level) for path, level in paths.items()]
    made[0][0].chmod(0o600)
    done = again(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.read_bytes() for path, _ in made] == [right for _, right in made]
    assert made[0][0].stat().st_mode & 0o7777 == 0o600
    assert [each.name for each in tmp_path.rglob("*.new")] == []


def test_what_scripts_did_not_compile_is_left(tree, tmp_path):
    below = tree("lib/below.py")
    while not (tmp_path / BEGUN).exists() or (tmp_path / BEGUN).stat().st_ctime_ns <= below[0].stat().st_ctime_ns:
        (tmp_path / BEGUN).touch()
    shipped, lone, broken = (tree(f"lib/{name}.py") for name in ("shipped", "lone", "broken"))
    listed = f"/{shipped[0].relative_to(tmp_path)}\n"
    (tmp_path / "var/lib/dpkg/info/some.list").write_text(listed)
    (tmp_path / "usr/lib/lone.py").unlink()
    (tmp_path / "usr/lib/broken.py").write_text("(")
    link = shipped[0].with_name(f"link.{sys.implementation.cache_tag}.pyc")
    link.symlink_to(below[0].name)
    before = [each[0].read_bytes() for each in (below, shipped, lone, broken)]
    done = again(tmp_path)
    assert done.returncode == 0
    assert [each[0].read_bytes() for each in (below, shipped, lone, broken)] == before
    assert link.readlink() == Path(below[0].name)


def test_byte_code_that_cannot_be_written_is_told_and_fails(tree, tmp_path):
    (tmp_path / BEGUN).touch()
    made, _ = tree("lib/one.py")
    made.with_name(f"{made.name}.new").mkdir()
    done = again(tmp_path)
    assert done.returncode == 1
    assert str(made) in done.stderr
    assert "byte-code could not be compiled again" in done.stderr
