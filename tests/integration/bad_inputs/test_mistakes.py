"""What people get wrong when they build images: each is refused, with what to do instead, and nothing is kept."""

from dataclasses import replace
from pathlib import Path

import mistakes
import pytest
import yaml
from bad_inputs_desk import check_golden, check_store

CASES = yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text(encoding="utf-8"))
EXIT = 2


@pytest.fixture
def mistaken(desk, world, tmp_path):
    """Do what a case says, and return the user who types its command; what was done is undone at the end."""
    undone = []

    def prepare(case):
        user = replace(desk, environment=world.environment, store=tmp_path / "store", left=frozenset())
        _write_project(user.project, world, case)
        if case.get("locked"):
            locked = replace(user, store=tmp_path / "elsewhere").type("lock", "spec.yaml", "--no-progress")
            assert locked.code == 0, locked
        undo = getattr(mistakes, case["wrong"])(world, user) if "wrong" in case else None
        undone.extend([undo] if undo else [])
        given = case.get("environment", {})
        own = {name: value.replace("{project}", str(user.project)) for name, value in given.items()}
        return replace(user, environment={**user.environment, **own})

    yield prepare
    for each in undone:
        each()


def named(cases):
    return [pytest.param(each, id=each["name"]) for each in cases]


@pytest.mark.bar("5 mistakes", slice=2)
@pytest.mark.parametrize("case", named(CASES))
def test_mistake_is_refused_with_what_to_do_instead(case, mistaken):
    user = mistaken(case)
    seen = user.type(*case["arguments"], "--no-progress")
    check_golden(case["name"], seen)
    assert (seen.code, seen.stdout) == (EXIT, "")
    assert "hint: " in seen.stderr or "^" in seen.stderr
    if user.store.is_dir():
        check_store(user)


@pytest.mark.bar("5 mistake mutants", slice=1)
@pytest.mark.parametrize("case", named(CASES))
def test_mistake_is_not_refused_so_by_a_seatrial_without_the_check(case, mistaken):
    user = mistaken(case)
    refused = user.type(*case["arguments"], "--no-progress")
    seen = user.type(*case["arguments"], "--no-progress", mutant=case["mutant"])
    assert (seen.code, seen.stderr) != (refused.code, refused.stderr)


def test_no_two_mistakes_are_equal_in_check_and_input():
    assert len({each["check"] for each in CASES}) == len(CASES)
    shapes = {str({key: each[key] for key in each if key not in {"name", "check", "mutant"}}) for each in CASES}
    assert len(shapes) == len(CASES)


def _write_project(project, world, case):
    right = {"suite": "bookworm", "mirror": "{url}/debian", "keys": "archive.asc"}
    debian = {
        key: value.replace("{url}", world.url) if isinstance(value, str) else value
        for key, value in case.get("debian", right).items()
    }
    image = {"debian": debian, "packages": ["app"], **case.get("image", {})}
    spec = {"seatrial": 1, "image": image, "suite": {"command": ["python3", "-m", "pytest"]}}
    (project / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False, default_flow_style=None, width=1000))
    (project / "archive.asc").write_bytes(world.archive.key)
    (project / "requirements.txt").write_text("blue==1.0\n")
    if case.get("locked"):
        (project / "app").mkdir()
        (project / "app" / "main.py").write_text("print(1)\n")
