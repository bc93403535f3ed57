"""Filters that bundles bring along, beside libseccomp's for the same rules: podman's own profile, and random rules."""

import itertools
import json
import random
from pathlib import Path

import pytest
from filters import ALLOW, ERRNO, HALF, KILL_PROCESS, ONES, TOKENS, Comparison, Library, decide, library, lines_of

from runtime.backends.native.bundle.calls import compile_bundle_filter
from runtime.backends.native.seccomp import read_numbers

PROFILE = Path("/usr/share/containers/seccomp.json")
NUMBERS = read_numbers()
MACHINES = sorted(TOKENS)
OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")  # seccomp.h: enum scmp_compare, from 1
ACTIONS = {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_KILL_PROCESS": KILL_PROCESS, "SCMP_ACT_LOG": 0x7FFC0000}
EDGES = (0, 1, 2, 8, HALF - 1, HALF, HALF + 1, 1 << 32 | 5, 5, 2 << 32, HALF << 32, ONES - 1, ONES)


def as_podman_writes_it(profile, architectures):
    """Return the rules that podman's profile gives to a bundle without any capability."""
    rules = []
    for rule in profile["syscalls"]:
        includes = rule.get("includes") or {}
        arches = includes.get("arches")
        if not includes.get("caps") and (not arches or set(arches) & architectures):
            kept = {key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key)}
            rules.append(kept | ({"errnoRet": rule["errnoRet"]} if rule.get("errnoRet") is not None else {}))
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "syscalls": rules,
    }


def action_of(rule, key="action", number="errnoRet"):
    return ERRNO | rule.get(number, 1) if rule[key] == "SCMP_ACT_ERRNO" else ACTIONS[rule[key]]


def by_libseccomp(seccomp, machine):
    default = action_of(seccomp, "defaultAction", "defaultErrnoRet")
    found = Library(machine, library(), default)
    for rule in seccomp["syscalls"]:
        comparisons = [
            Comparison(
                each["index"],
                1 + OPERATORS.index(each["op"].removeprefix("SCMP_CMP_")),
                each["value"],
                each.get("valueTwo", 0),
            )
            for each in rule.get("args") or ()
        ]
        for name in rule["names"]:
            if name in NUMBERS[machine] and action_of(rule) != default:
                found.rule(name, action_of(rule), *comparisons)
    return lines_of(found.export()), {NUMBERS[machine][name] for name in found.unnamed}


@pytest.fixture(autouse=True)
def _needs_libseccomp():
    if library() is None:
        pytest.skip("libseccomp2 is not installed")


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.skipif(not PROFILE.exists(), reason="golang-github-containers-common is not installed")
def test_podmans_own_profile_is_compiled_as_libseccomp_does(machine):
    architectures = {{"x86_64": "amd64", "aarch64": "arm64"}[machine]}
    seccomp = as_podman_writes_it(json.loads(PROFILE.read_text()), architectures)
    ours = lines_of(compile_bundle_filter(seccomp, machine))
    theirs, unnamed = by_libseccomp(seccomp, machine)
    asked = 0
    for number in (*range(1024), *(0x40000000 + each for each in range(1024)), HALF - 1, HALF):
        if number in unnamed:
            continue
        for words in itertools.product((0, 16, 9, 8, 131080, HALF, ONES), (0,), (0, 9, 9 | 1 << 32)):
            asked += 1
            arguments = (*words, 0, 0, 0)
            question = (TOKENS[machine], number, arguments)
            assert decide(ours, *question) == decide(theirs, *question), question
    print(f"{machine}: {asked} questions, {len(seccomp['syscalls'])} rules")


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_comparison_is_compiled_as_libseccomp_does(operator):
    for value, second in itertools.product(EDGES, EDGES if operator == "MASKED_EQ" else (0,)):
        argument = {"index": 2, "value": value, "valueTwo": second & value, "op": f"SCMP_CMP_{operator}"}
        seccomp = {
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [argument]}],
        }
        ours = lines_of(compile_bundle_filter(seccomp, "x86_64"))
        theirs, _ = by_libseccomp(seccomp, "x86_64")
        near = {(each + step) & ONES for each in (*EDGES, value, second) for step in (-1, 0, 1)}
        for word in near:
            question = (TOKENS["x86_64"], 0, (0, 0, word, 0, 0, 0))
            assert decide(ours, *question) == decide(theirs, *question), (argument, word)


def test_rules_of_several_arguments_are_compiled_as_they_read():
    """Random rules, judged by what they say: libseccomp merges rules of several arguments in ways of its own."""
    chance = random.Random(5)
    says = {
        "NE": lambda word, value, _: word != value,
        "LT": lambda word, value, _: word < value,
        "LE": lambda word, value, _: word <= value,
        "EQ": lambda word, value, _: word == value,
        "GE": lambda word, value, _: word >= value,
        "GT": lambda word, value, _: word > value,
        "MASKED_EQ": lambda word, value, second: word & value == second,
    }
    for _ in range(300):
        rules = []
        for _ in range(chance.randint(1, 3)):
            arguments = []
            for index in chance.sample(range(6), chance.randint(1, 3)):
                value = chance.choice(EDGES)
                second = chance.choice(EDGES) & value
                arguments.append(
                    {"index": index, "value": value, "valueTwo": second, "op": f"SCMP_CMP_{chance.choice(OPERATORS)}"}
                )
            rules.append({"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": arguments})
        ours = lines_of(compile_bundle_filter({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}, "x86_64"))
        for _ in range(60):
            words = [chance.choice(EDGES) for _ in range(6)]
            holds = any(
                all(
                    says[each["op"].removeprefix("SCMP_CMP_")](words[each["index"]], each["value"], each["valueTwo"])
                    for each in rule["args"]
                )
                for rule in rules
            )
            assert decide(ours, TOKENS["x86_64"], 0, words) == (ALLOW if holds else ERRNO | 1), (rules, words)
