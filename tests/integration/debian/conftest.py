"""Let the tests here import what lies beside them, and give them packages and what is made of them."""

import hashlib
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from debian_trees import epoch_of

from pipeline.build.debian import DebianLayers
from pipeline.build.ecosystems.debian.archive import DebianRequest
from pipeline.build.ecosystems.debian.lock import lock_debian
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import read_sources
from pipeline.build.unpacked import trees_of
from pipeline.build.workshop import Workshop
from runtime.oci.layout import Layout
from runtime.oci.platform import own_architecture


@pytest.fixture
def packages(store):
    """Return a function that fetches packages of a suite with all that they need: name → .deb."""

    def fetch(suite, *names):
        request = DebianRequest(suite=suite, packages=names, architecture=own_architecture())
        with Fetcher(store / "cache", read_sources(os.environ, Path.home())) as fetcher:
            found = lock_debian(request, fetcher, now=datetime.now(UTC))
            paths = fetcher.fetch_all([each.artifact for each in found])
        return {each.name: path for each, path in zip(found, paths, strict=True)}

    return fetch


@pytest.fixture
def layers():
    """Return a function that makes the layers of packages in a store of their own."""

    def make(files, folder):
        layout = Layout(folder / "oci")
        workshop = Workshop(layout=layout, trees=trees_of(folder, layout), records=folder / "builds")
        hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
        return DebianLayers(workshop=workshop, hashes=hashes, files=files, epoch=epoch_of(files)).make()

    return make
