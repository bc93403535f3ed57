"""The table of what peers do with hostile inputs: complete, and right where a peer is asked again."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from hostile_layers import CASES
from hostile_runs import ATTACKS
from peers import TABLE, Done, Text, comparable_layers, comparable_runs, compare_layers, compare_runs, judge


def rows():
    lines = [line.strip("| ").split(" | ") for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in lines}


def test_table_has_a_row_for_every_check_and_reason():
    checks = {ATTACKS[name].check for name in comparable_runs()}
    reasons = {str(CASES[name].reason) for name in comparable_layers()}
    assert rows().keys() == checks | reasons | {"check", "reason"}


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


def test_runc_does_what_the_table_says():
    if os.getuid() or not shutil.which("runc") or not shutil.which("busybox"):
        pytest.skip("only root starts peers")
    told = dict(zip(rows()["check"], rows()["no device is made"], strict=True))
    assert compare_runs(["disk_is_made"], ["runc"])["disk_is_made"]["runc"] == told["runc"]


def test_umoci_does_what_the_table_says():
    if os.getuid() or not shutil.which("umoci"):
        pytest.skip("only root starts peers")
    assert compare_layers(["name_is_empty"])["name_is_empty"] in rows()[str(CASES["name_is_empty"].reason)][-1]
