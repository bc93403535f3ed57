"""No false alarm on whole images: those of our own specs in the store, and the smallest tree that mmdebstrap makes."""

import gzip
import io
import os
import shutil
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from crafted_images import RUN, add_image

from pipeline.cli.command_line import start
from pipeline.lint.lint import lint
from runtime.oci.layout import Layout
from runtime.oci.pack import pack_tree

ROOT = Path(__file__).parents[2]
SPECS = sorted(each.stem for each in (ROOT / "envs").glob("*.yaml"))

MINBASE = {
    ("host-name", "etc/hostname"): "copied from the machine, as its manual says",
    ("resolv-conf", "etc/resolv.conf"): "likewise",
    ("account-backup", "etc/group-"): "left by the scripts of base-passwd and passwd",
    ("account-backup", "etc/passwd-"): "likewise",
    ("database-backup", "var/cache/debconf/config.dat-old"): "left by debconf",
    ("database-backup", "var/cache/debconf/templates.dat-old"): "likewise",
    ("database-backup", "var/lib/dpkg/diversions-old"): "left by dpkg",
    ("database-backup", "var/lib/dpkg/status-old"): "likewise",
    ("no-user", ""): "a base names no user",
}
"""What is told of a tree by mmdebstrap: all of it is there. At most ten, which a test holds."""


@pytest.fixture
def store():
    chosen = os.environ.get("SEATRIAL_TEST_STORE") or os.environ.get("SEATRIAL_STORE")
    return Path(chosen) if chosen else Path.home() / ".local/share/seatrial"


@pytest.mark.bar("5 lint", slice=1)
@pytest.mark.parametrize("name", SPECS)
def test_image_of_own_spec_has_no_finding(store, name):
    layout = Layout.existing(store / "oci") if (store / "oci" / "oci-layout").is_file() else None
    described = layout.resolve(name) if layout else None
    if described is None:
        pytest.skip(f"{name} was not built into the store here")
    assert lint(layout, name, described.digest).findings == ()


@pytest.mark.bar("5 lint")
def test_packed_tree_has_no_finding(tmp_path):
    tree = tmp_path / "tree"
    (tree / "app").mkdir(parents=True)
    (tree / "app/main.py").write_text("print()\n", encoding="utf-8")
    (tree / "bin").symlink_to("usr/bin")
    for folder in (tree, tree / "app"):
        folder.chmod(0o755)
    (tree / "app/main.py").chmod(0o644)
    out = io.BytesIO()
    descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        pack_tree(descriptor, out, epoch=1_700_000_000)
    finally:
        os.close(descriptor)
    layout = Layout(tmp_path / "oci")
    digest = add_image(layout, [gzip.decompress(out.getvalue())], {**RUN, "Entrypoint": [], "Cmd": ["python3"]})
    assert lint(layout, "packed", digest).findings == ()


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.bar("5 lint")
def test_smallest_tree_of_mmdebstrap_has_the_listed_findings_at_most(tmp_path):
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    made = tmp_path / "minbase.tar"
    command = ["mmdebstrap", "--variant=minbase", "bookworm", str(made)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=900)
    layout = Layout(tmp_path / "oci")
    run = {"Cmd": ["/bin/bash"], "Env": ["PATH=/usr/bin"]}
    add_image(layout, [_without_devices(made)], run, created=datetime.now(UTC).isoformat())
    linted = lint(layout, "minbase", layout.resolve("crafted").digest)
    found = {(rule.code, each.path) for rule, told in linted.findings for each in told}
    assert len(MINBASE) <= 10
    assert found - MINBASE.keys() == set()
    assert start(["lint", f"oci:{layout.root}"], program="seatrial") == 0


def _without_devices(made):
    """Return the archive as builders of images pack it: the runtime makes what lies in /dev."""
    out = io.BytesIO()
    with tarfile.open(made) as read, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as written:
        for member in read:
            member.uname = member.gname = ""
            if not member.isdev():
                written.addfile(member, read.extractfile(member) if member.isreg() else None)
    return out.getvalue()
