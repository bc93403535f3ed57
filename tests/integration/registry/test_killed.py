"""A push that is killed leaves no name, or the whole image; the next one is whole."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from pipeline.registry.push import push_image
from pipeline.registry.registry import Registry
from pipeline.registry.unfinished import Unfinished
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.remote import parse_remote

ROOT = Path(__file__).parents[3]
PUSH = """
import sys
from pathlib import Path
import pipeline.registry.upload as upload
from pipeline.registry.access import Access
from pipeline.registry.http import Connections
from pipeline.registry.push import push_image
from pipeline.registry.unfinished import Unfinished
from runtime.digest import Digest
from runtime.oci.layout import Layout
from runtime.oci.remote import parse_remote
upload.PART = 1 << 18
print("begins", flush=True)
digest, layout, remote, *uploads = sys.argv[1:]
unfinished = Unfinished(Path(uploads[0])) if uploads else None
connections = Connections(Access(), size=4)
push_image(Digest(digest), Layout(Path(layout)), parse_remote(remote), connections, unfinished=unfinished)
print("done", flush=True)
"""
MOST = 0.6  # seconds, in which a push of this size is under way


@pytest.mark.bar("6.7 killed pushes", slice=2)
@pytest.mark.parametrize("seed", range(40))
def test_push_after_one_that_was_killed_is_whole(debian, hands, seed):
    name = f"killed/{uuid.uuid4().hex}"
    remote = parse_remote(f"{debian.address}/{name}:1")
    killed_after(random.Random(seed).uniform(0, MOST), hands, remote)
    there = Registry(remote, hands.connections)
    try:
        assert there.find("amd64") == hands.image
        hands.check_whole(debian.address, name)
    except StoreError as error:
        assert "MANIFEST_UNKNOWN" in error.message or "NAME_UNKNOWN" in error.message  # noqa: PT017
    hands.push(debian.address, name)
    hands.check_whole(debian.address, name)


def killed_after(seconds, hands, remote):
    """Push in a process of its own, and kill it some time after it has begun."""
    command = [sys.executable, "-c", PUSH, hands.image.text, str(hands.there.root), remote.text]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"begins\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("step", ["PATCH upload", "PUT upload"])
def test_upload_of_a_killed_push_is_gone_on_with_where_it_keeps_its_address(simulated, proxied, hands, tmp_path, step):
    proxy = proxied(simulated.address, "hold", step, 2)
    remote = parse_remote(f"{proxy.address}/app:1")
    unfinished = Unfinished(tmp_path / "uploads")
    killed_at(proxy, hands, remote, tmp_path / "uploads")
    left, received = len(simulated.uploads), simulated.received
    assert left >= 1
    assert "app" not in simulated.manifests
    push_image(hands.image, hands.there, remote, hands.connections, unfinished=unfinished)
    hands.check_whole(simulated.address, "app")
    assert simulated.uploads == {}
    assert simulated.received == hands.size, f"{received} bytes were there already"
    assert list((tmp_path / "uploads").iterdir()) == []


def test_note_of_an_upload_that_its_registry_forgot_is_passed_over(simulated, hands, tmp_path):
    unfinished = Unfinished(tmp_path / "uploads")
    remote = parse_remote(f"{simulated.address}/app:1")
    for digest in hands.there.digests():
        with unfinished.note(remote.base, digest) as note:
            note.write(f"{remote.base}/blobs/uploads/forgotten")
            note.keep()
    push_image(hands.image, hands.there, remote, hands.connections, unfinished=unfinished)
    hands.check_whole(simulated.address, "app")
    assert simulated.uploads == {}


def test_note_that_another_process_has_is_left_alone(tmp_path):
    unfinished, digest = Unfinished(tmp_path), Digest.of(b"blob")
    with unfinished.note("http://localhost/v2/app", digest) as first:
        first.write("http://localhost/1")
        with unfinished.note("http://localhost/v2/app", digest) as second:
            assert second.url == ""
            second.write("http://localhost/2")
        first.keep()
    with unfinished.note("http://localhost/v2/app", digest) as third:
        assert third.url == "http://localhost/1"
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_no_reason_not_to_send(simulated, hands, tmp_path):
    (tmp_path / "file").write_text("")
    unfinished = Unfinished(tmp_path / "file" / "uploads")
    remote = parse_remote(f"{simulated.address}/app:1")
    push_image(hands.image, hands.there, remote, hands.connections, unfinished=unfinished)
    hands.check_whole(simulated.address, "app")


def killed_at(proxy, hands, remote, uploads):
    """Push in a process of its own, and kill it while a request is held."""
    command = [sys.executable, "-c", PUSH, hands.image.text, str(hands.there.root), remote.text, str(uploads)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert proxy.held.wait(30)
        time.sleep(0.2)  # The other blobs are done by then.
        process.send_signal(signal.SIGKILL)
    proxy.plan("", "", 0)
