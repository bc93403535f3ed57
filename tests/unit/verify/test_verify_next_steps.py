"""What a failing reference misses, and which entries of the spec would bring it."""

import threading

import pytest
from simulated_app import PLAN, SimulatedApp, fails, fails_where, inquiry_of, passes

from pipeline.verify.environment import verify_environment
from runtime.data import replace
from runtime.host import Host

REFERENCE = Host(name="reference", factors={})
UMASK = Host(name="umask-0077", factors={"umask": "0077"})
NEARBY = {
    "/app/README.md": "../README.md",
    "/app/data": "../data",
    "/app/tools": "../tools",
    "/app/lib/spare.py": "../lib/spare.py",
}


def saying(*messages):
    """Return a change of what a run shows: its failing tests say so, one after the other."""

    def change(observation, _):
        texts = iter(messages)
        tests = {
            name: replace(each, message=next(texts, "")) if each.message else each
            for name, each in observation.report.tests.items()
        }
        return replace(observation, report=replace(observation.report, tests=tests))

    return change


def hints(tests, *messages, **options):
    plan = replace(PLAN, environment={**PLAN.environment, "PYTHONPATH": "/app/lib"})
    inquiry = inquiry_of(UMASK, plan=plan, nearby=NEARBY, **options)
    app = SimulatedApp({f"t.py::test_{name}": each for name, each in tests.items()}, change=saying(*messages))
    found = verify_environment(inquiry, runner=app, check=lambda _: None, clock=lambda: 0, stop=threading.Event())
    return [each.hint for each in found.hosts]


@pytest.mark.parametrize(
    ("message", "entry"),
    [
        ("[Errno 2] No such file or directory: '/app/README.md'", "{from: ../README.md, to: /app/README.md}"),
        ("[Errno 2] No such file or directory: 'data/one/two.json'", "{from: ../data, to: /app/data}"),
        ("[Errno 2] No such file or directory: b'/app/data/../data'", "{from: ../data, to: /app/data}"),
        ("No module named 'tools.release'", "{from: ../tools, to: /app/tools}"),
        ("No module named 'spare'", "{from: ../lib/spare.py, to: /app/lib/spare.py}"),
    ],
)
def test_what_tests_of_the_reference_miss_and_the_project_has_is_told_as_an_entry(message, entry):
    reference, umask = hints({"a": fails, "b": passes}, message)
    assert f"add `- {entry}` to suite.files, then `seatrial lock envs/web.yaml`" in reference
    assert umask == ""


@pytest.mark.parametrize(
    "message",
    [
        "[Errno 2] No such file or directory: '/app/README'",
        "[Errno 2] No such file or directory: '/README.md'",
        "No module named 'flask'",
        "AssertionError: README.md",
    ],
)
def test_what_the_project_does_not_have_there_is_not_told(message):
    assert not any("suite.files" in each for each in hints({"a": fails, "b": passes}, message))


def test_many_are_told_once_each_and_cut():
    tests = dict.fromkeys("abcde", fails)
    paths = ("/app/data/x", "/app/data/y", "/app/README.md")
    messages = [f"No such file or directory: '{each}'" for each in paths]
    reference, _ = hints(tests, *messages, "No module named 'tools'", "No module named 'spare'")
    assert reference.count("from: ") == 3
    assert "{from: ../tools, to: /app/tools}` and 1 more to suite.files" in reference


def test_what_a_host_alone_misses_is_its_own():
    tests = {"a": fails_where(umask="0077"), "b": passes}
    assert hints(tests, "No such file or directory: '/app/README.md'") == ["", ""]
