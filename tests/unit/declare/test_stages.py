"""Which stages files take from: every name that is wrong is told with its line."""

import pytest

from pipeline.declare.dependencies import answers
from pipeline.declare.faults import SpecFaults
from pipeline.declare.read import read_spec
from pipeline.declare.stages import needed_stages
from pipeline.declare.unsupported import unsupported

HEAD = "seatrial: 1\nimage:\n  debian: bookworm\n"
SUITE = "suite: {command: [a], results: exit}\n"
WHOLE = f"""\
{HEAD}  stages:
    tools: {{run: [[a]]}}
    build:
      files: [{{stage: tools, from: /out, to: /tools}}]
      env: {{A: b}}
      run: [[a, b], [c]]
  files:
    - {{stage: build, from: /out/app, to: /usr/bin/app}}
suite: {{command: [a], results: exit, files: [{{stage: tools, from: /out/t, to: /t}}]}}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def read(project, text):
    (project / "web.yaml").write_text(text)
    return read_spec(project / "web.yaml")


def test_spec_with_stages_is_read_whole_and_all_of_it_is_supported(project):
    spec = read(project, WHOLE)
    assert spec.image.stages["build"].run == (("a", "b"), ("c",))
    assert spec.image.stages["build"].env == {"A": "b"}
    assert unsupported(spec) == ()


def test_stages_that_are_needed_are_those_that_are_named_and_what_these_need(project):
    spec = read(project, WHOLE)
    assert needed_stages(spec.image.files, spec.image.stages) == ("build", "tools")
    assert needed_stages(spec.suite.files, spec.image.stages) == ("tools",)
    assert needed_stages((), spec.image.stages) == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("stage: build,", "stage: biuld,", 11, "there is no stage 'biuld'"),
        ("[{stage: tools, from: /out,", "[{stage: other, from: /out,", 7, "there is no stage 'other'"),
        ("[{stage: tools, from: /out/t,", "[{stage: other, from: /out/t,", 12, "suite.files\\[0\\].stage: there is no"),
        ("[{stage: tools, from: /out,", "[{stage: build, from: /out,", 7, "does not stand above 'build'"),
        ("tools: {run: [[a]]}\n", "tools: {run: [[a]], files: [{stage: build, from: /a, to: /a}]}\n", 5, "above"),
        ("    tools: {run", "    more: {run: [[a]]}\n    tools: {run", 5, "nothing is taken from the stage 'more'"),
        ("run: [[a, b], [c]]", "run: [[]]", 9, "is empty"),
        ("run: [[a, b], [c]]", "run: [[a, b], c]", 9, "must be a list"),
        ("from: /out/app", "from: out/app", 11, "not absolute"),
        ("to: /tools}", "to: /proc/x}", 7, "where a run mounts its own file systems"),
        ("env: {A: b}", "env: [A]", 8, "must be a mapping"),
        ("env: {A: b}", "workdir: src", 8, "not absolute"),
    ],
)
def test_stages_that_are_wrong_are_told_with_their_line(project, old, new, line, message):
    assert WHOLE.count(old) == 1
    with pytest.raises(SpecFaults, match=message) as found:
        read(project, WHOLE.replace(old, new))
    assert line in {fault.line for fault in found.value.faults}


def test_near_name_of_a_stage_is_offered(project):
    with pytest.raises(SpecFaults) as found:
        read(project, WHOLE.replace("stage: build,", "stage: biuld,"))
    assert "did you mean 'build'?" in {fault.hint for fault in found.value.faults}


@pytest.mark.parametrize("image", ["{debian: bookworm}", '{from: "oci:x"}'])
def test_suite_takes_from_no_stage_of_an_image_without_stages(project, image):
    text = f"seatrial: 1\nimage: {image}\n"
    text += "suite: {command: [a], results: exit, files: [{stage: build, from: /a, to: /a}]}\n"
    with pytest.raises(SpecFaults, match="there is no stage 'build'"):
        read(project, text)


def test_stages_of_a_service_are_its_own(project):
    service = "services:\n  db:\n    image:\n      debian: bookworm\n"
    taken = "      files: [{stage: build, from: /out, to: /x}]\n"
    with pytest.raises(SpecFaults, match="there is no stage 'build'"):
        read(project, WHOLE + service + taken)
    spec = read(project, WHOLE + service + "      stages: {build: {run: [[a]]}}\n" + taken)
    assert unsupported(spec) == ()


def test_files_of_a_stage_that_are_not_supported_are_told_with_their_line(project):
    changed = WHOLE.replace("to: /tools}", "to: /tools, owner: '1:1'}")
    assert [fault.line for fault in unsupported(read(project, changed))] == [7]


def test_local_files_of_a_stage_are_looked_for_beside_the_spec(project):
    with pytest.raises(SpecFaults, match="'src' does not exist") as found:
        read(project, WHOLE.replace("[{stage: tools, from: /out, to: /tools}]", "[{from: src, to: /src}]"))
    assert 7 in {fault.line for fault in found.value.faults}


@pytest.mark.parametrize(
    ("old", "new"), [("[a, b]", "[a, c]"), ("env: {A: b}", "env: {A: c}"), ("from: /out/app", "from: /out/other")]
)
def test_changed_stage_makes_a_lock_stale_and_another_order_of_keys_does_not(project, old, new):
    before = answers(read(project, WHOLE))
    assert answers(read(project, WHOLE.replace(old, new))) != before
    lines = ("      env: {A: b}\n", "      run: [[a, b], [c]]\n")
    swapped = WHOLE.replace("".join(lines), "".join(reversed(lines)))
    assert swapped != WHOLE
    assert answers(read(project, swapped)) == before
