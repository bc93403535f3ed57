"""A connection that is cut, slow, refused or doubled at any request: the bytes are right, and no upload is left.

docker-registry knows an upload by a state that it signs into each answer, so one whose answer was lost can be deleted
by nobody; the test names those uploads, and no other may be left.
"""

import itertools
import uuid

import pytest
from faulty_proxy import FAULTS, HARMING

from pipeline.registry.referrers import attach, referrers_of
from runtime.digest import Digest

pytestmark = pytest.mark.usefixtures("small_parts")

PART = 1 << 20

PUSHING = (
    *itertools.product(["HEAD blobs", "POST upload", "PUT upload", "PATCH upload"], (1, 2, 3)),
    ("PUT manifests", 1),
    ("GET manifests", 1),
)
PULLING = (("GET manifests", 1), *(("GET blobs", turn) for turn in (1, 2, 3)))
ATTACHING = (
    *(("PUT manifests", turn) for turn in (1, 2, 3)),
    *(("GET manifests", turn) for turn in (1, 2, 3)),
    *(("GET tags", turn) for turn in (1, 2)),
)


def cases(steps):
    return [pytest.param((fault, *step), id=f"{step[0]} {step[1]} {fault}") for step in steps for fault in FAULTS]


@pytest.mark.bar("6.7 faults of connections", slice=6)
@pytest.mark.parametrize("case", cases(PUSHING))
def test_push_through_a_fault_is_whole_in_docker_registry(debian, proxied, hands, case):
    proxy, name = proxied(debian.address, *case), new_name()
    hands.push(proxy.address, name)
    assert proxy.done == 1, proxy.seen
    hands.check_whole(debian.address, name)
    fault, step, _ = case
    is_known = fault not in HARMING and not (fault.startswith("duplicate") and step == "POST upload")
    assert debian.uploads(name) <= (set() if is_known else proxy.harmed), proxy.seen


@pytest.mark.bar("6.7 faults of connections", slice=4)
@pytest.mark.parametrize("case", cases(PUSHING))
def test_push_through_a_fault_is_resumed_where_uploads_keep_their_address(simulated, proxied, hands, case):
    proxy, name = proxied(simulated.address, *case), new_name()
    hands.push(proxy.address, name)
    assert proxy.done == 1, proxy.seen
    hands.check_whole(simulated.address, name)
    # Only an upload that was begun without an answer is known to nobody.
    assert set(simulated.uploads) <= (proxy.harmed if case[1] == "POST upload" else set()), proxy.seen
    again = PART if case[1] in {"PATCH upload", "PUT upload"} else 0
    assert simulated.received <= hands.size + again, "it began anew instead of going on"


@pytest.mark.bar("6.7 faults of connections", slice=3)
@pytest.mark.parametrize("case", cases(PULLING))
def test_pull_through_a_fault_is_whole(debian, proxied, hands, case):
    name = new_name()
    hands.push(debian.address, name)
    proxy = proxied(debian.address, *case)
    hands.check_whole(proxy.address, name)
    assert proxy.done == 1, proxy.seen


@pytest.mark.bar("6.7 faults of connections", slice=3)
@pytest.mark.parametrize("case", cases(ATTACHING))
def test_attaching_through_a_fault_loses_nothing(debian, proxied, hands, statement, case):
    name, subject = new_name(), Digest.of(b"subject")
    direct = hands.repository(debian.address, name)
    before = attach(direct, statement(subject, 1), subject)
    proxy = proxied(debian.address, *case)
    own = attach(hands.repository(proxy.address, name), statement(subject, 2), subject)
    assert proxy.done == 1, proxy.seen
    assert {each.digest for each in referrers_of(direct, subject)} == {before.digest, own.digest}


def new_name():
    return f"faults/{uuid.uuid4().hex}"
