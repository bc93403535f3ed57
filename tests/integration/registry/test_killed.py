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

from pipeline.registry.registry import Registry
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
from runtime.digest import Digest
from runtime.oci.layout import Layout
from runtime.oci.remote import parse_remote
upload.PART = 1 << 18
print("begins", flush=True)
push_image(Digest(sys.argv[1]), Layout(Path(sys.argv[2])), parse_remote(sys.argv[3]), Connections(Access(), size=4))
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
