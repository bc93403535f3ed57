"""The run's own network, seen by what the kernel answers to a connection."""

import pytest

CONNECT = "exec 3<>/dev/tcp/{}/9"


@pytest.mark.parametrize(
    ("level", "address", "answer"),
    [
        ("loopback", "127.0.0.1", b"Connection refused"),
        ("loopback", "192.0.2.9", b"Network is unreachable"),
        ("none", "127.0.0.1", b"Network is unreachable"),
        ("route", "127.0.0.1", b"Connection refused"),
    ],
)
def test_connection_is_answered_as_the_level_says(run, level, address, answer):
    outcome = run("bash", "-c", CONNECT.format(address), host={"network": level})
    assert answer in outcome.stderr.content, outcome
    assert outcome.evidence["network"].holds


def test_default_route_answers_nothing(run):
    outcome = run("bash", "-c", CONNECT.format("8.8.8.8"), host={"network": "route"}, deadline=1500)
    assert outcome.limit == "deadline"
    assert outcome.evidence["network"].holds


@pytest.mark.parametrize("network", ["loopback", "route"])
def test_ipv6_can_be_absent(run, network):
    with_it = run("bash", "-c", CONNECT.format("::1"), host={"network": network})
    without = run("bash", "-c", CONNECT.format("::1"), host={"network": network, "ipv6": "absent"})
    assert b"Connection refused" in with_it.stderr.content
    assert b"Connection refused" not in without.stderr.content
    assert without.evidence["ipv6"].holds


def test_hostname_is_the_levels(sh):
    assert sh("uname -n; cat /etc/hostname", host={"hostname": "somewhere-else"}) == "somewhere-else\n" * 2
