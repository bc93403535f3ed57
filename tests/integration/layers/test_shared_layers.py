"""What images of several envs share by bytes, and what one wheel of another version changes: the layers' blobs tell.

No env knows of another one: each is built from its own lock alone.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout

ROOT = Path(__file__).parents[3]
HERE = "tests/integration/layers/envs"
ENVS = (
    "envs/bottle.yaml",
    "envs/itsdangerous.yaml",
    "envs/schedule.yaml",
    "envs/web.yaml",
    "envs/examples/flask.yaml",
    "envs/examples/npm.yaml",
    "envs/examples/python-dotenv.yaml",
    "envs/examples/send2trash.yaml",
    f"{HERE}/letters.yaml",
    f"{HERE}/pages.yaml",
)
SLICE = ("envs/schedule.yaml", f"{HERE}/wheels.yaml")
"""Locked at two times, each over Debian packages that other tests build too."""
BUMPED = ('"markupsafe==3.0.4"', '"markupsafe==3.0.3"')
MOST_LAYERS = 40

pytestmark = [pytest.mark.network]


def run(store, *arguments):
    environment = {**os.environ, "SEATRIAL_STORE": str(store)}
    command = [sys.executable, "-m", "pipeline.cli.main", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def blobs(store, spec):
    """Build a spec; return digest → size of the layers of its image."""
    found = json.loads(run(store, "build", "--locked", "--json", str(spec)))
    layers = Image.open(Layout(store / "oci"), Digest(found["image"])).layers
    assert len(layers) <= MOST_LAYERS
    return {each.descriptor.digest: each.descriptor.size for each in layers}


def told(capsys, text):
    with capsys.disabled():
        print(f"\n{text}")


def share(images):
    """Return which share of all bytes a registry that takes all images needs no second time."""
    total = sum(sum(each.values()) for each in images)
    unique = {digest: size for each in images for digest, size in each.items()}
    return 1 - sum(unique.values()) / total


def bumped(store, spec, folder):
    """Return the layers of an env with one wheel of another version, locked from the old lock; all else stays."""
    old, new = ROOT / spec, folder / Path(spec).name
    text = old.read_text()
    assert BUMPED[0] in text
    new.write_text(text.replace(*BUMPED))
    new.with_suffix(".lock.json").write_bytes(old.with_suffix(".lock.json").read_bytes())
    run(store, "lock", str(new))
    return blobs(store, new)


@pytest.mark.bar("5 layers")
def test_two_envs_share_most_bytes_and_a_bumped_wheel_changes_few(store, tmp_path, capsys):
    images = [blobs(store, each) for each in SLICE]
    found = share(images)
    new = bumped(store, SLICE[-1], tmp_path)
    changed = sum(size for digest, size in new.items() if digest not in images[-1]) / sum(new.values())
    told(capsys, f"bar 5 layers: {found:.1%} of bytes shared over {len(images)} envs; {changed:.2%} re-pushed")
    assert found >= 0.4, "of two equal images it would be a half"
    assert 0 < changed <= 0.05


@pytest.mark.slow
@pytest.mark.bar("5 layers")
def test_ten_envs_share_most_bytes(store, capsys):
    images = [blobs(store, each) for each in ENVS]
    found, counts = share(images), sorted(map(len, images))
    told(
        capsys,
        f"bar 5 layers: {found:.1%} of bytes shared over {len(images)} envs, with {counts[0]} to {counts[-1]} layers",
    )
    assert found >= 0.6
