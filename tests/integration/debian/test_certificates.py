"""The certificates that an image trusts: the layers are the same when Debian's own script makes links and bundle."""

import hashlib
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from mutant import disabled

from pipeline.build.certificates import KNOWN, PACKAGE, before_scripts
from pipeline.build.ecosystems.debian.deb import read_deb

BY_SCRIPT = ("pipeline.build.certificates", "if PACKAGE not in packages:", "if True:")
"""The change with which the program never stands in the script's place."""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie"])
def test_layers_are_the_same_when_the_script_makes_links_and_bundle(packages, layers, tmp_path, suite):
    files = packages(suite, PACKAGE)
    assert _script(files[PACKAGE]) in KNOWN
    ours = layers(files, tmp_path / "ours")
    with disabled(*BY_SCRIPT):
        assert before_scripts([PACKAGE]) == ""
        assert layers(files, tmp_path / "other") == ours


def _script(path):
    """Return the SHA-256 of the script that a package ships."""
    with read_deb(path).open_data() as archive:
        contents = (
            archive.extractfile(each).read() for each in archive if each.name.endswith("/update-ca-certificates")
        )
        return hashlib.sha256(next(contents)).hexdigest()
