"""What is read of a run's calls and packets is hostile: whatever it holds, it is told in bounds or not at all."""

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from runtime.backends.native.attempts import parse_unroutable
from runtime.backends.native.destinations import parse_destination
from runtime.backends.native.lookups import parse_lookup
from runtime.backends.native.notices import Notice
from runtime.backends.native.observer import Judge
from runtime.backends.native.seccomp import compile_filter, read_numbers
from runtime.outcome import Attempt, Calls, Denied, Lookup, Network

HEAD = bytes([0x45]) + bytes(19) + bytes(8)
QUESTION = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0)
WORD = st.integers(0, 2**64 - 1)
SNMP = "Ip: Forwarding OutNoRoutes ReasmTimeout\nIp: 2 5 0\nIcmp: InMsgs OutNoRoutes\nIcmp: 1 9\n"
SNMP6 = "Ip6InReceives                   \t0\nIp6OutNoRoutes                  \t3\n"


def packet(*labels):
    return HEAD + QUESTION + b"".join(bytes([len(each)]) + each for each in labels) + b"\0" + b"\0\1\0\1"


def inet(address, port):
    return struct.pack("=H", 2) + struct.pack("!H", port) + socket.inet_aton(address) + bytes(8)


def inet6(address, port):
    return struct.pack("=H", 10) + struct.pack("!HI", port, 0) + socket.inet_pton(socket.AF_INET6, address) + bytes(4)


def test_name_in_a_question_is_read():
    assert parse_lookup(packet(b"www", b"example", b"com")) == "www.example.com"
    assert parse_lookup(packet()) == "."


def test_bytes_that_no_name_should_hold_are_escaped():
    assert parse_lookup(packet(b"\x1b[31m", b"a.b", b"\xff\\")) == "\\027[31m.a\\046b.\\255\\092"


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=4))
def test_every_name_is_printable_and_bounded(labels):
    name = parse_lookup(packet(*labels))
    assert name is None or (name.isascii() and name.isprintable() and len(name) <= 4 * 255)


def test_packet_that_asks_for_nothing_is_none():
    answer = struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0)
    assert parse_lookup(b"") is None
    assert parse_lookup(HEAD) is None
    assert parse_lookup(HEAD + QUESTION) is None
    assert parse_lookup(HEAD + QUESTION + b"\3ab") is None
    assert parse_lookup(HEAD + QUESTION + b"\xc0\x0c") is None
    assert parse_lookup(HEAD + answer + b"\1a\0") is None
    assert parse_lookup(HEAD + struct.pack("!6H", 7, 0x0100, 0, 0, 0, 0) + b"\1a\0") is None


@given(st.binary(max_size=600))
def test_whatever_a_packet_holds_is_read_without_an_error(raw):
    name = parse_lookup(raw)
    assert name is None or name.isprintable()


def test_destination_beyond_the_loopback_interface_is_read():
    assert parse_destination(inet("192.0.2.1", 443)) == ("192.0.2.1", 443)
    assert parse_destination(inet6("2001:db8::1", 80)) == ("2001:db8::1", 80)
    assert parse_destination(inet6("::ffff:192.0.2.1", 80)) == ("192.0.2.1", 80)


def test_destination_on_the_loopback_interface_is_none_but_for_a_name_server():
    for raw in (inet("127.0.0.1", 80), inet("127.9.9.9", 80), inet("0", 80), inet6("::1", 80), inet6("::", 80)):
        assert parse_destination(raw) is None
    assert parse_destination(inet6("::ffff:127.0.0.1", 80)) is None
    assert parse_destination(inet("127.0.0.1", 53)) == ("127.0.0.1", 53)


def test_destination_of_another_family_or_cut_short_is_none():
    assert parse_destination(b"\1\0/run/socket") is None
    assert parse_destination(inet("192.0.2.1", 443)[:7]) is None
    assert parse_destination(inet6("2001:db8::1", 443)[:20]) is None


@given(st.binary(max_size=40))
def test_whatever_a_destination_holds_is_read_without_an_error(raw):
    found = parse_destination(raw)
    assert found is None or 0 <= found[1] < 65536


def test_packets_without_a_route_are_read_from_the_counters():
    assert parse_unroutable(SNMP) == 5
    assert parse_unroutable(SNMP6) == 3
    assert parse_unroutable("") == parse_unroutable("Ip: a\nUdp: b\n") == 0


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.tuples(WORD, WORD, WORD, WORD, WORD, WORD))
def test_every_call_has_an_answer(architecture, number, words):
    judge = Judge(compile_filter("default", (), "x86_64"))
    assert 0 <= judge.decide(Notice(1, 1, architecture, number, words)) < 4096


def test_call_that_is_allowed_has_no_errno():
    judge, numbers = Judge(compile_filter("default", (), "x86_64")), read_numbers()["x86_64"]
    decided = {
        name: judge.decide(Notice(1, 1, 0xC000003E, numbers[name], (0,) * 6)) for name in ("connect", "mount", "clone3")
    }
    assert decided == {"connect": 0, "mount": 1, "clone3": 38}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
COUNTS = st.integers(1, 2**40)


@given(
    st.builds(
        Calls,
        denied=st.lists(st.builds(Denied, call=TEXTS, errno=TEXTS, count=COUNTS), max_size=3).map(tuple),
        attempts=st.lists(st.builds(Attempt, address=TEXTS, port=COUNTS, count=COUNTS), max_size=3).map(tuple),
        is_whole=st.booleans(),
    )
)
def test_calls_are_read_back_as_they_were_written(calls):
    assert Calls.from_json(calls.to_json()) == calls


@given(st.builds(Network, lookups=st.lists(st.builds(Lookup, name=TEXTS, count=COUNTS)).map(tuple), unroutable=COUNTS))
def test_network_is_read_back_as_it_was_written(network):
    assert Network.from_json(network.to_json()) == network


def test_attempt_is_shown_as_addresses_are():
    assert str(Attempt(address="::2", port=80)) == "[::2]:80"
    assert str(Attempt(address="192.0.2.1", port=80)) == "192.0.2.1:80"
