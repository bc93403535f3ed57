"""What lies beside the files that a spec takes: where it would be in the image, and what takes it."""

import pytest

from pipeline.declare.nearby import nearby
from pipeline.declare.read import read_spec

SPEC = """seatrial: 1
image: {{debian: bookworm, files: [{image}]}}
suite: {{files: [{suite}], command: ["true"], results: exit}}
"""
SRC, TESTS = "{from: ../src, to: /app/src}", "{from: ../tests, to: /app/tests}"


@pytest.fixture
def project(tmp_path):
    top = tmp_path / "project"
    for each in ("envs", "src", "tests", "tools", ".venv", "odd name"):
        (top / each).mkdir(parents=True)
    for each in ("pyproject.toml", "README.md"):
        (top / each).touch()
    (tmp_path / "secret").touch()
    (top / "out").symlink_to(tmp_path / "secret")
    (top / "round").symlink_to("round")

    def spec(image="", suite=""):
        path = top / "envs" / "app.yaml"
        path.write_text(SPEC.format(image=image, suite=suite))
        return read_spec(path)

    return spec


def test_neighbors_of_what_is_taken_are_told_with_their_places_and_entries(project):
    found = nearby(project(SRC, TESTS))
    assert found == {
        "/app/README.md": "../README.md",
        "/app/envs": ".",
        "/app/pyproject.toml": "../pyproject.toml",
        "/app/tools": "../tools",
    }


def test_neighbors_of_what_gets_another_name_have_no_place(project):
    assert not nearby(project("{from: ../src, to: /app}"))
    assert not nearby(project())


def test_files_of_the_project_as_a_whole_have_no_neighbors(project):
    assert not nearby(project("{from: .., to: /project}", TESTS))
