import pytest

from pipeline.declare.init import first_spec, spec_name
from pipeline.declare.patterns import is_chosen, unmatched
from pipeline.declare.read import read_spec


def written(project):
    path = project / "envs" / f"{spec_name(project)}.yaml"
    path.parent.mkdir()
    path.write_text(first_spec(project))
    return read_spec(path)


def test_first_spec_of_src_project_reads(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "My App"\n[dependency-groups]\ntest = ["pytest>=8"]\n')
    (tmp_path / "src").mkdir()
    (tmp_path / "tests").mkdir()
    spec = written(tmp_path)
    assert spec.name == "my-app"
    assert spec.image.python.project == ".."
    assert spec.image.env == {"PYTHONPATH": "/app/src"}
    assert spec.suite.python.groups == ("test",)
    assert first_spec(tmp_path).startswith("# yaml-language-server: $schema=https://")


def test_first_spec_of_requirements_and_flat_package_reads(tmp_path):
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    spec = written(tmp_path)
    assert spec.image.python.requirements == "../requirements.txt"
    assert [entry.to for entry in spec.image.files] == ["/app/shop"]
    assert spec.suite.python.packages == ("pytest>=8",)


def test_first_spec_of_empty_folder_reads(tmp_path):
    assert written(tmp_path).suite.command == ("sh", "-c", "true")


@pytest.mark.parametrize(
    ("path", "only", "chosen"),
    [
        ("tests/a.py", ("tests",), True),
        ("tests", ("tests/",), True),
        ("src/tests/a.py", ("tests",), False),
        ("src/tests/a.py", ("**/tests",), True),
        ("src/a.py", ("*.py",), False),
        ("a.py", ("./*.py",), True),
        ("anything", (), True),
    ],
)
def test_is_chosen_matches_path_and_what_is_below(path, only, chosen):
    assert is_chosen(path, only) is chosen


def test_unmatched_names_pattern_that_matches_nothing():
    assert unmatched(["a.py"], ["*.py", "test"]) == ("test",)
