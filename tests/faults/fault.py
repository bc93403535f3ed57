"""A fault: an app with one seeded bug, or none, as ``NAME/fault.yaml`` declares it."""

import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


class FaultError(Exception):
    """A fault.yaml that no variant can be made of."""


class Kind(StrEnum):
    """What ``verify`` must find."""

    ONE = "one"
    TWO = "two"
    CLEAN = "clean"
    FLAKY = "flaky"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One app of this folder.

    Args:
        folder: where it is.
        about: one sentence: what the bug is.
        kind: how many factors break it together, or why none does.
        causes: factor → level, the minimal cause; empty for clean and flaky.
        fails: names of the tests that differ, or that are flaky; ``suite`` where the exit alone tells.
        here: what they become: failed, skipped, errored, missing, passed.
        sensitive: factors whose other levels touch this app too; never drawn beside it.
        base: name of a file in ``_bases``.
        packages: Debian packages beside the base's.
        words: word → others that a variant may have in its place.
    """

    folder: Path
    about: str
    kind: Kind
    causes: Mapping[str, str]
    fails: tuple[str, ...]
    here: str
    sensitive: frozenset[str]
    base: str
    packages: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        return self.folder.name


def faults() -> tuple[str, ...]:
    """Return the names of all faults, sorted."""
    return tuple(sorted(path.parent.name for path in HERE.glob("*/fault.yaml")))


def read(folder: Path) -> Fault:
    """Return the fault in a folder.

    Raises:
        FaultError: an unknown key, a kind that its causes contradict, a word that cannot be replaced.
    """
    values: dict[str, Any] = yaml.load((folder / "fault.yaml").read_text(), Loader=yaml.BaseLoader)  # noqa: S506
    try:
        fault = Fault(
            folder=folder,
            about=values.pop("about"),
            kind=Kind(values.pop("kind")),
            causes=values.pop("causes", None) or {},
            fails=tuple(values.pop("fails", None) or ()),
            here=values.pop("here", "failed"),
            sensitive=frozenset(values.pop("sensitive", None) or ()),
            base=values.pop("base", "bookworm"),
            packages=tuple(sorted(values.pop("packages", None) or ())),
            words={word: tuple(others) for word, others in values.pop("words").items()},
        )
    except (KeyError, ValueError) as error:
        raise FaultError(f"{folder.name}/fault.yaml: {error}") from error
    for wrong in [*(f"unknown key {key!r}" for key in values), *_wrongs(fault)]:
        raise FaultError(f"{folder.name}/fault.yaml: {wrong}")
    return fault


def _wrongs(fault: Fault):
    count = {Kind.ONE: 1, Kind.TWO: 2}.get(fault.kind, 0)
    if len(fault.causes) != count:
        yield f"{fault.kind} is of {count} causes, and there are {len(fault.causes)}"
    if (fault.kind is Kind.CLEAN) == bool(fault.fails):
        yield f"{fault.kind} and fails: {list(fault.fails)}"
    text = "\n".join(
        [str(path.relative_to(fault.folder)) for part in ("app", "tests") for path in _files(fault.folder / part)]
        + [path.read_text(errors="ignore") for part in ("app", "tests") for path in _files(fault.folder / part)]
    )
    for word, others in fault.words.items():
        if not re.search(rf"(?<![a-z]){word}", text):
            yield f"the word {word!r} is nowhere in the app"
        for other in (word, *others):
            if not re.fullmatch("[a-z]+", other) or keyword.iskeyword(other) or other in sys.stdlib_module_names:
                yield f"{other!r} cannot be part of a name: lower-case letters, no keyword, no module of Python"
        for other in others:
            if re.search(rf"(?<![A-Za-z]){other}s?(?![a-z])", text):
                yield f"{other!r}, which may replace {word!r}, is in the app already"


def _files(folder: Path):
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
