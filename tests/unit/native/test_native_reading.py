"""How a report of the kernel is read."""

import pytest

from runtime.backends.native.cgroups import Usage
from runtime.backends.native.collector import pattern_of
from runtime.backends.native.order import Report
from runtime.backends.native.reading import limit_of
from runtime.outcome import Limit

KILLED, EXIT_137, EXIT_1, SEGFAULT = 9, 137 << 8, 1 << 8, 11


@pytest.mark.parametrize(
    ("status", "deadline", "oom_kills", "flooded", "limit"),
    [
        (KILLED, False, 0, False, None),
        (KILLED, True, 0, False, Limit.DEADLINE),
        (KILLED, False, 1, False, Limit.OOM),
        (EXIT_137, False, 1, False, Limit.OOM),
        (EXIT_1, False, 1, False, None),
        (SEGFAULT, False, 1, False, None),
        (EXIT_137, False, 0, False, None),
        (KILLED, True, 1, True, Limit.OUTPUT),
        (EXIT_1, True, 0, True, None),
    ],
)
def test_limit_is_named_only_if_it_ended_the_program(status, deadline, oom_kills, flooded, limit):
    report = Report(status=status, deadline=deadline, usage=Usage(oom_kills=oom_kills))
    assert limit_of(report, flooded=flooded) is limit


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("out/*.json", "out/a.json", True),
        ("out/*.json", "out/x/a.json", False),
        ("**/*.json", "a.json", True),
        ("**/*.json", "x/y/a.json", True),
        ("out/**", "out/x/y", True),
        ("a?.txt", "ab.txt", True),
        ("a?.txt", "a/.txt", False),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("a.b", "axb", False),
        ("[", "[", True),
    ],
)
def test_pattern_of_glob_matches_whole_paths(glob, path, matches):
    assert bool(pattern_of(glob).fullmatch(path)) is matches
