"""What scripts compile by a Python before 3.11 is the same in every build, though its hash seed is not."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from mutant import disabled

from pipeline.build.proof import compare
from runtime.oci.layout import Layout

BUILDS = 3
AS_SCRIPTS_DO = ("pipeline.build.old_bytecode", "for each in /usr/bin/python3.[0-9] ", "for each in /nowhere ")
"""The change with which nothing is compiled again."""


@pytest.fixture
def python(packages):
    """The packages of a Python 3.9."""
    return packages("bullseye", "python3")


@pytest.mark.network
def test_two_builds_with_an_old_python_are_the_same(python, layers, tmp_path):
    assert layers(python, tmp_path / "one") == layers(python, tmp_path / "other")


@pytest.mark.slow
@pytest.mark.network
def test_only_byte_code_differs_between_builds_in_which_nothing_is_compiled_again(python, layers, tmp_path):
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
