from pathlib import Path

import pytest

from pipeline.declare.dependencies import answers, dependency_files
from pipeline.declare.errors import SpecError
from pipeline.declare.faults import SpecFaults
from pipeline.declare.image import BuiltImage, LocalFiles, SdistFiles, parse_epoch
from pipeline.declare.inline_host import InlineHost
from pipeline.declare.read import read_spec, read_specs
from pipeline.declare.spec import JUnitResults, ResultsFormat
from pipeline.declare.unsupported import unsupported
from pipeline.declare.values import parse_duration, print_duration

SMALL = "seatrial: 1\nimage: {debian: bookworm}\nsuite: {command: [python3]}\n"
FULL = """\
seatrial: 1
image:
  debian: bookworm
  packages: [tzdata]
  python: {packages: ["croniter==6.0.0"], requirements: requirements.txt, build-packages: [gcc]}
  files:
    - {from: ./app, to: /app/, mode: 0644, owner: 10:10, only: ["*.py"]}
    - {sdist: croniter==6.0.0, to: /src, only: [tests]}
  user: {name: web, uid: 1234}
  env: {KEY: "1"}
  epoch: 2026-01-01
suite:
  command: [python3, -m, pytest]
  results: {junit: out.xml}
  timeout: 10m
hosts:
  - openshift
  - {name: mine, factors: {umask: 0077, stdin: null, cpus: 1}}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "envs" / "app").mkdir(parents=True)
    (tmp_path / "envs" / "requirements.txt").write_text("pytz\n")
    return tmp_path


def write(project: Path, text: str, name: str = "web.yaml") -> Path:
    path = project / "envs" / name
    path.write_text(text)
    return path


def test_read_spec_of_full_spec_gives_its_values(project):
    spec = read_spec(write(project, FULL))
    assert spec.name == "web"
    assert isinstance(spec.image, BuiltImage)
    local, sdist = spec.image.files
    assert local == LocalFiles.model_validate(
        {"from": "./app", "to": "/app", "mode": "0644", "owner": "10:10", "only": ["*.py"]}
    )
    assert isinstance(sdist, SdistFiles)
    assert spec.image.user.home == "/home/web"
    assert spec.image.epoch == "2026-01-01"
    assert spec.suite.timeout == 600_000
    assert spec.suite.results == JUnitResults(junit="out.xml")
    assert spec.hosts == (
        "openshift",
        InlineHost(name="mine", factors={"umask": "0077", "stdin": "null", "cpus": "1"}),
    )
    assert spec.directory == project / "envs"


def test_read_spec_of_small_spec_fills_defaults(project):
    spec = read_spec(write(project, SMALL))
    assert spec.suite.results is ResultsFormat.PYTEST
    assert spec.hosts == "standard"
    assert spec.reference == "reference"
    assert spec.architectures == ("amd64",)


def test_digest_data_holds_set_keys_only(project):
    spec = read_spec(write(project, SMALL))
    assert spec.image_digest_data == {"debian": {"suite": "bookworm"}}
    assert spec.suite_digest_data == {"command": ["python3"]}
    assert spec.services_digest_data == {}


@pytest.mark.parametrize(
    "other",
    [
        "# a comment\n" + SMALL,
        SMALL + "hosts: quick\nflaky: fail\n",
        SMALL + 'ignore: [{test: "*", host: openshift, reason: known}]\n',
        SMALL.replace("bookworm", "{suite: bookworm}"),
    ],
)
def test_answers_of_spec_that_needs_the_same_packages_is_equal(project, other):
    first = answers(read_spec(write(project, SMALL)))
    assert answers(read_spec(write(project, other))) == first


@pytest.mark.parametrize("other", [SMALL.replace("bookworm", "trixie"), SMALL.replace("[python3]", "[python3, -q]")])
def test_answers_of_other_image_or_suite_differs(project, other):
    first = answers(read_spec(write(project, SMALL)))
    assert answers(read_spec(write(project, other))) != first


def test_answers_does_not_change_with_app_files(project):
    path = write(project, FULL)
    first = answers(read_spec(path))
    (project / "envs" / "app" / "main.py").write_text("print()\n")
    assert answers(read_spec(path)) == first


def test_answers_changes_with_nested_requirements(project):
    path = write(project, FULL)
    (project / "envs" / "requirements.txt").write_text("-r more.txt\n")
    (project / "envs" / "more.txt").write_text("pytz\n")
    first = read_spec(path)
    assert set(dependency_files(first)) == {"more.txt", "requirements.txt"}
    before = answers(first)
    (project / "envs" / "more.txt").write_text("pytz<2026\n")
    assert answers(first) != before


def test_answers_changes_with_project_dependencies_and_not_with_its_tools(project):
    path = write(project, SMALL.replace("{debian: bookworm}", "{debian: bookworm, python: {project: ..}}"))
    first = answers(read_spec(path))
    (project / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.ruff]\nline-length = 99\n')
    assert answers(read_spec(path)) == first
    (project / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["pytz"]\n')
    assert answers(read_spec(path)) != first


def test_requirements_file_that_leads_out_of_tree_is_refused(project):
    path = write(project, FULL)
    (project / "envs" / "requirements.txt").write_text("-r ../../other.txt\n")
    with pytest.raises(SpecFaults, match="out of the project's tree"):
        read_spec(path)


def test_file_behind_link_that_leads_out_of_tree_is_refused(project):
    (project / "envs" / "etc").symlink_to("/etc")
    with pytest.raises(SpecFaults, match="by a link"):
        read_spec(write(project, FULL.replace("./app", "./etc")))


def test_extends_merges_maps_and_replaces_lists(project):
    write(project, "seatrial: 1\nimage: {debian: bookworm, packages: [a, b], env: {A: x, B: y}}\n", "_base.yaml")
    own = "extends: _base.yaml\nimage: {packages: [c], env: {B: z}}\nsuite: {command: [python3]}\n"
    image = read_spec(write(project, own)).image
    assert isinstance(image, BuiltImage)
    assert image.packages == ("c",)
    assert image.env == {"A": "x", "B": "z"}


def test_fault_in_base_names_the_base(project):
    write(project, "seatrial: 1\nimage: {debian: bookworm, pakages: [a]}\n", "_base.yaml")
    with pytest.raises(SpecFaults) as caught:
        read_spec(write(project, "extends: _base.yaml\nsuite: {command: [python3]}\n"))
    assert [fault.path.name for fault in caught.value.faults] == ["_base.yaml"]


def test_read_specs_of_pattern_skips_bases_and_sorts(project):
    write(project, SMALL, "b.yaml")
    write(project, SMALL, "a.yaml")
    write(project, "seatrial: 1\n", "_base.yaml")
    assert [spec.name for spec in read_specs([str(project / "envs" / "*.yaml")])] == ["a", "b"]
    written_out = sorted((project / "envs").glob("*.yaml"))
    assert [spec.name for spec in read_specs(written_out)] == ["a", "b"]


def test_read_specs_of_pattern_without_match_names_init(project):
    with pytest.raises(SpecError, match="seatrial init"):
        read_specs([str(project / "envs" / "*.yaml")])


def test_read_specs_of_two_with_one_name_is_refused(project):
    paths = [write(project, SMALL), write(project, f"name: web\n{SMALL}", "other.yaml")]
    with pytest.raises(SpecFaults, match="'web' is that of"):
        read_specs(paths)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ("{}", "either 'packages' or a 'project'"),
        ("{packages: [a@1.0.0], project: app}", "either 'packages' or a 'project'"),
        ("{packages: [a@1.0.0], dev: true}", "'dev' belongs to a 'project'"),
        ("{packages: [a]}", "a package and its exact version"),
        ("{packages: [a@^1.0.0]}", "a package and its exact version"),
        ("{packages: [../a@1.0.0]}", "a package and its exact version"),
        ("{packages: [a@1.0.0], to: /proc/x}", "where a run mounts its own file systems"),
    ],
)
def test_packages_of_npm_that_are_wrong_are_told_with_their_line(project, node, message):
    text = f"seatrial: 1\nimage:\n  debian: bookworm\n  node: {node}\nsuite: {{command: [a]}}\n"
    with pytest.raises(SpecFaults, match=message) as found:
        read_spec(write(project, text))
    assert {fault.line for fault in found.value.faults} == {4}


def test_package_lock_makes_a_lock_stale_and_a_missing_one_is_told_with_its_line(project):
    text = "seatrial: 1\nimage:\n  debian: bookworm\n  node: {project: app}\nsuite: {command: [a]}\n"
    with pytest.raises(SpecFaults, match=r"web\.yaml:4:\d+: 'app' cannot be used"):
        read_spec(write(project, text))
    for name in ("package.json", "package-lock.json"):
        (project / "envs" / "app" / name).write_text("{}")
    spec = read_spec(write(project, text))
    before = answers(spec)
    (project / "envs" / "app" / "package-lock.json").write_text('{"lockfileVersion": 3}')
    assert answers(spec) != before


def test_unsupported_names_each_key_with_its_line(project):
    text = "seatrial: 1\nimage:\n  debian: bookworm\n"
    text += "suite:\n  secrets: [TOKEN]\n  command: [a]\n  network: outbound\n"
    services = "services:\n  db: {image: {from: x}}\n  cache: {image: {debian: bookworm}}\n"
    found = unsupported(read_spec(write(project, text + services)))
    assert [fault.line for fault in found] == [5, 7, 9]
    assert all("not supported by this version of Seatrial" in fault.message for fault in found)
    assert unsupported(read_spec(write(project, SMALL))) == ()


@pytest.mark.parametrize("text", ["1ms", "90s", "10m", "1h", "2d"])
def test_duration_printed_is_the_text_that_was_parsed(text):
    assert print_duration(parse_duration(text)) in {text, "90s"}


@pytest.mark.parametrize(("text", "seconds"), [("1970-01-02", 86400), ("1767225600", 1767225600)])
def test_parse_epoch_reads_dates_as_utc(text, seconds):
    assert parse_epoch(text) == seconds


@pytest.mark.parametrize(
    ("image", "is_known"),
    [
        ("oci:DIR", True),
        ("docker-archive:FILE", True),
        ("docker-daemon:web:1", True),
        ("registry.example.org/web:1", True),
        ("localhost:5000/web", True),
        ("web:1", False),
        ("team/web:1", False),
        ("containers-storage:web", False),
    ],
)
def test_image_that_exists_elsewhere_than_is_read_is_named_with_its_line(project, image, is_known):
    text = f"seatrial: 1\nimage:\n  from: {image}\nsuite:\n  command: [a]\n"
    found = unsupported(read_spec(write(project, text)))
    assert [fault.line for fault in found] == ([] if is_known else [3])
