"""Each wall of a container, taken away: the test that counts on it would fail."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.bar("oci command line")

PACKAGE = "runtime.backends.native.bundle"


def test_without_the_sealed_copy_the_interpreter_of_the_machine_is_reachable(mutant):
    bundle = mutant(f"{PACKAGE}.command_line", "and not sealed.is_sealed()", "and False")
    bundle.document["process"]["args"] = ["true"]
    assert bundle.create() == 0
    exe = Path(f"/proc/{bundle.state()['pid']}/exe")
    assert not str(exe.readlink()).startswith("/memfd:")


def test_without_nodev_a_device_node_of_its_own_opens(mutant):
    bundle = mutant(f"{PACKAGE}.recipe", 'AddFlags("/", MS_NODEV),', 'AddFlags("/", 0),')
    bundle.document["process"]["capabilities"]["bounding"].append("CAP_MKNOD")
    done = bundle.run("sh", "-c", "mknod /d c 1 3 && cat /d && echo opened")
    assert done.stdout == "opened\n"


def test_without_closing_descriptors_a_leaked_one_comes_in(mutant):
    bundle = mutant(f"{PACKAGE}.arrival", "begin = _FIRST\n", "return\n")
    leaked = os.open("/etc/passwd", os.O_RDONLY)
    done = bundle.run("ls", "-l", "/proc/self/fd", pass_fds=(leaked,))
    os.close(leaked)
    assert "/etc/passwd" in done.stdout


def test_without_the_look_at_a_group_anothers_processes_are_ended(mutant):
    own = Path(f"/sys/fs/cgroup/pids/seatrial-test-mutant-{os.getpid()}")
    if not own.parent.is_dir():
        pytest.skip("no control group may be made here")
    bundle = mutant(f"{PACKAGE}.groups", "if file.read(1):", "if False:")
    bundle.document["linux"]["cgroupsPath"] = f"/{own.name}"
    own.mkdir()
    sleeper = subprocess.Popen(["sleep", "100"])
    try:
        (own / "cgroup.procs").write_text(str(sleeper.pid))
        assert bundle.run("true").returncode == 0
        assert sleeper.wait(20) == -9
    finally:
        sleeper.kill()
        sleeper.wait()
        if own.exists():
            own.rmdir()


def test_without_the_check_of_its_parents_a_link_at_dev_is_followed(mutant):
    bundle = mutant(
        "runtime.backends.native.steps.kernel_files",
        "descriptor = mounts.open_inside(root, path, os.O_PATH | os.O_DIRECTORY, links=False)",
        "descriptor = mounts.open_inside(root, path, os.O_PATH | os.O_DIRECTORY, links=True)",
    )
    (bundle.folder / "rootfs/sys").symlink_to("/tmp")
    assert "refused" not in bundle.run("true").stderr
