"""What the Python of an existing image says of itself is as hostile as the image."""

import json

import pytest

from pipeline.build.interpreter import Installed, parse_interpreter
from pipeline.declare.errors import BuildError
from runtime.oci.refusal import RefusedError

SAID = {
    "version": "3.11.2",
    "implementation": "cpython",
    "libc": "2.36",
    "executable": "/usr/bin/python3",
    "site": "/usr/lib/python3/dist-packages",
    "packages": {"Zope_Interface": "5.0", "broken": "not a version", "--index-url": "1.0", "a\nb": "1"},
}


def parsed(**changed):
    return parse_interpreter(json.dumps({**SAID, **changed}).encode(), "python3")


def test_answer_is_read_and_what_is_no_package_is_left_out():
    found = parsed()
    assert (found.executable, found.minor, found.libc) == ("/usr/bin/python3", "3.11", "2.36")
    assert found.site == "usr/lib/python3/dist-packages"
    assert found.packages == (Installed(name="zope-interface", version="5.0"),)
    assert found.has_bytecode


@pytest.mark.parametrize(
    ("version", "implementation"), [("3.6.9", "cpython"), ("3.11.2", "pypy"), ("3.12.0", "graalpy")]
)
def test_python_whose_byte_code_is_not_known_gets_none(version, implementation):
    assert not parsed(version=version, implementation=implementation).has_bytecode


@pytest.mark.parametrize("version", ["2.7.18", "3.5.3", "", "x", "3.11.2; rm"])
def test_python_that_no_suite_can_have_is_refused(version):
    with pytest.raises(BuildError, match=r"a suite needs 3\.6 or newer"):
        parsed(version=version)


@pytest.mark.parametrize("key", ["site", "executable"])
@pytest.mark.parametrize("path", ["", "/", "usr/lib", "/usr/../../etc", "/usr/lib\n"])
def test_path_that_leaves_the_image_is_refused(key, path):
    with pytest.raises(BuildError, match=f"it has the {key}"):
        parsed(**{key: path})


@pytest.mark.parametrize("changed", [{"packages": []}, {"packages": {"a": 1}}, {"version": None}, {"site": 1.5}])
def test_answer_of_another_form_is_refused(changed):
    with pytest.raises(RefusedError):
        parsed(**changed)
