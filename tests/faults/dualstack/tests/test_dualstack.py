import dualstack
import pytest


@pytest.mark.skipif(not dualstack.has_six(), reason="this machine has no IPv6")
def test_address_of_six_is_used():
    assert dualstack.families()[0] == "IPv6"


def test_address_of_four_is_used():
    assert dualstack.families()[-1] == "IPv4"


def test_visitor_is_named_by_its_network():
    assert dualstack.network("2001:db8:7::1") == "2001:db8:7::/48"
    assert dualstack.network("192.0.2.7") == "192.0.2.0/24"
