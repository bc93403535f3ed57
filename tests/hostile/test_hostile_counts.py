"""How many hostile fixtures there are, over how many checks: only a check that has a mutant counts."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from runtime.oci.refusal import Refusal

sys.path.append(str(Path(__file__).parent))

from hostile_documents import DOCUMENTS, SHAPES
from hostile_layers import CASES
from hostile_runs import ATTACKS, MAPPED_CHECK, UNTOLD
from test_hostile_mutants import MUTANTS

FEWEST_FIXTURES, FEWEST_CHECKS = 120, 40


def checks_of_fixtures():
    """Return fixture → its check: the reason of a refusal, or what contains an attack."""
    refused = {name: str(each.reason) for name, each in {**CASES, **DOCUMENTS}.items()}
    return {**refused, **{name: each.check for name, each in ATTACKS.items()}}


def checks_with_a_mutant():
    """Return the checks under whose mutant one of their fixtures is shown to be neither refused nor contained."""
    return {str(each) for each in MUTANTS} | {each.check for each in ATTACKS.values() if each.mutant}


@pytest.mark.bar("7 hostile")
def test_fixtures_and_checks_are_as_many_as_demanded(capsys):
    checks = checks_of_fixtures()
    counted = [name for name, each in checks.items() if each in checks_with_a_mutant()]
    counted_checks = {checks[name] for name in counted}
    with capsys.disabled():
        print(f"\n{len(checks)} hostile fixtures over {len(set(checks.values()))} checks;", end=" ")
        print(f"counted are {len(counted)} over the {len(counted_checks)} checks that have a mutant")
    assert len(counted) >= FEWEST_FIXTURES
    assert len(counted_checks) >= FEWEST_CHECKS
    told = {MAPPED_CHECK} if os.getuid() else set()
    assert set(checks.values()) - counted_checks == UNTOLD.keys() | told


def test_reasons_and_checks_have_names_of_their_own():
    """A reason of a layer and a check of a run would be counted as one if they had the same name."""
    assert not {str(each) for each in Refusal} & {each.check for each in ATTACKS.values()}
    assert len(checks_of_fixtures()) == len(CASES) + len(DOCUMENTS) + len(ATTACKS)


def test_hostile_documents_are_all_different():
    assert Counter(map(repr, SHAPES)).most_common(1)[0][1] == 1
    assert len(SHAPES) == len(DOCUMENTS) - 1  # but for the index that is opened as an image
