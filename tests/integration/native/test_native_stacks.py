"""Trees that the machine's root stacks: needed on older kernels only, and the same on every one."""

# ruff: noqa: PTH102, PTH208

import gc
import os
import shutil
from pathlib import Path

import pytest

from runtime.backends.native.idmap import BASE
from runtime.backends.native.stacks import is_needed, lacks_attributes, leave_mounts, stacked

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root stacks trees for its runs")


def lay_lower(folder: int) -> None:
    os.fchdir(folder)
    for name in ("hidden", "kept", "replaced"):
        os.makedirs(f"{name}/inner")  # noqa: PTH103
    Path("gone").write_text("")


def lay_upper(folder: int) -> None:
    os.fchdir(folder)
    os.mknod("gone", 0o020000, 0)
    os.mkdir("hidden")
    os.setxattr("hidden", "user.overlay.opaque", b"y")


def in_child(function) -> str:
    """Call a function in a child with mounts of its own, and return what it found."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        found = "the child failed"
        try:
            leave_mounts()
            found = function()
        except BaseException as error:  # noqa: BLE001 - told to the test
            found = repr(error)
        finally:
            os.write(write, found.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answers:
        found = answers.read()
    os.waitpid(pid, 0)
    return found


def paths(folder: str) -> str:
    return " ".join(sorted(str(each.relative_to(folder)) for each in Path(folder).rglob("*")))


def test_layers_are_stacked_with_what_they_hide(layer):
    layers = [str(layer(lay_lower)), str(layer(lay_upper))]

    def look() -> str:
        with stacked(layers, BASE) as stack:
            return paths(f"{stack.place}/root")

    assert in_child(look) == "hidden kept kept/inner replaced replaced/inner"


def test_replaced_folder_is_empty_without_attributes_of_users(layer):
    layers = [str(layer(lay_lower))]

    def replace() -> str:
        with stacked(layers, BASE) as stack:
            folder = Path(stack.place, "root", "replaced")
            shutil.rmtree(folder)
            folder.mkdir()
            marks = os.listxattr(Path(stack.place, "upper", "replaced"))
            return f"{os.listdir(folder)} {marks}"

    assert in_child(replace) == "[] ['trusted.overlay.opaque']"


def test_nothing_is_left_mounted(layer):
    layers = [str(layer(lay_lower)), str(layer(lay_upper))]

    def mount_and_look() -> str:
        gc.collect()  # what the caller let go of is closed now, and not meanwhile
        before = Path("/proc/self/mountinfo").read_text(), os.listdir("/proc/self/fd")
        with stacked(layers, BASE) as stack:
            assert os.path.ismount(f"{stack.place}/root")
        after = Path("/proc/self/mountinfo").read_text(), os.listdir("/proc/self/fd")
        return "same" if before == after else f"{before}\n{after}"

    before = Path("/proc/self/mountinfo").read_text()
    assert in_child(mount_and_look) == "same"
    assert Path("/proc/self/mountinfo").read_text() == before


def test_need_is_what_the_kernels_tmpfs_says():
    descriptor = os.memfd_create("probe")
    try:
        os.setxattr(descriptor, "user.a", b"")
        has = True
    except OSError:
        has = False
    os.close(descriptor)
    assert lacks_attributes() is is_needed() is not has
