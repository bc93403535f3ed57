"""A connection that is cut, slow, refused or doubled at any request: the bytes are right, and no upload is left.

docker-registry knows an upload by a state that it signs into each answer, so one whose answer was lost can be deleted by
nobody; the test names those uploads, and no other may be left.
"""

import itertools
import uuid

import pytest
from faulty_proxy import FAULTS, HARMING

from pipeline.registry.push import push_image
from pipeline.registry.referrers import attach, referrers_of
from pipeline.registry.registry import Registry
from pipeline.registry.repository import Repository
from runtime.digest import Digest
from runtime.oci.copy import copy_image
from runtime.oci.layout import Layout
from runtime.oci.remote import parse_remote

pytestmark = pytest.mark.usefixtures("small_parts")

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
    return [pytest.param(*step, fault, id=f"{step[0]} {step[1]} {fault}") for step in steps for fault in FAULTS]


def pushed(proxy, image, there, connections, patience):
    name = f"faults/{uuid.uuid4().hex}"
    push_image(image, there, parse_remote(f"{proxy.address}/{name}:1"), connections, patience=patience)
    assert proxy.done == 1, proxy.seen
    return name


def check_whole(address, name, image, there, connections, folder):
    """Read an image from its registry itself, and compare every byte."""
    registry, here = Registry(parse_remote(f"{address}/{name}:1"), connections), Layout(folder)
    assert registry.find("amd64") == image
    copy_image(image, registry, here)
    assert here.digests() == there.digests()
    assert here.verify() == len(there.digests())


@pytest.mark.bar("6.7 faults of connections", slice=6)
@pytest.mark.parametrize(("step", "turn", "fault"), cases(PUSHING))
def test_push_through_a_fault_is_whole_in_docker_registry(
    debian, proxied, image, there, connections, patience, tmp_path, step, turn, fault
):
    proxy = proxied(debian.address)
    proxy.plan(fault, step, turn)
    name = pushed(proxy, image, there, connections, patience)
    check_whole(debian.address, name, image, there, connections, tmp_path / "here")
    is_known = fault not in HARMING and not (fault.startswith("duplicate") and step == "POST upload")
    left = debian.uploads(name)
    assert left <= (set() if is_known else proxy.harmed), (left, proxy.seen)


@pytest.mark.bar("6.7 faults of connections", slice=4)
@pytest.mark.parametrize(("step", "turn", "fault"), cases(PUSHING))
def test_push_through_a_fault_is_resumed_where_uploads_keep_their_address(
    simulated, proxied, image, there, connections, patience, tmp_path, step, turn, fault
):
    proxy = proxied(simulated.address)
    proxy.plan(fault, step, turn)
    name = pushed(proxy, image, there, connections, patience)
    check_whole(simulated.address, name, image, there, connections, tmp_path / "here")
    # Only an upload that was begun without an answer is known to nobody.
    assert set(simulated.uploads) <= (proxy.harmed if step == "POST upload" else set()), proxy.seen
    size = sum(there.path(each).stat().st_size for each in there.digests() if each != image)
    again = (1 << 20) if step in {"PATCH upload", "PUT upload"} else 0
    assert simulated.received <= size + again, "it began anew instead of going on"


@pytest.mark.bar("6.7 faults of connections", slice=6)
@pytest.mark.parametrize(("step", "turn", "fault"), cases(PULLING))
def test_pull_through_a_fault_is_whole(
    debian, proxied, image, there, connections, patience, tmp_path, step, turn, fault
):
    name = f"faults/{uuid.uuid4().hex}"
    push_image(image, there, parse_remote(f"{debian.address}/{name}:1"), connections)
    proxy = proxied(debian.address)
    proxy.plan(fault, step, turn)
    registry = Registry(parse_remote(f"{proxy.address}/{name}:1"), connections, patience=patience)
    here = Layout(tmp_path / "here")
    copy_image(registry.find("amd64"), registry, here)
    assert proxy.done == 1, proxy.seen
    assert here.digests() == there.digests()
    assert here.verify() == len(there.digests())


@pytest.mark.bar("6.7 faults of connections", slice=3)
@pytest.mark.parametrize(("step", "turn", "fault"), cases(ATTACHING))
def test_attaching_through_a_fault_loses_nothing(
    debian, proxied, connections, patience, there, empty_blob, statement, step, turn, fault
):
    name, subject = f"faults/{uuid.uuid4().hex}", Digest.of(b"subject")
    direct = Repository(parse_remote(f"{debian.address}/{name}"), connections, patience=patience)
    direct.put_blob(empty_blob, there)
    before = attach(direct, statement(subject, 1), subject)
    proxy = proxied(debian.address)
    proxy.plan(fault, step, turn)
    repository = Repository(parse_remote(f"{proxy.address}/{name}"), connections, patience=patience)
    own = attach(repository, statement(subject, 2), subject)
    assert proxy.done == 1, proxy.seen
    assert {each.digest for each in referrers_of(direct, subject)} == {before.digest, own.digest}
