"""The guilty factor is among the first that a traced run of the reference makes likely, for most of the seeded apps.

Each case writes what it saw into a record, and the last test judges the share over all of them, and prints what the
search for a cause takes with a prediction and without.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parents[1] / "bench")]

from fault import faults, read  # noqa: E402
from prediction import FIRST, Rank, Search, figures, in_turns, prepared, rank  # noqa: E402

NAMES = [name for name in faults() if read(HERE / name).causes]
SHARE = 0.8

pytestmark = pytest.mark.network


@pytest.fixture(scope="session")
def record(pytestconfig, tmp_path_factory):
    """Where cases write what they saw: beside the names of those that passed, where a run is resumed."""
    resumed = pytestconfig.pluginmanager.get_plugin("resumed")
    found = resumed.record.with_suffix(".prediction.jsonl") if resumed else None
    return found or tmp_path_factory.getbasetemp() / "prediction.jsonl"


@pytest.mark.bar("prediction", slice=3)
@pytest.mark.parametrize("name", NAMES)
def test_cause_is_found_as_well_with_a_prediction(name, store, record, tmp_path, capsys):
    with prepared(name, 0, store, tmp_path / "app") as variant:
        ranked = rank(variant)
        predicted, bare = in_turns(variant.variant, 1, store)
    with capsys.disabled():
        print(f"\n{name}: {', '.join(ranked.causes)}: place {ranked.traced} by the trace, {ranked.both} by both")
    # What cannot run here has no cause to find.
    assert predicted[0].is_exact or not bare[0].is_exact, (predicted, bare)
    case = {"rank": asdict(ranked), "predicted": asdict(predicted[0]), "bare": asdict(bare[0])}
    with record.open("a") as file:
        file.write(f"{json.dumps(case)}\n")


@pytest.mark.bar("prediction")
def test_guilty_factor_is_among_the_first_for_most_apps(record, pytestconfig, capsys):
    lines = record.read_text().splitlines() if record.exists() else []
    cases = {case["rank"]["name"]: case for case in map(json.loads, lines)}  # of a case that ran again, the last
    if pytestconfig.getoption("--resume"):
        assert cases.keys() >= set(NAMES)
    if not cases:
        pytest.skip("no fault was ranked before")
    ranks = [Rank(**each["rank"]) for each in cases.values()]
    searches = [[Search(**each[way]) for each in cases.values()] for way in ("predicted", "bare")]
    with capsys.disabled():
        print("", *figures(ranks, (searches[0], searches[1])), sep="\n")
    late = {each.name: (each.causes, each.traced) for each in ranks if each.traced > FIRST}
    assert len(late) <= (1 - SHARE) * len(ranks), late
