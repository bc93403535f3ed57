"""Images that cannot be run, through the command line: the same message, exit 125, and nothing is unpacked."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from bad_inputs_desk import check_golden
from busybox_image import lay_index, lay_layout

REFUSED = {
    "image_without_a_layout": ["oci:nowhere"],
    "image_without_a_version": ["oci:bare"],
    "image_that_is_not_listed": ["oci:two:c"],
    "image_that_is_ambiguous": ["oci:two"],
    "image_digest_is_not_there": ["oci:two@sha256:" + "0123456789abcdef" * 4],
    "image_digest_is_malformed": ["sha256:0123"],
    "image_digest_is_not_in_the_store": ["sha256:" + "0123456789abcdef" * 4],
    "image_of_another_architecture": ["oci:arm"],
    "image_of_another_system": ["oci:windows"],
    "image_index_without_this_architecture": ["oci:foreign"],
    "image_without_a_command": ["oci:idle"],
    "image_of_an_unknown_user": ["oci:somebody"],
    "image_of_a_user_beyond_the_range": ["oci:far"],
    "image_in_a_relative_folder": ["oci:relative"],
    "image_of_an_archive": ["docker-archive:image.tar"],
    "image_of_a_registry": ["registry.example.org/app:1.0"],
    "image_name_is_unknown": ["wbe"],
    "image_names_nothing": ["oci:"],
}


@pytest.mark.bar("6 bad inputs", slice=3)
@pytest.mark.parametrize("name", REFUSED)
def test_image_that_cannot_be_run_is_refused(name, desk, tmp_path):
    lay_layout(desk.project / "two", "a")
    lay_layout(desk.project / "two", "b", Cmd=["/bin/sh"])
    lay_layout(desk.project / "arm", architecture="arm64")
    lay_layout(desk.project / "windows", os="windows")
    lay_layout(desk.project / "idle", Cmd=[])
    lay_layout(desk.project / "somebody", User="somebody")
    lay_layout(desk.project / "far", User="70000:70000")
    lay_layout(desk.project / "relative", WorkingDir="srv")
    lay_index(desk.project / "foreign", {"arm64": {}, "s390x": {}})
    (desk.project / "bare").mkdir()
    user = replace(desk, store=tmp_path / "store")
    seen = user.type("run", *REFUSED[name], "--no-progress")
    check_golden(name, seen)
    assert (seen.code, seen.stdout) == (125, "")


def test_image_whose_layer_was_changed_is_refused_and_not_kept(desk, tmp_path):
    folder = desk.project / "changed"
    manifest = json.loads((folder / "blobs/sha256" / lay_layout(folder)[7:]).read_bytes())
    layer = folder / "blobs/sha256" / manifest["layers"][0]["digest"][7:]
    layer.write_bytes(layer.read_bytes()[:-1] + b"x")
    user = replace(desk, store=tmp_path / "store")
    seen = user.type("run", "oci:changed")
    assert seen.code == 125
    assert "[" in seen.stderr
    assert not [each for each in (user.store / "trees").iterdir() if each.name != ".locks"]


def test_blob_that_is_a_pipe_does_not_keep_anybody_waiting(desk, tmp_path):
    folder = desk.project / "pipe"
    digest = lay_layout(folder)
    (folder / "blobs/sha256" / digest[7:]).unlink()
    os.mkfifo(folder / "blobs/sha256" / digest[7:])
    seen = replace(desk, store=tmp_path / "store").type("run", "oci:pipe")
    assert seen.code == 125
    assert "is no regular file" in seen.stderr
