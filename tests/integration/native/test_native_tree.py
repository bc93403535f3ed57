"""The tree that a run sees, and what is read of it afterwards."""

# ruff: noqa: PTH110

import os
from pathlib import Path

import pytest

from runtime.backends.native.backend import NativeBackend, run_in_tree
from runtime.backends.native.mapped import run_mapped
from runtime.digest import Digest
from runtime.errors import BackendError
from runtime.plan import Bind, File, Tmpfs


def test_writable_root_takes_writes_and_lists_them(run):
    line = "echo x > /app/new; rm /etc/passwd; mkdir -p /opt/a; echo y > /opt/a/b"
    outcome = run("sh", "-c", line, host={"user": "root"})
    assert outcome.exit_code == 0, outcome
    assert outcome.changed == ("/app/new", "/etc/passwd", "/opt", "/opt/a", "/opt/a/b")


def test_tree_is_as_new_in_the_next_run(run, sh):
    run("rm", "/etc/passwd", host={"user": "root"})
    assert "app" in sh("cat /etc/passwd")


def test_run_that_writes_nothing_changes_nothing(run):
    assert run("true").changed == ()


def test_read_only_root_refuses_writes_but_for_home_tmp_and_out(run):
    line = "echo > /app/x || echo refused; echo > /tmp/x; echo > ~/x; echo > /.seatrial/out/x; echo > /dev/shm/x"
    outcome = run("sh", "-c", line, host={"root-filesystem": "read-only"})
    assert (outcome.exit_code, outcome.stdout.content) == (0, b"refused\n"), outcome
    assert b"Read-only file system" in outcome.stderr.content


def test_noexec_tmp_runs_no_program(run):
    line = "cat /bin/true > /tmp/t; chmod 755 /tmp/t; /tmp/t"
    assert run("sh", "-c", line).exit_code == 0
    assert run("sh", "-c", line, host={"tmp": "noexec"}).exit_code == 126


def test_shm_has_the_size_of_its_level(sh):
    assert sh("stat -f -c %b,%S /dev/shm", host={"shm": "1M"}) == "256,4096\n"


def test_file_link_bind_and_tmpfs_of_a_plan_are_there(sh):
    found = sh(
        "cat /opt/x/file; readlink /opt/link; ls /again; stat -c %a /scratch",
        files=(File(path="/opt/x/file", content=b"laid\n"), File(path="/opt/link", link="/etc/passwd")),
        binds=(Bind(source="/app", path="/again", writable=False),),
        tmpfs=(Tmpfs(path="/scratch", size=4096, mode=0o700),),
    )
    assert found == "laid\n/etc/passwd\n700\n"


def test_results_and_artifacts_are_brought_out(run):
    line = "echo r > /.seatrial/out/r; mkdir out; echo a > out/a.json; echo b > out/b.txt"
    outcome = run(
        "sh", "-c", line, host={"user": "root"}, results="/.seatrial/out/r", artifacts=("out/*.json", "nothing/**")
    )
    assert outcome.results == b"r\n"
    assert outcome.artifacts == {"out/a.json": Digest.of(b"a\n")}


def test_results_of_a_killed_run_are_brought_out(run):
    outcome = run("sh", "-c", "echo kept > /.seatrial/out/r; sleep 60", results="/.seatrial/out/r", deadline=700)
    assert outcome.results == b"kept\n"


def test_missing_results_are_none(run):
    assert run("true", results="/.seatrial/out/r").results is None


@pytest.mark.parametrize("path", ["/proc", "/sys", "/dev"])
def test_link_of_an_image_in_place_of_a_kernel_folder_is_refused(layer, rootfs, plan, path):
    upper = layer(lambda folder: os.symlink("/tmp", path.lstrip("/"), dir_fd=folder))
    with NativeBackend(lambda _: (rootfs, upper)) as backend, pytest.raises(BackendError, match=f"{path} is no folder"):
        backend.start(plan("true"))


def test_masked_and_read_only_kernel_paths_cannot_be_used(run):
    line = "cat /proc/kcore | head -c 1; echo 1 > /proc/sys/kernel/hostname; ls /sys/firmware; echo x > /sys/kernel/x"
    outcome = run("sh", "-c", line, host={"user": "root"})
    assert outcome.stdout.content == b""
    assert outcome.stderr.content.count(b"Read-only file system") == 2


def test_machines_tree_cannot_be_reached(sh):
    assert sh("cat /proc/self/mountinfo").count(str(Path.home())) == 0
    assert sh("ls /..").split() == sh("ls /").split()


def test_run_in_tree_writes_in_place_under_the_ids_of_a_run(own_tree, plan):
    line = "echo made > /opt-file; chown 7:8 /opt-file 2>/dev/null || true; echo err >&2; exit 3"
    outcome = run_in_tree(own_tree, plan("sh", "-c", line, host={"user": "root"}))
    assert (outcome.exit_code, outcome.stderr.content) == (3, b"err\n")
    assert outcome.evidence == {}

    def look(folder):
        found = os.stat("opt-file", dir_fd=folder)
        return found.st_uid, found.st_size, os.path.exists(f"/proc/self/fd/{folder}/.seatrial/out")

    assert run_mapped(look, directories=(own_tree,)) == (0, 5, False)


def test_run_over_layers_keeps_what_it_writes_in_the_given_folder(rootfs, layer, plan):
    line = "mkdir /opt-dir && echo made > /opt-dir/file && rm /etc/passwd && echo x >> /etc/group"
    tree, work = layer(lambda _: None), layer(lambda _: None)
    outcome = run_in_tree(tree, plan("sh", "-c", line, host={"user": "root"}), below=(rootfs,), work=work)
    assert (outcome.exit_code, outcome.stderr.content) == (0, b"")

    def look(folder):
        os.fchdir(folder)
        return Path("opt-dir/file").read_text(), Path("etc/passwd").is_char_device(), Path(".seatrial/out").exists()

    assert run_mapped(look, directories=(tree,)) == ("made\n", True, False)
    assert run_mapped(lambda folder: os.stat("etc/passwd", dir_fd=folder).st_size > 0, directories=(rootfs,))
