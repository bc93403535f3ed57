import base64
import hashlib
import json as parser
import re
from collections import Counter
from dataclasses import asdict, replace

import pytest
from junitparser import Error, Failure, JUnitXml

from pipeline.report import ctrf, github, html, json, junit, markdown, sarif, saved, terminal
from pipeline.report.findings import block
from pipeline.report.groups import Group, Reading, reading
from pipeline.report.summary import counts
from pipeline.report.text import Ink, columns
from pipeline.verify.explain import Rate
from pipeline.verify.verdict import State

SAVED = "file:///home/ann/shop/.seatrial/report.json"
HOSTILE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("name", ["failed", "green", "everything", "kinds"])
def test_terminal_matches_golden(samples, golden, name):
    golden(f"{name}.txt", terminal.render(samples[name], Ink(), saved=SAVED))


def test_file_that_is_not_collected_on_a_host_is_counted_among_the_tests(samples):
    (environment,) = (each for each in samples["failed"].environments if each.name == "uploads")
    before = counts(environment)
    (host,) = (each for each in environment.hosts if each.state is State.DIFFERENT)
    (finding, *_) = host.findings
    broken = replace(finding, difference=replace(finding.difference, id="t.py", reference="missing", here="errored"))
    hosts = [replace(each, findings=(*each.findings, broken)) if each is host else each for each in environment.hosts]
    after = counts(replace(environment, hosts=tuple(hosts)))
    assert (after.tests, after.different) == (before.tests + 1, before.different + 1)


def test_flaky_test_that_no_rerun_showed_is_said_to_have_been_seen_once(samples):
    (seen,) = (each for each in samples["failed"].environments[0].hosts if each.state is State.FLAKY)
    (finding,) = seen.findings
    never = Rate(failed=0, of=8, low="0", high="0.37")
    finding = replace(finding, cause=replace(finding.cause, with_=never, without=never))
    group = Group(reading=Reading.FLAKY, findings=(finding,), hosts=(replace(seen, findings=(finding,)),))
    text = "\n".join(block(group, Ink(width=200)))
    assert f"fails once on {seen.name}, then 0 of 8 times on {seen.name}, 0 of 8 on the reference:" in text


@pytest.mark.parametrize("name", ["failed", "green", "everything", "kinds"])
def test_markdown_matches_golden(samples, golden, name):
    golden(f"{name}.md", markdown.render(samples[name]))


def test_json_matches_golden(samples, golden):
    golden("everything.json", json.render(samples["everything"]))


@pytest.mark.parametrize("name", ["everything", "kinds"])
def test_junit_matches_golden(samples, golden, name):
    golden(f"{name}.xml", junit.render(samples[name]).replace("><", ">\n<"))


@pytest.mark.parametrize("name", ["failed", "green", "everything", "kinds"])
def test_page_matches_golden(samples, golden, name):
    page = re.sub("(?s)(<style>|<script>).*?(</style>|</script>)", r"\1…\2", html.render(samples[name]))
    golden(f"{name}.html", re.sub("sha256-[^&]+", "sha256-…", page))  # their hashes are held below


def test_page_asks_for_nothing_and_runs_its_own_script_only(sample):
    page = html.render(sample)
    assert not re.search(r"(src|href)=|url\(|@import|https?://", page)
    assert len(re.findall("<script", page)) == len(re.findall("</script", page)) == 1
    assert not re.search(r"<[^>]* (on[a-z]+|style)=", page)
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in page.replace("&#39;", "'")


def test_page_shows_hostile_texts_as_text(samples):
    page = html.render(samples["everything"])
    assert "t[\\x1b[31m\\u202e&lt;/script&gt;|`$(x)` ::error::]" in page


def test_page_of_many_causes_says_how_many_are_left_out(samples):
    page = html.render(with_many_findings(samples["failed"], html.MOST + 5, alike=False))
    assert page.count('id="cause-') == html.MOST
    assert "6 causes more" in page


@pytest.mark.parametrize("name", ["failed", "green", "everything", "kinds"])
def test_annotations_match_golden(samples, golden, name):
    golden(f"{name}.github", github.render(samples[name]))


def test_annotations_are_whole_lines_of_commands_and_of_each_severity_no_more_than_are_shown(samples):
    many = with_many_findings(samples["failed"], 40, alike=False)
    for each in (*samples.values(), many):
        lines = github.render(each).splitlines()
        assert all(re.fullmatch(r"::(error|warning|notice) [^:]+::.+", line) for line in lines)
        shown = Counter(line.partition(" ")[0] for line in lines)
        assert max(shown.values()) <= 10, shown
        assert lines[-1].split("::")[1].endswith(f"title={each.verdict}")
    assert "%0Aand 31 more in the report" in github.render(many)


def test_annotation_lies_at_the_line_of_its_test_only_if_that_is_in_the_working_tree(samples):
    assert github.render(samples["failed"]).startswith("::error file=tests/test_store.py,line=41,title=Differs under ")
    environment = samples["failed"].environments[0]
    (found,) = environment.hosts[1].findings
    outside = replace(found, difference=replace(found.difference, file="/srv/tests/test_store.py"))
    hosts = (environment.hosts[0], replace(environment.hosts[1], findings=(outside,)))
    elsewhere = replace(samples["failed"], environments=(replace(environment, hosts=hosts),))
    assert github.render(elsewhere).startswith("::error title=Differs under umask=0077::")


def test_json_reads_back_as_the_same_verification(sample):
    assert saved.from_json(parser.loads(json.render(sample))) == sample


def test_terminal_green_is_a_line_an_environment_and_one_for_the_verdict(samples):
    assert len(terminal.render(samples["green"], Ink(), saved=SAVED).splitlines()) == 2


def test_terminal_quiet_is_the_last_block_alone(samples):
    text = terminal.render(samples["failed"], Ink(), quiet=True, saved=SAVED)
    assert text.startswith("FAILED ")
    assert len(text.splitlines()) == 2


def test_terminal_verbose_names_every_host(samples):
    text = terminal.render(samples["failed"], Ink(), verbose=True)
    for host in samples["failed"].environments[0].hosts:
        assert f"  {host.name} " in text


def test_terminal_is_at_most_80_columns_but_for_commands(sample):
    for verbose in (False, True):
        for line in terminal.render(sample, Ink(), verbose=verbose, saved=SAVED).splitlines():
            assert columns(line) <= 80 or line.strip().startswith("seatrial run"), line


def test_terminal_ascii_holds_no_other_character(sample):
    assert terminal.render(sample, Ink(symbols=False), verbose=True, saved=SAVED).isascii()


def test_terminal_color_changes_no_text(sample):
    plain, colored = (terminal.render(sample, Ink(color=each), saved=SAVED) for each in (False, True))
    assert "\x1b[31m" in colored or "\x1b[32m" in colored
    assert re.sub("\x1b\\[[0-9]+m", "", colored) == plain


def test_no_format_passes_a_control_on(sample):
    formats = (json, markdown, junit, github, html)
    versioned = (each.render(sample, "1") for each in (ctrf, sarif))
    for text in (terminal.render(sample, Ink()), *(each.render(sample) for each in formats), *versioned):
        assert not HOSTILE.search(text)


def test_no_format_says_signed(sample):
    for text in (terminal.render(sample, Ink()), json.render(sample), markdown.render(sample), junit.render(sample)):
        assert "signed" not in text.lower()


def test_every_difference_is_in_every_format_even_if_many_share_a_row(samples):
    many = with_many_findings(samples["failed"], 40)
    names = [f"tests/test_many.py::test_{number}" for number in range(40)]
    versioned = (each.render(many, "1") for each in (ctrf, sarif))
    unversioned = (each.render(many) for each in (json, markdown, junit, html))
    for text in (terminal.render(many, Ink()), *unversioned, *versioned):
        assert all(re.search(rf"{re.escape(name)}\b", text) for name in names)
    assert "39 others in the same way:" in terminal.render(many, Ink())


def test_markdown_stays_in_its_budget_and_says_what_is_left_out(samples):
    text = markdown.render(with_many_findings(samples["failed"], 5000, alike=False))
    assert len(text.encode()) <= markdown.BUDGET
    assert "in the report" in text


def test_every_format_counts_the_same(sample):
    document = parser.loads(json.render(sample))
    suites = list(JUnitXml.fromstring(junit.render(sample).encode()))
    table = markdown.render(sample).split("|--:|\n", 1)[1].split("\n\n", 1)[0].splitlines()
    text = terminal.render(sample, Ink(), verbose=True)
    (log,) = parser.loads(sarif.render(sample, "1"))["runs"]
    for environment, written, row in zip(sample.environments, document["environments"], table, strict=True):
        found = counts(environment)
        mine = [each for each in suites if prop(each, "image") == str(environment.image)]
        cells = [re.sub(r"[^0-9 ]", "", cell.split("(")[0]).strip() for cell in row.split("|")[3:-1]]
        assert cells == [str(each) for each in (found.tests, found.ran, found.different, found.flaky, found.not_run)]
        # The reference's, and those that only another host has.
        lists = [each["differences"] for each in written["hosts"]]
        new = {
            each["id"] for those in lists for each in those if each["kind"] == "test" and each["reference"] == "missing"
        }
        assert sum(written["tests"].values()) + len(new) == found.tests
        assert len(written["hosts"]) == len(mine) == found.hosts
        states = [each["state"] for each in written["hosts"]]
        assert states.count("UNAVAILABLE") == found.not_run
        for name in ("tests", "hosts", "ran", "different", "flaky", "undecided", "accepted", "not_run"):
            assert {prop(each, f"count.{name}") for each in mine} == {str(getattr(found, name))}
        assert found.different == len({case.name for case in cases(mine) if has(case, "DIFFERENT")})
        assert found.flaky == len({case.name for case in cases(mine) if "FLAKY" in (case.system_out or "")})
        for state in State:
            assert text.count(f" {state} ") >= states.count(state)
        for facts in (parser.loads(ctrf.render(sample, "1"))["results"]["extra"], log["properties"]):
            (mine,) = (each["counts"] for each in facts["environments"] if each["name"] == environment.name)
            assert mine == asdict(found)
        results = [each for each in log["results"] if each["properties"]["environment"] == environment.name]
        for name in ("flaky", "undecided", "accepted"):
            assert getattr(found, name) == len({behavior(each) for each in results if each["ruleId"] == name})
        others = {"flaky", "undecided", "accepted", "inconclusive-host", "failing-host"}
        assert found.different == len({behavior(each) for each in results if each["ruleId"] not in others})


def test_junit_failures_are_the_differing_findings(sample):
    suites = JUnitXml.fromstring(junit.render(sample).encode())
    findings = [each for env in sample.environments for host in env.hosts for each in host.findings]
    assert suites.failures == sum(reading(each) is Reading.DIFFERENT for each in findings)


def test_reproducer_is_written_whole_and_unwrapped(samples):
    command = samples["failed"].environments[0].hosts[1].findings[0].reproduce
    shown = terminal.render(samples["failed"], Ink())
    assert command in re.sub(r" \\\n +", " ", shown)
    assert command in markdown.render(samples["failed"])
    assert command in json.render(samples["failed"])


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": "x"}', '{"schema": "https://seatrial.dev/verdict/v1"}', "[" * 10**5, '"\ud800"']
)
def test_load_of_something_else_is_an_error_with_the_path(tmp_path, text):
    path = tmp_path / "report.json"
    path.write_text(text, errors="surrogatepass")
    with pytest.raises(saved.ReportError, match=re.escape(str(path))):
        saved.load(path)


def test_load_of_a_wrong_digest_is_an_error(tmp_path, samples):
    path = tmp_path / "report.json"
    path.write_text(json.render(samples["green"]).replace("sha256:6d1f", "sha256:xyz"))
    with pytest.raises(saved.ReportError, match="no digest"):
        saved.load(path)


def test_save_writes_whole_and_ignores_itself_in_git(tmp_path, samples):
    path = saved.save(samples["failed"], tmp_path)
    assert saved.load(path) == samples["failed"]
    assert (tmp_path / ".seatrial" / ".gitignore").read_text() == "*\n"
    assert sorted(each.name for each in path.parent.iterdir()) == [".gitignore", "report.json"]


def with_many_findings(verification, number, *, alike=True):
    environment = verification.environments[0]
    host = environment.hosts[1]
    first = host.findings[0]
    findings = tuple(
        replace(
            first,
            difference=replace(first.difference, id=f"tests/test_many.py::test_{index}"),
            cause=replace(first.cause, factors={"umask": "0077" if alike else str(index)}),
        )
        for index in range(number)
    )
    hosts = (environment.hosts[0], replace(host, findings=findings), *environment.hosts[2:])
    return replace(verification, environments=(replace(environment, hosts=hosts), *verification.environments[1:]))


def prop(suite, name):
    return next(each.value for each in suite.properties() if each.name == name)


def behavior(result):
    return result["properties"]["kind"], result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]


def cases(suites):
    return [case for suite in suites for case in suite]


def has(case, word):
    return any(isinstance(each, Failure | Error) and each.type == word for each in case.result)
