"""What all tests share: with SEATRIAL_STRICT_SKIPS a skip whose reason is not expected fails the run."""

import os
from pathlib import Path

import pytest

_EXPECTED = Path(__file__).with_name("expected_skips.txt")


def pytest_terminal_summary(terminalreporter):
    for report in _unexpected(terminalreporter):
        terminalreporter.write_line(f"unexpected skip: {report.nodeid}: {_reason(report)}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and session.exitstatus == 0 and _unexpected(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unexpected(reporter):
    if not os.environ.get("SEATRIAL_STRICT_SKIPS"):
        return []
    expected = [line for line in _EXPECTED.read_text().splitlines() if line and not line.startswith("#")]
    skipped = reporter.stats.get("skipped", [])
    return [each for each in skipped if not any(part in _reason(each) for part in expected)]


def _reason(report):
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
