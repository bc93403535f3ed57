"""The Common Test Report Format by its specification 0.0.0, as far as Seatrial writes it."""

import json
import time
from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from strange_reports import HIDDEN, flaky_ones, strings, texts

from pipeline.report import ctrf, junit
from pipeline.verify.verdict import VerdictWord

VERSION = "1.2.3"

STATUSES = ("passed", "failed", "skipped", "pending", "other")

TEST = {
    "id": str,
    "name": str,
    "status": str,
    "duration": int,
    "suite": list,
    "message": str,
    "trace": str,
    "rawStatus": str,
    "filePath": str,
    "line": int,
    "flaky": bool,
    "extra": dict,
}
"""The properties of a test that are written, and their types; the format lets in no name of another's."""

SUMMARY = {"tests", *STATUSES, "flaky", "suites", "start", "stop", "duration"}


def document(verification, version=VERSION):
    return json.loads(ctrf.render(verification, version))


def check(written):
    """Hold a document against the format."""
    assert set(written) == {"reportFormat", "specVersion", "generatedBy", "results"}
    assert (written["reportFormat"], written["specVersion"]) == ("CTRF", "0.0.0")
    results = written["results"]
    assert set(results) == {"tool", "summary", "tests", "environment", "extra"}
    assert set(results["tool"]) <= {"name", "version"}
    assert results["tool"]["name"]
    for test in results["tests"]:
        assert {"name", "status", "duration"} <= set(test)
        assert all(type(value) is TEST[name] for name, value in test.items())
        assert test["status"] in STATUSES
        assert test["name"]
        assert test["suite"]
        assert str(UUID(test["id"])) == test["id"]
    summary = results["summary"]
    assert set(summary) == SUMMARY
    counted = Counter(test["status"] for test in results["tests"])
    assert {name: summary[name] for name in STATUSES} == {name: counted[name] for name in STATUSES}
    assert summary["tests"] == len(results["tests"])
    assert summary["flaky"] == sum(test.get("flaky", False) for test in results["tests"])
    assert summary["stop"] - summary["start"] == summary["duration"]
    return results


def named(results, name):
    (found,) = (each for each in results["tests"] if each["name"] == name)
    return found


@pytest.mark.parametrize("name", ["failed", "green", "everything", "kinds"])
def test_ctrf_matches_golden(samples, golden, name):
    golden(f"{name}.ctrf.json", json.dumps(document(samples[name]), indent=1) + "\n")


def test_ctrf_keeps_to_the_format(sample):
    results = check(document(sample))
    assert results["environment"]["healthy"] is (sample.verdict is VerdictWord.PASSED)
    assert results["summary"]["suites"] == sum(len(each.hosts) for each in sample.environments)
    assert len({each["id"] for each in results["tests"]}) == len(results["tests"])


def test_ctrf_says_of_each_case_what_junit_says(sample):
    summary = document(sample)["results"]["summary"]
    suites = junit.JUnitXml.fromstring(junit.render(sample).encode())
    assert summary["tests"] == suites.tests
    assert (summary["failed"], summary["other"], summary["skipped"]) == (suites.failures, suites.errors, suites.skipped)


def test_ctrf_tells_what_differs_where_why_and_how_to_see_it_again(samples):
    found = named(document(samples["failed"])["results"], "tests/test_store.py::test_group_can_read")
    assert (found["status"], found["rawStatus"], found["suite"]) == ("failed", "DIFFERENT", ["uploads", "hardened"])
    assert (found["filePath"], found["line"]) == ("tests/test_store.py", 41)
    assert found["trace"].startswith("AssertionError: a file made for the group")
    for said in ("failed on hardened", "8 of 8 times with umask=0077", "\nReproduce: seatrial run envs/uploads.yaml"):
        assert said in found["message"]
    assert found["extra"]["cause"]["factors"] == {"umask": "0077"}


@pytest.mark.parametrize(("verdict", "status"), [(VerdictWord.FAILED, "failed"), (VerdictWord.PASSED, "passed")])
def test_ctrf_of_a_flaky_test_passes_unless_the_spec_lets_it_fail(samples, verdict, status):
    environment = samples["failed"].environments[0]
    hosts = (environment.hosts[0], replace(environment.hosts[2], verdict=verdict))
    results = check(document(replace(samples["failed"], environments=(replace(environment, hosts=hosts),))))
    found = named(results, "tests/test_queue.py::test_drain_is_ordered")
    assert (found["status"], found["flaky"]) == (status, True)
    assert "3 of 20 times here, 2 of 20 times on the reference" in found["message"]


def test_ctrf_id_of_a_test_stays_while_its_host_does(samples):
    environment = samples["failed"].environments[0]
    host = environment.hosts[1]
    other = replace(host.findings[0], difference=replace(host.findings[0].difference, message="other", line=7))

    def ids(host):
        hosts = (environment.hosts[0], host)
        found = document(replace(samples["failed"], environments=(replace(environment, hosts=hosts),)))
        return [each["id"] for each in found["results"]["tests"]]

    assert ids(host) == ids(replace(host, findings=(other,), duration=1))
    assert not set(ids(host)[1:]) & set(ids(replace(host, name="other"))[1:])


def test_ctrf_of_a_tree_that_is_not_installed_names_no_version(samples):
    written = document(samples["green"], "")
    assert "version" not in written["results"]["tool"]
    assert written["generatedBy"] == "Seatrial"


@settings(max_examples=100, deadline=None)
@given(text=texts())
def test_ctrf_of_hostile_texts_is_whole(strange, text):
    written = ctrf.render(strange(text), VERSION)
    assert written.isascii()
    assert not any(HIDDEN.search(each) for each in strings(json.loads(written)))
    check(json.loads(written))


def test_ctrf_of_many_flaky_tests_takes_no_square_of_their_number(samples):
    many = flaky_ones(samples["failed"], tests=2000, hosts=5)
    began = time.process_time()
    assert document(many)["results"]["summary"]["flaky"] == 10_000
    assert time.process_time() - began < 4
