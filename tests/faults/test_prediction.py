"""The guilty factor is among the first that a traced run of the reference makes likely, for most of the seeded apps.

Each case writes what it saw into a record, and the last test judges the share over all of them, and prints what the
search for a cause takes with a prediction and without, for some of them.
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
from variants import make  # noqa: E402

NAMES = [name for name in faults() if read(HERE / name).causes]
SEARCHED = NAMES[::4]
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
def test_place_of_the_guilty_factor_is_told(name, store, record, tmp_path, capsys):
    with prepared(name, 0, store, tmp_path / "app") as variant:
        ranked = rank(variant)
    with capsys.disabled():
        print(f"\n{name}: {', '.join(ranked.causes)}: place {ranked.traced} by the trace, {ranked.both} by both")
    _write(record, name, rank=asdict(ranked))


@pytest.mark.bar("prediction searches", slice=1)
@pytest.mark.parametrize("name", SEARCHED)
def test_cause_is_found_as_well_with_a_prediction(name, store, record, tmp_path, capsys):
    variant = make(read(HERE / name), 0, tmp_path / "app")
    (predicted,), (bare,) = in_turns(variant, 1, store)
    with capsys.disabled():
        print(f"\n{name}: {predicted.runs} runs with a prediction, {bare.runs} without")
    assert predicted.is_exact or not bare.is_exact, (predicted, bare)  # what cannot run here has no cause to find
    _write(record, name, predicted=asdict(predicted), bare=asdict(bare))


@pytest.mark.bar("prediction")
def test_guilty_factor_is_among_the_first_for_most_apps(record, pytestconfig, capsys):
    lines = record.read_text().splitlines() if record.exists() else []
    ranked: dict[str, dict] = {}
    searched: dict[str, dict] = {}
    for case in map(json.loads, lines):  # of a case that ran again, the last counts
        (ranked if "rank" in case else searched)[case["name"]] = case
    if pytestconfig.getoption("--resume"):
        assert ranked.keys() >= set(NAMES)
        assert searched.keys() >= set(SEARCHED)
    if not ranked:
        pytest.skip("no fault was ranked before")
    ranks = [Rank(**each["rank"]) for each in ranked.values()]
    searches = [[Search(**each[way]) for each in searched.values()] for way in ("predicted", "bare")]
    with capsys.disabled():
        print("", *figures(ranks, (searches[0], searches[1])), sep="\n")
    late = {each.name: (each.causes, each.traced) for each in ranks if each.traced > FIRST}
    assert len(late) <= (1 - SHARE) * len(ranks), late


def _write(record, name, **what):
    with record.open("a") as file:
        file.write(f"{json.dumps({'name': name, **what})}\n")
