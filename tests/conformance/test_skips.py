"""Each level that a backend refuses, for which tests of this suite are skipped, stands in the docs with its reason."""

import os
import re
from pathlib import Path

import pytest
from crafted import plan_of

from runtime.backends.catalogue import BACKENDS
from runtime.factors import FACTORS

pytestmark = pytest.mark.bar("conformance")

PAGE = Path(__file__).parents[2] / "docs/reference/backends.md"


def documented():
    """Return backend → the factors and ``factor: level`` that the page's table says it refuses."""
    _, _, section = PAGE.read_text().partition("## What is refused, with its reason")
    found = {name: set() for name in BACKENDS}
    for line in section.partition("\n## ")[0].splitlines():
        if not line.startswith("| ") or line.startswith("| backend"):
            continue
        who, what, reason = line.strip("|").split("|")
        assert reason.strip(), line
        named = set(re.findall(r"`(\w+)`", who))
        for name in BACKENDS:
            if who.strip() == "all" or (name in named) is not who.strip().startswith("all but"):
                found[name] |= set(levels_in(re.findall(r"`([^`]+)`", what)))
    return found


def levels_in(words):
    """Yield factors and their levels; a level that stands without its factor is one of the factor before it."""
    factor = ""
    for each in words:
        if each.partition(":")[0] in {one.name for one in FACTORS}:
            factor = each.partition(":")[0]
            yield each
        else:
            yield f"{factor}: {each}"


def test_every_level_that_is_refused_is_in_the_docs(backend):
    if os.geteuid():
        pytest.skip("needs root to ask what rests on the backend alone")
    refused = {
        f"{factor.name}: {level}"
        for factor in FACTORS
        for level in factor.levels
        if factor.name != "runtime" and backend.refusal(plan_of("true", host=host_of(backend, factor.name, level)))
    }
    known = documented()[backend.name]
    assert {each for each in refused if each not in known and each.partition(":")[0] not in known} == set()


def host_of(backend, factor, level):
    kernel = {"kernel": "6.1"} if backend.name == "qemu" else {}
    return {"runtime": backend.name, **kernel, factor: level}
