"""The certificates that an image trusts: the layers are the same when Debian's own script makes links and bundle."""

import hashlib
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from debian_trees import epoch_of
from mutant import disabled

from pipeline.build.certificates import KNOWN, PACKAGE, before_scripts
from pipeline.build.debian import DebianLayers
from pipeline.build.ecosystems.debian.archive import DebianRequest
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.ecosystems.debian.lock import lock_debian
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import read_sources
from pipeline.build.unpacked import trees_of
from pipeline.build.workshop import Workshop
from runtime.oci.layout import Layout
from runtime.oci.platform import own_architecture

BY_SCRIPT = ("pipeline.build.certificates", "if PACKAGE not in packages:", "if True:")
"""The change with which the program never stands in the script's place."""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie"])
def test_layers_are_the_same_when_the_script_makes_links_and_bundle(store, tmp_path, suite):
    request = DebianRequest(suite=suite, packages=(PACKAGE,), architecture=own_architecture())
    with Fetcher(store / "cache", read_sources(os.environ, Path.home())) as fetcher:
        found = lock_debian(request, fetcher, now=datetime.now(UTC))
        paths = fetcher.fetch_all([each.artifact for each in found])
    files = {each.name: path for each, path in zip(found, paths, strict=True)}
    assert _script(files[PACKAGE]) in KNOWN
    ours = _layers(files, tmp_path / "ours")
    with disabled(*BY_SCRIPT):
        assert before_scripts([PACKAGE]) == ""
        assert _layers(files, tmp_path / "other") == ours


def _script(path):
    """Return the SHA-256 of the script that a package ships."""
    with read_deb(path).open_data() as archive:
        contents = (
            archive.extractfile(each).read() for each in archive if each.name.endswith("/update-ca-certificates")
        )
        return hashlib.sha256(next(contents)).hexdigest()


def _layers(files, folder):
    layout = Layout(folder / "oci")
    workshop = Workshop(layout=layout, trees=trees_of(folder, layout), records=folder / "builds")
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return DebianLayers(workshop=workshop, hashes=hashes, files=files, epoch=epoch_of(files)).make()
