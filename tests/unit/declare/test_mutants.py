"""Each check of specs, disabled: the golden message of its bad spec does not come then."""

import sys
from pathlib import Path

import pytest

from pipeline.declare.faults import SpecFaults
from pipeline.declare.read import read_specs

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from mutant import disabled

FOLDER = Path(__file__).parents[2] / "golden" / "specs"

READER = "pipeline.declare.yaml_reader"
VALIDATE = "pipeline.declare.validate"
READ = "pipeline.declare.read"
TREE = "pipeline.declare.tree"

ERRORS = "for each in _told_once(model, error)"

MUTANTS = {
    "alias_bomb": (READER, "for frame in self._frames) > MAX_NODES:", "for frame in self._frames) > 10**9:"),
    "base_of_a_base": (READ, 'if "extends" in base.values:', "if False:"),
    "brace_left_open": (READER, "raise SpecFaults([*builder.faults, _syntax_fault(error, file)]) from None", "pass"),
    "duplicate_key": (READER, "elif text in frame.keys:", "elif False:"),
    "empty_value": (
        VALIDATE,
        "for path, each in walk(node) if _is_empty(each)",
        "for path, each in walk(node) if False",
    ),
    "file_over_the_runtime": (
        "pipeline.declare.image",
        "if any(path == tree or path.startswith",
        "if False and any(path == tree or path.startswith",
    ),
    "hostile_key": (VALIDATE, "unknown key {location[-1]!r}", "unknown key {location[-1]!s}"),
    "list_at_the_top": (READER, "if not isinstance(root, Table):\n        place", "if False:\n        place"),
    "merge_key": (READER, "        if is_merge:", "        if False:"),
    "missing_file": (TREE, "if not found.exists():", "if False:"),
    "misspelled_key": (VALIDATE, "not in misspelled", "not in ()"),
    "missing_keys": (VALIDATE, ERRORS, f'{ERRORS} if each["type"] != "missing"'),
    "newer_format": (READ, "int(number.text[:9]) > FORMAT:", "int(number.text[:9]) > 10**9:"),
    "not_utf8": (READER, 'text = content.decode("utf-8-sig")', 'text = content.decode("utf-8-sig", "replace")'),
    "number_where_text_is_wanted": (VALIDATE, "return _Mistyped(text)", "return text"),
    "path_that_leaves_the_tree": (TREE, "if not found.is_relative_to(tree):", "if False:"),
    "service_with_unknown_keys": (VALIDATE, "known keys: ", "keys: "),
    "tab_in_the_indentation": (READER, 'if "\\t" in indent and not indent.strip():', "if False:"),
    "tag": (READER, 'if tag not in {None, "!"} and not isinstance', "if False and not isinstance"),
    "two_documents": (READER, "if self._documents > 1:", "if False:"),
    "unknown_factor_and_level": ("pipeline.declare.host_file", "if len(path) == 3 and path[0]", "if False and path[0]"),
    "unknown_key": (VALIDATE, ERRORS, f'{ERRORS} if each["type"] != "extra_forbidden"'),
    "wrong_types": (VALIDATE, ERRORS, f'{ERRORS} if not each["type"].endswith("_type")'),
}
"""Bad spec → module, what its check reads, and what it reads where the check is disabled."""


@pytest.mark.bar("6 mutants")
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_bad_spec_is_not_refused_as_before_without_its_check(name, monkeypatch):
    monkeypatch.chdir(FOLDER)
    golden = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    with disabled(*MUTANTS[name]):
        assert said(name) != golden
    assert said(name) == golden


def test_every_bad_spec_has_its_mutant():
    assert sorted(MUTANTS) == sorted(path.stem for path in FOLDER.glob("*.yaml") if not path.name.startswith("_"))


def said(name):
    """Return what is said of a bad spec; what a missing check leads to may be any error."""
    try:
        read_specs([f"{name}.yaml"])
    except SpecFaults as error:
        return f"{error}\n"
    except Exception as error:  # noqa: BLE001 - without a check, whatever stood behind it
        return f"{type(error).__name__}\n"
    return ""
