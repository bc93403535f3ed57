"""``first_spec``: a first spec, written from what a project has."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.declare.errors import SpecError

SCHEMA = "https://seatrial.dev/schemas/envspec.schema.json"
"""Where editors find the schema of specs."""

_TESTS = ("tests", "test")
_TEST_NAMES = ("test", "tests", "testing", "dev")
_NO_CODE = frozenset({"setup.py", "conftest.py", "noxfile.py", "tasks.py"})


def spec_name(directory: Path) -> str:
    """Return a name for the project's environment: the project's own, or the folder's."""
    name = str(_project(directory).get("name", "") or directory.resolve().name)
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:63] or "app"


def first_spec(directory: Path) -> str:
    """Return the text of ``envs/NAME.yaml`` for the project in ``directory``: what it needs, its code, and its tests.

    Raises:
        SpecError: its pyproject.toml cannot be read.
    """
    lines = [f"# yaml-language-server: $schema={SCHEMA}", "seatrial: 1", *_image(directory), *_suite(directory)]
    return "\n".join(lines) + "\n"


def _image(directory: Path) -> Iterator[str]:
    code = _code(directory)
    yield "image:                    # what production runs, and nothing else"
    yield "  debian: bookworm"
    if _project(directory):
        yield "  python: {project: ..}   # the dependencies in pyproject.toml"
    elif (directory / "requirements.txt").is_file():
        yield "  python: {requirements: ../requirements.txt}"
    elif code:
        yield "  packages: [python3]"
    if code:
        yield "  files:"
        for name in code:
            yield f"    - {{from: {_quoted('../' + name)}, to: {_quoted('/app/' + name)}}}"
        if code == ["src"]:
            yield "  env: {PYTHONPATH: /app/src}"
        yield "  workdir: /app"


def _suite(directory: Path) -> Iterator[str]:
    tests = next((name for name in _TESTS if (directory / name).is_dir()), None)
    yield "suite:                    # what only the tests need; never in the image"
    if not tests and not _code(directory):
        yield "  command: [sh, -c, 'true']   # the command that tests the image"
        yield "  results: exit"
        return
    yield f"  python: {_tools(directory)}"
    if tests:
        yield "  files:"
        yield f"    - {{from: ../{tests}, to: /app/{tests}}}"
    yield "  command: [python3, -m, pytest, -q]"


def _tools(directory: Path) -> str:
    """Return where the tests' requirements are: a group or extra of the project that asks for pytest, or pytest."""
    data = _pyproject(directory)
    for table, key in (
        (data.get("dependency-groups"), "groups"),
        (_project(directory).get("optional-dependencies"), "extras"),
    ):
        for name in _TEST_NAMES:
            wanted = table.get(name) if isinstance(table, Mapping) and _project(directory) else None
            if isinstance(wanted, list) and any(re.match(r"pytest\b(?!-)", str(each)) for each in wanted):
                return f"{{project: .., {key}: [{name}]}}"
    return '{packages: ["pytest>=8"]}'


def _code(directory: Path) -> list[str]:
    """Return the names of what the program consists of, sorted."""
    if (directory / "src").is_dir():
        return ["src"]
    found = [path.name for path in directory.iterdir() if path.is_dir() and (path / "__init__.py").is_file()]
    found += [path.name for path in directory.glob("*.py") if path.name not in _NO_CODE]
    return sorted(name for name in found if name not in _TESTS)


def _project(directory: Path) -> Mapping[str, Any]:
    project = _pyproject(directory).get("project")
    return project if isinstance(project, dict) else {}


def _pyproject(directory: Path) -> dict[str, Any]:
    path = directory / "pyproject.toml"
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SpecError(f"{path} cannot be read: {error}") from None


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_./-]+", text) else f'"{text}"'
