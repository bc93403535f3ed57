"""The bad specs of tests/golden/specs, through the command line: the same message, exit 2, and nothing is made."""

from dataclasses import replace

import pytest
from bad_inputs_desk import ROOT, check_golden

FOLDER = ROOT / "tests" / "golden" / "specs"
BAD = sorted(path.stem for path in FOLDER.glob("*.yaml") if not path.name.startswith("_"))


@pytest.mark.bar("6 bad inputs", slice=3)
@pytest.mark.parametrize("name", BAD)
def test_bad_spec_is_refused_and_nothing_is_made(name, desk, tmp_path):
    user = replace(desk, project=FOLDER, store=tmp_path / "store")
    before = sorted(FOLDER.iterdir())
    seen = user.type("verify", f"{name}.yaml", "--locked")
    assert seen.stderr == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert (seen.code, seen.stdout) == (2, "")
    assert not user.store.exists()
    assert sorted(FOLDER.iterdir()) == before


@pytest.mark.bar("6 bad inputs", slice=1)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("spec_is_missing", ["envs/wbe.yaml"]),
        ("spec_is_a_folder", ["envs"]),
        ("spec_is_only_a_base", ["envs/_base.yaml"]),
        ("name_is_no_spec", ["wbe"]),
        ("no_specs", []),
        ("two_specs_of_one_name", ["envs/web.yaml", "envs/other/web.yaml"]),
    ],
)
def test_bad_name_of_a_spec_is_refused(name, words, desk):
    spec = "seatrial: 1\nimage: {debian: bookworm}\nsuite: {command: [python3, -m, pytest]}\n"
    for path in ("envs/web.yaml", "envs/other/web.yaml", "envs/_base.yaml"):
        if name != "no_specs":
            (desk.project / path).parent.mkdir(parents=True, exist_ok=True)
            (desk.project / path).write_text(spec)
    seen = desk.type("verify", *words, "--locked", "--no-progress")
    check_golden(name, seen)
    assert (seen.code, seen.stdout) == (2, "")
