"""A world for each deploy target: an engine of its own, and an image that answers."""

import contextlib
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[2] / "conformance"))
sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from registries import started_registry
from worlds import WORLDS, lay_image

from pipeline.registry.access import Access
from pipeline.registry.http import Connections
from pipeline.registry.push import push_image
from runtime.digest import Digest
from runtime.oci.layout import Layout
from runtime.oci.remote import parse_remote

CLONE_NEWNET = 0x40000000  # linux/sched.h
ENGINES = ("docker", "loaded", "compose", "podman")
KINDS = ("native", "kubernetes", *(pytest.param(each, marks=pytest.mark.slow) for each in ENGINES))
"""A slice has engines in ``test_deploying``: each of them needs some seconds to start, and a test some more."""


@pytest.fixture(scope="module")
def own_network():
    """Have a network of our own, where bridges, ports and rules of engines are nobody else's.

    A plain user's Podman makes such a network by itself, and this user may make no other one.
    """
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as before:  # noqa: PTH123 - kept open
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            assert libc.setns(before.fileno(), CLONE_NEWNET) == 0


@pytest.fixture(scope="module")
def registry(own_network, tmp_path_factory):
    with started_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """The folder of a layout with the images of all versions."""
    folder = tmp_path_factory.mktemp("layout")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def images(layout, registry):
    """Return what gives the digest of a version of the app, laid and pushed once."""
    made = {}
    connections = Connections(Access(), size=1)

    def image(version, **config):
        key = (version, *sorted(config.items()))
        if key not in made:
            digest = Digest(lay_image(layout, version, config))
            push_image(digest, Layout(layout), parse_remote(f"{registry}/app:{digest.hex[:12]}"), connections)
            made[key] = digest
        return made[key]

    image.repository = f"{registry}/app"
    yield image
    connections.close()


@pytest.fixture(scope="module")
def worlds(own_network, layout, images, tmp_path_factory):
    """Return the world of a kind of target, started once a module."""
    made = {}
    with contextlib.ExitStack() as stack:

        def world(kind):
            if kind not in made:
                folder = tmp_path_factory.mktemp(kind)
                made[kind] = stack.enter_context(WORLDS[kind](folder, layout, images))
            return made[kind]

        yield world


@pytest.fixture(params=KINDS)
def world(request, worlds):
    found = worlds(request.param)
    yield found
    found.clean()
