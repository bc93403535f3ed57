"""SARIF 2.1.0 by its clauses, as far as Seatrial writes it, and what GitHub makes of it."""

import json
import re
import time
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from strange_reports import HIDDEN, flaky_ones, strings, texts

from pipeline.report import sarif
from pipeline.report.groups import Reading, reading
from pipeline.verify.verdict import VerdictWord

VERSION = "1.2.3"

PROPERTIES = {
    "sarifLog": ("3.13", "$schema version runs"),
    "run": ("3.14", "tool originalUriBaseIds invocations results properties"),
    "toolComponent": ("3.19", "name version rules"),
    "reportingDescriptor": ("3.49", "id shortDescription fullDescription help defaultConfiguration properties"),
    "invocation": ("3.20", "executionSuccessful toolExecutionNotifications"),
    "notification": ("3.58", "level message"),
    "result": (
        "3.27",
        "ruleId ruleIndex level message locations partialFingerprints suppressions properties",
    ),
    "location": ("3.28", "physicalLocation logicalLocations"),
    "physicalLocation": ("3.29", "artifactLocation region"),
    "artifactLocation": ("3.4", "uri uriBaseId description"),
}
"""Object → its clause, and those of its properties that are written; the format lets no other name in."""


def document(verification, version=VERSION):
    return json.loads(sarif.render(verification, version))


def results(verification):
    return document(verification)["runs"][0]["results"]


def fingerprints(verification):
    return {each["partialFingerprints"]["primaryLocationLineHash"] for each in results(verification)}


def has_only(kind, value):
    clause, names = PROPERTIES[kind]
    assert set(value) <= set(names.split()), f"{kind} of clause {clause}"
    return value


def check_message(message):
    """Clauses 3.11.5 and 3.11.6: a brace is doubled, and what stands in brackets before a parenthesis is no link."""
    assert set(message) == {"text"}
    assert message["text"].strip()
    assert not re.search(r"[{}]", re.sub(r"\{\{|\}\}", "", message["text"]))
    assert not re.search(r"(?<!\\)\[[^\[\]]*\]\(", message["text"])


def check_location(location, roots):
    """Clauses 3.28 to 3.30 and 3.4; GitHub refuses a file with a result that has no URI."""
    has_only("location", location)
    physical = has_only("physicalLocation", location["physicalLocation"])
    artifact = has_only("artifactLocation", physical["artifactLocation"])
    assert re.fullmatch(r"([A-Za-z0-9._~/-]|%[0-9A-F]{2})+", artifact["uri"].removeprefix("file://"))
    assert urlsplit(artifact["uri"]).scheme in {"", "file"}
    assert artifact.get("uriBaseId") in roots or artifact["uri"].startswith("file:///")
    assert physical.get("region", {"startLine": 1})["startLine"] >= 1
    assert all(set(each) == {"fullyQualifiedName"} for each in location.get("logicalLocations", []))


def check(log):
    """Hold a document against the clauses."""
    has_only("sarifLog", log)
    assert log["version"] == "2.1.0"  # 3.13.2
    (run,) = log["runs"]
    has_only("run", run)
    rules = has_only("toolComponent", run["tool"]["driver"])["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)  # 3.19.23: no two are the same
    for rule in rules:
        has_only("reportingDescriptor", rule)
        for name in ("shortDescription", "fullDescription", "help"):
            check_message(rule[name])
    for invocation in run["invocations"]:
        assert isinstance(has_only("invocation", invocation)["executionSuccessful"], bool)  # 3.20.14
        for each in invocation["toolExecutionNotifications"]:
            assert has_only("notification", each)["level"] in {"none", "note", "warning", "error"}  # 3.58.6
            check_message(each["message"])
    for result in run["results"]:
        has_only("result", result)
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]  # 3.27.6
        assert result["level"] in {"note", "warning", "error"}  # 3.27.10
        check_message(result["message"])
        for location in result["locations"]:
            check_location(location, run["originalUriBaseIds"])
        for each in result.get("suppressions", []):
            assert each["kind"] == "external"  # 3.35.2
            assert each["status"] == "accepted"  # 3.35.3
    marks = [each["partialFingerprints"]["primaryLocationLineHash"] for each in run["results"]]
    assert len(set(marks)) == len(marks)  # two of one mark would be one alert
    return run


@pytest.mark.parametrize("name", ["failed", "green", "everything", "kinds"])
def test_sarif_matches_golden(samples, golden, name):
    golden(f"{name}.sarif", json.dumps(document(samples[name]), indent=1) + "\n")


def test_sarif_keeps_to_the_clauses(sample):
    check(document(sample))


def test_sarif_has_a_result_for_each_way_in_which_something_differs_whatever_the_number_of_hosts(samples):
    environment = samples["failed"].environments[0]
    twice = replace(environment, hosts=(*environment.hosts, replace(environment.hosts[1], name="hardened-too")))
    more = replace(samples["failed"], environments=(twice,))
    (found,) = (each for each in results(more) if each["ruleId"] == "umask")
    assert found["properties"]["hosts"] == ["hardened", "hardened-too"]
    assert "failed on hardened and hardened-too" in found["message"]["text"]
    assert fingerprints(more) == fingerprints(samples["failed"])


def test_sarif_names_the_rule_by_the_factors_and_the_place_by_the_test(samples):
    found = results(samples["kinds"])
    assert {each["ruleId"] for each in found} == {"cpus", "shm+umask"}
    (result,) = (each for each in results(samples["failed"]) if each["level"] == "error")
    assert result["ruleId"] == "umask"
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "tests/test_store.py"
    assert physical["region"] == {"startLine": 41}
    for said in ("failed on hardened", "8 of 8 times with umask=0077", "Reproduce: seatrial run envs/uploads.yaml"):
        assert said in result["message"]["text"]


@pytest.mark.parametrize("file", ["", "/app/tests/test_store.py", "../tests/test_store.py"])
def test_sarif_of_a_test_outside_the_working_tree_points_to_the_spec(samples, file):
    found = results(with_first(samples["failed"], file=file))
    assert {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in found} == {
        "envs/uploads.yaml",
        "tests/test_queue.py",
    }


def test_sarif_of_a_spec_by_an_absolute_path_has_a_uri_of_a_file(samples):
    verification = with_first(samples["failed"], file="")
    environment = replace(verification.environments[0], spec="/home/ann/a b/envs/web.yaml")
    (first, *_) = check(document(replace(verification, environments=(environment,))))["results"]
    artifact = first["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": "file:///home/ann/a%20b/envs/web.yaml"}


def test_sarif_fingerprint_stays_while_the_finding_does(samples):
    before = fingerprints(samples["failed"])
    assert fingerprints(with_first(samples["failed"], message="another message", line=77)) == before
    assert fingerprints(replace(samples["failed"], seed=9, duration=1)) == before
    assert len(before - fingerprints(with_first(samples["failed"], id="tests/test_store.py::test_other"))) == 1
    finding = samples["failed"].environments[0].hosts[1].findings[0]
    cause = replace(finding.cause, factors={"user": "root"})
    assert len(before - fingerprints(with_finding(samples["failed"], replace(finding, cause=cause)))) == 1


def test_sarif_numbers_results_that_only_their_sides_tell_apart(samples):
    environment = samples["failed"].environments[0]
    host = environment.hosts[1]
    errs = replace(host.findings[0], difference=replace(host.findings[0].difference, here="errored"))
    hosts = (*environment.hosts, replace(host, name="other", findings=(errs,)))
    run = check(document(replace(samples["failed"], environments=(replace(environment, hosts=hosts),))))
    marks = [each["partialFingerprints"]["primaryLocationLineHash"] for each in run["results"]]
    assert sorted(mark.partition(":")[2] for mark in marks) == ["1", "1", "2"]


@pytest.mark.parametrize(
    ("verdict", "level"),
    [(VerdictWord.FAILED, "error"), (VerdictWord.INCONCLUSIVE, "warning"), (VerdictWord.PASSED, "note")],
)
def test_sarif_is_no_louder_than_the_verdict(samples, verdict, level):
    environment = samples["failed"].environments[0]
    hosts = (environment.hosts[0], replace(environment.hosts[1], verdict=verdict))
    (found,) = results(replace(samples["failed"], environments=(replace(environment, hosts=hosts),)))
    assert found["level"] == level


@pytest.mark.parametrize(("verdict", "level"), [(VerdictWord.FAILED, "error"), (VerdictWord.PASSED, "note")])
def test_sarif_of_a_flaky_test_is_a_note_unless_the_spec_lets_it_fail(samples, verdict, level):
    environment = samples["failed"].environments[0]
    flaky = replace(environment.hosts[2], verdict=verdict)
    hosts = (environment.hosts[0], flaky)
    (found,) = results(replace(samples["failed"], environments=(replace(environment, hosts=hosts),)))
    assert (found["ruleId"], found["level"]) == ("flaky", level)


def test_sarif_suppresses_what_the_spec_accepts(samples):
    (found,) = (each for each in results(samples["everything"]) if each["ruleId"] == "accepted")
    assert [each["justification"] for each in found["suppressions"]] == ["the service sets its own umask"]
    accepted = [
        each
        for environment in samples["everything"].environments
        for host in environment.hosts
        for each in host.findings
        if reading(each) is Reading.ACCEPTED
    ]
    assert len(accepted) == sum("suppressions" in each for each in results(samples["everything"]))


@pytest.mark.parametrize(
    ("verdict", "rule"), [(VerdictWord.FAILED, "failing-host"), (VerdictWord.INCONCLUSIVE, "inconclusive-host")]
)
def test_sarif_tells_of_a_host_that_does_not_pass_and_shows_no_difference(samples, verdict, rule):
    environment = samples["green"].environments[0]
    hosts = (replace(environment.hosts[0], verdict=verdict, reasons=("it ended by signal 9",), hint="try again"),)
    run = check(document(replace(samples["green"], environments=(replace(environment, hosts=hosts),))))
    (found,) = run["results"]
    assert found["ruleId"] == rule
    assert found["message"]["text"] == "croniter on reference: it ended by signal 9.\ntry again"


def test_sarif_tells_of_hosts_that_did_not_run_and_of_an_interruption(samples):
    invocation = document(samples["failed"])["runs"][0]["invocations"][0]
    texts_ = [each["message"]["text"] for each in invocation["toolExecutionNotifications"]]
    assert texts_ == ["Not run: gvisor: runsc is not installed. To add it: apt-get install runsc"]
    assert invocation["executionSuccessful"] is True
    partial = document(replace(samples["failed"], partial=True))["runs"][0]
    assert partial["invocations"][0]["executionSuccessful"] is False


def test_sarif_has_no_more_results_than_github_takes_and_says_how_many_are_left(samples, monkeypatch):
    monkeypatch.setattr(sarif, "MOST", 2)
    run = check(document(samples["kinds"]))
    assert len(run["results"]) == 2
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {each["ruleId"] for each in run["results"]}
    told = run["invocations"][0]["toolExecutionNotifications"][0]
    assert (told["level"], told["message"]["text"]) == ("warning", "10 results more in the report.")


def test_sarif_of_a_tree_that_is_not_installed_names_no_version(samples):
    assert "version" not in document(samples["green"], "")["runs"][0]["tool"]["driver"]


@settings(max_examples=100, deadline=None)
@given(text=texts())
def test_sarif_of_hostile_texts_is_whole(strange, text):
    written = sarif.render(strange(text), VERSION)
    assert written.isascii()
    assert not any(HIDDEN.search(each) for each in strings(json.loads(written)))
    check(json.loads(written))


@pytest.mark.parametrize("text", ["{0}", "[a](1)", "a[b](c) {}", "a:b/c.py", "//h/x", "\ud800", "x" * 100_000, "%41"])
def test_sarif_of_a_text_that_means_something_there_is_whole(strange, text):
    check(document(strange(text)))


def test_sarif_of_many_flaky_tests_takes_no_square_of_their_number(samples):
    many = flaky_ones(samples["failed"], tests=2000, hosts=5)
    began = time.process_time()
    assert len(results(many)) == 2000
    assert time.process_time() - began < 4


def with_finding(verification, finding):
    environment = verification.environments[0]
    hosts = (environment.hosts[0], replace(environment.hosts[1], findings=(finding,)), *environment.hosts[2:])
    return replace(verification, environments=(replace(environment, hosts=hosts),))


def with_first(verification, **more):
    finding = verification.environments[0].hosts[1].findings[0]
    return with_finding(verification, replace(finding, difference=replace(finding.difference, **more)))
