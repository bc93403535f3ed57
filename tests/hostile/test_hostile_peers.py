"""The table of what peers do with hostile inputs: complete, and right where a peer is asked again."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "conformance")]

from engines import DEBIAN_PATH
from hostile_layers import CASES
from hostile_runs import ATTACKS
from peers.layers import compare_layers
from peers.present import ALL, started
from peers.runs import compare_runs
from peers.table import render
from peers.verdicts import Done, Text, comparable_layers, comparable_runs, judge

TABLE = Path(__file__).parents[2] / "docs" / "reference" / "hostile-inputs.md"


def rows():
    """Return check or reason → the words of ours and of each peer."""
    lines = [line.strip("| ").split(" | ") for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in lines}


def test_table_has_a_row_for_every_check_and_reason_and_a_column_for_every_peer():
    checks = {ATTACKS[name].check for name in comparable_runs()}
    reasons = {str(CASES[name].reason) for name in comparable_layers()}
    assert rows().keys() == checks | reasons | {"check", "reason"}
    assert rows()["check"] == ["ours", "runc", "crun", "podman", "docker"]
    assert rows()["reason"] == ["ours", "umoci", "podman", "docker"]
    assert "left out" not in TABLE.read_text()


@pytest.mark.parametrize(
    ("done", "word"),
    [
        (None, "hangs"),
        (Done(exit_code=1, signal=None, stdout=Text(b""), stderr=Text(b"x"), is_refused=True), "refused"),
        (Done(exit_code=0, signal=None, stdout=Text(b"none\n"), stderr=Text(b""), is_refused=False), "contained"),
        (Done(exit_code=0, signal=None, stdout=Text(b"else\n"), stderr=Text(b""), is_refused=False), "accepted"),
    ],
)
def test_what_a_peer_did_is_named(done, word):
    assert judge(ATTACKS["preload_of_the_image"], done) == word


def test_row_counts_what_the_fixtures_of_a_check_came_to():
    names = [name for name, each in ATTACKS.items() if each.check == "init is opaque"]
    did = dict(zip(names, ("contained", "accepted", "accepted", "hangs"), strict=True))
    page = render({name: {"peer": word} for name, word in did.items()}, {"name_is_empty": {"other": "escapes"}}, {})
    assert "| init is opaque | contained | 2 accepted, 1 contained, 1 hangs |" in page
    assert "| name-empty | refused | escapes |" in page


@pytest.fixture(scope="module")
def peers():
    if os.getuid() or not shutil.which("busybox"):
        pytest.skip("only root starts peers")
    missing = [each for each in ALL if not shutil.which(each, path=DEBIAN_PATH)]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    with started() as found:
        assert found.idle == ()
        yield found


RUNS = sorted({ATTACKS[name].check for name in comparable_runs()})
LAYERS = sorted({str(CASES[name].reason) for name in comparable_layers()})


@pytest.mark.bar("7 peers", slice=4)
@pytest.mark.parametrize("check", RUNS)
def test_peer_does_with_a_check_what_the_table_says(check, peers):
    names = [name for name in comparable_runs() if ATTACKS[name].check == check]
    found = compare_runs(names, peers.runs)
    page = render(found, {}, {})
    assert f"| {check} | {' | '.join(rows()[check])} |" in page


@pytest.mark.bar("7 peers", slice=4)
@pytest.mark.parametrize("reason", LAYERS)
def test_peer_does_with_a_layer_what_the_table_says(reason, peers):
    names = [name for name in comparable_layers() if str(CASES[name].reason) == reason]
    found = compare_layers(names, peers.layers)
    page = render({}, found, {})
    assert f"| {reason} | {' | '.join(rows()[reason])} |" in page
