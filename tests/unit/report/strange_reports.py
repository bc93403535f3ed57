"""Reports that no honest run makes, to be written in each format for programs."""

import re
from dataclasses import replace

from hypothesis import strategies as st

HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""What no text of a report may pass on."""

SPITEFUL = "\x00\x07\x1b[31m\t\r\n\x7f\x9b\u202e\u2028\ud800\udfff\ufeff{}[](<>&\"'%\\:/é😀"


def texts():
    """Give texts of characters that readers stumble over, and of any others."""
    return st.text(st.sampled_from(SPITEFUL) | st.characters(exclude_categories=()), max_size=40)


def strings(value):
    """Yield every text of a document, its keys too."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def with_text(verification, text):
    """Give a verification with a text in every place where a stranger's can stand."""
    environment = verification.environments[0]
    host = environment.hosts[1]
    finding = host.findings[0]
    wrong = replace(
        finding,
        difference=replace(finding.difference, id=text, message=text, file=text, reference=text, here=text),
        cause=replace(finding.cause, factors={text: text}, hint=text, reason=text),
        reproduce=text,
    )
    unavailable = tuple(replace(each, reason=text, hint=text) for each in verification.unavailable)
    hosts = (environment.hosts[0], replace(host, name=text, findings=(wrong,), reasons=(text,), factors={text: text}))
    strange = replace(environment, name=text, spec=text, hosts=hosts, headline=text, reasons=(text,))
    return replace(verification, headline=text, environments=(strange,), unavailable=unavailable)


def flaky_ones(verification, *, tests, hosts):
    """Give a verification in which many tests are flaky on some hosts."""
    environment = verification.environments[0]
    host = environment.hosts[2]
    (finding,) = host.findings
    many = tuple(
        replace(finding, difference=replace(finding.difference, id=f"tests/test_many.py::test_{number}"))
        for number in range(tests)
    )
    alike = (replace(host, name=f"host-{number}", findings=many) for number in range(hosts))
    return replace(verification, environments=(replace(environment, hosts=(environment.hosts[0], *alike)),))
