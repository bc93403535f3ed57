"""Each step of the walk is disabled alone, and a case of `test_why_digest.py` has to fail for it."""

import importlib.util
from pathlib import Path

import pytest

from pipeline.digests import documents, entries, manifests, stacks, trees, why
from pipeline.digests.differences import Cause

_SPEC = importlib.util.spec_from_file_location("why_digest_cases", Path(__file__).with_name("test_why_digest.py"))
cases = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(cases)


def nothing(*_, **__):
    return iter(())


def without(cause):
    """Two entries are compared by all but one of their fields."""
    usual = entries._fields
    return lambda one, two: (each for each in usual(one, two) if each[0] is not cause)


MUTANTS = {
    "no fields of manifests": (why, "manifest_differences", nothing, "annotation"),
    "no fields of configs": (why, "config_differences", nothing, "history"),
    "no layers": (why, "layer_differences", nothing, "content"),
    "digests in manifests are told again": (manifests, "_masked", lambda one, two: (one, two), "gzip level"),
    "diff_ids are told again": (manifests, "_without_ids", lambda config: config, "content"),
    "formats of compression are told again": (manifests, "_family", lambda kind: kind, "zstd"),
    "no order of keys": (documents, "_other_orders", nothing, "config key order"),
    "no alignment of lists": (
        documents,
        "_aligned",
        lambda one, two: ((each, each) for each in range(min(len(one), len(two)))),
        "history put in",
    ),
    "no order of layers": (stacks, "Counter", lambda ids: tuple(ids), "layer order"),  # noqa: PLW0108 - it is called
    "no comparison of layers together": (stacks, "_has_equal_entries", lambda *_: False, "divided otherwise"),
    "no compression": (stacks, "_recompressed", nothing, "gzip level"),
    "no archive around entries": (stacks, "archive_differences", nothing, "order of entries"),
    "no headers": (entries, "_headers", nothing, "user name"),
    **{
        f"no {cause}": (entries, "_fields", without(cause), name)
        for cause, name in {
            Cause.ENTRY_CONTENT: "content",
            Cause.ENTRY_MODE: "mode",
            Cause.ENTRY_OWNER: "owner",
            Cause.ENTRY_TIME: "time",
            Cause.ENTRY_XATTRS: "attributes",
            Cause.ENTRY_TYPE: "type",
            Cause.ENTRY_TARGET: "target",
        }.items()
    },
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_fails_a_case(name, monkeypatch, tmp_path):
    module, function, mutant, case = MUTANTS[name]
    check = cases.test_one_change_is_named_with_its_place_and_nothing_else_is
    (tmp_path / "whole").mkdir()
    check(case, tmp_path / "whole")
    monkeypatch.setattr(module, function, mutant)
    (tmp_path / "mutant").mkdir()
    with pytest.raises((AssertionError, IndexError)):
        check(case, tmp_path / "mutant")


def test_layers_that_are_not_checked_let_a_lie_pass(monkeypatch, tmp_path):
    monkeypatch.setattr(stacks, "check_archive", lambda _: None)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        cases.test_layer_that_is_not_what_its_config_says_is_refused(tmp_path)


def test_whiteouts_that_are_not_applied_are_found(monkeypatch, tmp_path):
    monkeypatch.setattr(trees, "_is_hidden", lambda *_: False)
    with pytest.raises(AssertionError):
        cases.test_whiteouts_are_applied_where_layers_are_squashed(tmp_path)
