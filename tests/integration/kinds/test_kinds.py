"""Each kind of difference is reported as what it is: on the terminal, as Markdown, JSON, JUnit, SARIF and CTRF.

The apps are in ``apps``, their suites in ``suite``, and each has a spec in this folder; ``sheet`` has several kinds.
"""

import json
import shlex
import sys

import jsonschema
import pytest
from junitparser import Failure, JUnitXml

from pipeline.declare.schema import SPECS

pytestmark = [pytest.mark.network, pytest.mark.bar("10 kinds")]

if sys.platform != "linux":
    pytest.skip("runs need Linux", allow_module_level=True)


def unwrapped(text):
    """Return the words of a text in one line."""
    return " ".join(text.split())


def is_caused(difference, **factors):
    """Tell whether reruns named these factors, every time and never on the reference."""
    cause = difference["cause"]
    always = cause["with"]["failed"] == cause["with"]["of"] >= 5
    never = cause["without"]["failed"] == 0
    named = {name.replace("_", "-"): level for name, level in factors.items()}
    return (cause["state"], cause["factors"], always, never) == ("CAUSED", named, True, True)


def told(app, *sentences):
    """Tell which sentences the terminal or the summary leaves out."""
    texts = [unwrapped(app.terminal), unwrapped(app.markdown.replace("`", ""))]
    return [(sentence, at) for sentence in sentences for at, text in enumerate(texts) if sentence not in text]


def failures(app, host):
    """Return name → message of what JUnit calls a failure on a host."""
    (suite,) = [each for each in JUnitXml.fromstring(app.junit.encode()) if each.name.endswith(f" on {host}")]
    return {each.name: found.message for each in suite for found in each.result if isinstance(found, Failure)}


def test_difference_by_two_factors_names_both_and_what_removing_either_does(verified):
    app = verified("spool")
    name = "test_spool.py::test_others_may_read_the_spool"
    assert {host: each["state"] for host, each in app.hosts.items()} == {
        "reference": "REFERENCE",
        "strict-pod": "DIFFERENT",
        "umask-0077": "SAME",
        "no-shm": "SAME",
    }
    ((key, found),) = app.differences("strict-pod").items()
    assert key == ("test", name, "passed", "failed")
    assert is_caused(found, shm="none", umask="0077")
    assert found["cause"]["cleared"] == ["cpus", "timezone"]
    assert {factor: each["failed"] for factor, each in found["cause"]["removed"].items()} == {"shm": 0, "umask": 0}
    assert (
        told(
            app,
            "passed on the reference, failed on strict-pod",
            "aused by shm=none and umask=0077",
            "with shm as on the reference and 0 of",
            "spool behaves differently where shm is none and umask is 0077",
        )
        == []
    )
    assert found["reproduce"].startswith("seatrial run spool.yaml --set shm=none --set umask=0077 -- ")
    assert app.reproduces(found) == (1, {0})


@pytest.mark.slow
def test_suite_that_hangs_on_one_host_is_the_test_that_did_not_end(verified):
    app = verified("pool")
    name = "test_pool.py::test_squares"
    assert app.hosts["umask-0077"]["state"] == "SAME"
    for host in ("one-cpu", "narrow-pod"):
        found = app.differences(host)
        assert set(found) == {("exit", "exit", "exit 0", "limit deadline"), ("test", name, "passed", "missing")}
        hung = found["test", name, "passed", "missing"]
        assert hung["cut"] is True
        assert hung["message"].endswith("while this test was running; 1 test after it was not reached")
        assert all(is_caused(each, cpus="1") for each in found.values())
        assert f"while {name} was running" in found["exit", "exit", "exit 0", "limit deadline"]["message"]
        assert failures(app, host)[name] == f"passed on the reference, did not end on {host}"
    assert app.hosts["narrow-pod"]["differences"][0]["cause"]["cleared"] == ["timezone", "umask"]
    assert (
        told(
            app,
            "was exit 0 on the reference, limit deadline on one-cpu and narrow-pod",
            "passed on the reference, did not end on one-cpu and narrow-pod",
            "t does not end 8 of 8 times with cpus=1, 0 of 8 without",
        )
        == []
    )
    for each in found.values():
        assert app.reproduces(each) == (124, {0})


@pytest.mark.parametrize("host", ["one-cpu", "narrow-pod"])
def test_test_that_disappears_on_a_host_is_missing_there(verified, host):
    app = verified("sheet")
    found = app.differences(host)["test", "test_sheet.py::test_each_cpu[1]", "passed", "missing"]
    assert (found["message"], found["cut"]) == ("this host collects no such test", False)
    assert is_caused(found, cpus="1")
    assert told(app, "passed on the reference, was missing on one-cpu and narrow-pod") == []
    assert app.reproduces(found) == (4, {0})  # pytest: no such test


def test_test_that_appears_on_a_host_is_missing_on_the_reference(verified):
    app = verified("sheet")
    found = app.differences("one-cpu")["test", "test_sheet.py::test_in_turn", "missing", "passed"]
    assert found["message"] == "the reference collects no such test"
    assert is_caused(found, cpus="1")
    assert told(app, "was missing on the reference, passed on one-cpu and narrow-pod") == []
    assert app.reproduces(found) == (0, {4})


def test_test_that_is_skipped_on_a_host_is_a_difference_with_its_reason(verified):
    app = verified("sheet")
    found = app.differences("one-cpu")["test", "test_sheet.py::test_together", "passed", "skipped"]
    assert found["message"] == "skipped: needs two CPUs"
    assert is_caused(found, cpus="1")
    assert told(app, "passed on the reference, was skipped on one-cpu and narrow-pod", "skipped: needs two CPUs") == []
    assert failures(app, "one-cpu")[found["id"]] == "passed on the reference, was skipped on one-cpu"
    assert "1 skipped" in app.shell(found["reproduce"]).stdout
    assert "1 passed" in app.shell(found["reproduce"].replace(" --set cpus=1", "")).stdout


def test_test_that_only_a_host_runs_is_a_difference_too(verified):
    app = verified("sheet")
    found = app.differences("one-cpu")["test", "test_sheet.py::test_alone", "skipped", "passed"]
    assert found["message"] == "skipped: for one CPU only"
    assert is_caused(found, cpus="1")
    assert told(app, "was skipped on the reference, passed on one-cpu and narrow-pod") == []


def test_changed_text_artifact_is_shown_by_its_lines_and_no_other_one_is_told_of(verified):
    app = verified("report")
    assert app.hosts["umask-0077"]["state"] == "SAME"  # for all that `out/made` is another one in each run
    found = {id_: each for (kind, id_, *_), each in app.differences("abroad").items() if kind == "artifact"}
    assert set(found) == {"out/orders.json", "out/orders.bin"}
    old, new = ' "last": "14 November 2023, 22:13",', ' "last": "15 November 2023, 03:43",'
    assert found["out/orders.json"]["message"] == f"- {old}\n+ {new}"
    assert found["out/orders.bin"]["message"] == ""
    assert found["out/orders.bin"]["reference"].startswith("sha256:")
    assert all(is_caused(each, timezone="Asia/Kolkata") for each in found.values())
    assert told(app, "has other content on timezone-kolkata and abroad (+)", unwrapped(f"+ {new}")) == []
    assert "artifact out/orders.json" in app.terminal
    for each in found.values():
        assert app.reproduces(each) == (1, {0})
    said = app.shell(found["out/orders.json"]["reproduce"]).stderr
    assert "seatrial: artifact out/orders.json is sha256:" in said
    assert new in said


def test_report_is_what_its_schema_says_and_names_the_cause_for_other_programs(verified):
    app = verified("report")
    jsonschema.Draft7Validator(json.loads((SPECS / "verdict.schema.json").read_text())).validate(app.document)
    (log,) = json.loads(app.shell("seatrial report --format sarif").stdout)["runs"]
    found = {each["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]: each for each in log["results"]}
    assert found["artifact out/orders.json"]["ruleId"] == "timezone"
    assert found["artifact out/orders.json"]["properties"]["hosts"] == ["timezone-kolkata", "abroad"]
    cases = json.loads(app.shell("seatrial report --format ctrf").stdout)["results"]["tests"]
    failed = {(each["suite"][1], each["name"]) for each in cases if each["status"] == "failed"}
    assert {("timezone-kolkata", "artifact out/orders.json"), ("abroad", "artifact out/orders.json")} <= failed


def test_changed_line_of_stdout_is_shown_without_what_varies_anyway(verified):
    app = verified("report")
    found = app.differences("timezone-kolkata")
    ((key, output),) = [each for each in found.items() if each[0][0] == "output"]
    assert key[1] == "stdout"
    assert output["message"] == "- last order: 14 November 2023, 22:13\n+ last order: 15 November 2023, 03:43"
    assert is_caused(output, timezone="Asia/Kolkata")
    assert told(app, output["message"].replace("\n", " "), "has other content on timezone-kolkata and abroad (+)") == []
    assert "03:43" in app.shell(output["reproduce"]).stdout


def test_slower_shutdown_of_a_service_is_a_note_and_no_difference(verified):
    app = verified("sink")
    assert (app.exit_code, app.hosts["one-cpu"]["state"], app.hosts["umask-0077"]["notes"]) == (0, "SAME", [])
    (note,) = app.hosts["one-cpu"]["notes"]
    assert note["kind"] == "shutdown"
    assert note["text"].startswith("service sink took 2.")
    assert " s to end after SIGTERM, 0." in note["text"]
    assert told(app, note["text"]) == []
    assert f'name="note.shutdown" value="{note["text"]}"' in app.junit


@pytest.mark.slow
def test_shutdown_that_is_behavior_differs_where_sigterm_is_not_heeded(verified):
    app = verified("saver")
    assert app.hosts["umask-0077"]["state"] == "SAME"
    ((key, found),) = app.differences("no-shm").items()
    assert key[:2] == ("artifact", "(shutdown)")
    heeds, not_ = (f"process python3 is left behind and {how} SIGTERM" for how in ("heeds", "does not heed"))
    assert found["message"] == f"- {heeds}\n+ {not_}"
    assert is_caused(found, shm="none")
    assert told(app, "is another on no-shm (+) than on the reference (-)", f"+ {not_}") == []
    assert app.reproduces(found) == (1, {0})
    assert not_ in app.shell(found["reproduce"]).stderr
    assert shlex.split(found["reproduce"])[5:7] == ["--expect", f"(shutdown)={found['reference']}"]
