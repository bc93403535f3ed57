"""The OCI command line by itself: the life of a container, what it refuses, and what a hostile bundle cannot reach."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.bar("oci command line")


def test_container_lives_through_created_running_and_stopped(bundle):
    bundle.document["process"]["args"] = ["sh", "-c", "echo begun; exec sleep 100"]
    pid_file, output = bundle.folder / "pid", bundle.folder / "output"
    with output.open("w") as file:
        assert bundle.create(f"--pid-file={pid_file}", stdout=file) == 0
    state = bundle.state()
    assert state["status"] == "created"
    assert state["pid"] == int(pid_file.read_text())
    assert (state["id"], state["ociVersion"], state["bundle"]) == (bundle.name, "1.0.2", str(bundle.folder))
    assert output.read_text() == ""  # its program has not begun
    assert bundle("start").returncode == 0
    assert bundle.state()["status"] == "running"
    assert bundle("start").returncode == 1
    assert bundle("delete").returncode == 1
    assert bundle("kill", "KILL").returncode == 0
    await_status(bundle, "stopped")
    assert "pid" not in bundle.state()
    assert bundle("kill", "TERM").returncode == 1
    assert bundle("delete").returncode == 0
    missing = bundle("state")
    assert missing.returncode == 1
    assert "does not exist" in missing.stderr
    assert output.read_text() == "begun\n"
    assert bundle.leftovers() == []


def await_status(bundle, status):
    end = time.monotonic() + 20
    while bundle.state()["status"] != status:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_run_gives_streams_and_exit_code_and_leaves_nothing(bundle):
    done = bundle.run("sh", "-c", "echo $GREETING; pwd; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "hello\n/\n", "err\n")
    assert bundle.leftovers() == []


def test_run_of_a_program_that_a_signal_ends_gives_its_number(bundle):
    bundle.document["process"]["args"] = ["sh", "-c", "sh -c 'kill -KILL $$'; exit $?"]
    assert bundle("run").returncode == 137


def test_user_groups_umask_folder_and_hostname_are_the_bundles(bundle):
    bundle.document["process"] |= {
        "user": {"uid": 1000, "gid": 1000, "additionalGids": [55], "umask": 0o027},
        "cwd": "/new/folder",
        "noNewPrivileges": False,
    }
    done = bundle.run(
        "sh", "-c", "id; pwd; umask; cat /proc/sys/kernel/hostname; grep -E 'Cap(Eff|Inh)|Seccomp:' /proc/self/status"
    )
    ids, folder, umask, hostname, *rights = done.stdout.splitlines()
    assert ids == "uid=1000(app) gid=1000(app) groups=55"
    assert (folder, umask, hostname) == ("/new/folder", "0027", "trial")
    assert [each.split()[1] for each in rights] == ["0" * 16, "0" * 16, "2"]


def test_filter_of_the_bundle_is_in_effect(bundle):
    done = bundle.run("mkdir", "/x")
    assert "Operation not supported" in done.stderr


def test_limits_of_the_bundle_are_in_effect(bundle):
    bundle.document["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}]
    bundle.document["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 20}}
    mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}
    bundle.document["mounts"].append(mount)
    script = (
        "ulimit -Sn; ulimit -Hn; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory/memory.*limit_in_bytes 2>&1"
    )
    done = bundle.run("sh", "-c", script)
    if "refused (resource)" in done.stderr:
        pytest.skip("no control group may be made here")
    assert done.stdout.split()[:3] == ["50", "60", "20"]
    assert str(64 << 20) in done.stdout
    assert "Read-only" in bundle.run("sh", "-c", "echo 1 > /sys/fs/cgroup/pids/pids.max").stderr


def test_exec_runs_in_the_container(bundle):
    bundle.document["process"]["args"] = ["sleep", "100"]
    assert bundle.create() == 0
    assert bundle("start").returncode == 0
    done = bundle("exec", "sh", "-c", "echo $GREETING; ps | grep -c 'sleep 100'; exit 5")
    assert done.returncode == 5
    assert done.stdout.startswith("hello\n")
    assert bundle("exec", "mkdir", "/x").returncode == 1  # the same filter
    missing = bundle("exec", "no-such-program")
    assert missing.returncode == 1
    assert "executable file not found in $PATH" in missing.stderr
    assert bundle("kill", "KILL").returncode == 0
    await_status(bundle, "stopped")
    assert "stopped" in bundle("exec", "true").stderr


def test_terminal_is_handed_to_the_console_socket(bundle):
    bundle.document["process"] |= {
        "terminal": True,
        "args": ["sh", "-c", "test -t 0 && echo a terminal; ls /dev/console"],
    }
    path = bundle.folder / "console"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert bundle("create", f"--console-socket={path}").returncode == 0
        connection, _ = listener.accept()
        _, (terminal,), _, _ = socket.recv_fds(connection, 100, 1)
        connection.close()
    assert bundle("start").returncode == 0
    shown = b""
    try:
        while chunk := os.read(terminal, 1000):
            shown += chunk
    except OSError:  # EIO: its other end is closed
        pass
    os.close(terminal)
    assert shown == b"a terminal\r\n/dev/console\r\n"


def test_name_that_is_taken_or_is_a_path_is_refused(bundle):
    bundle.document["process"]["args"] = ["sleep", "100"]
    assert bundle.create() == 0
    assert "already exists" in bundle("create").stderr
    done = subprocess.run(
        [bundle.runtime, "--root", bundle.states, "state", "../x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no name for a container" in done.stderr


@pytest.mark.parametrize(
    ("place", "value", "feature"),
    [
        (("root", "path"), "missing", "root-path"),
        (("process", "terminal"), True, "terminal"),
        (("hooks",), {"prestart": [{"path": "/bin/true"}]}, "hooks"),
        (("process", "rlimits"), [{"type": "RLIMIT_NOFILE", "soft": 1 << 40, "hard": 1 << 40}], "rlimit"),
        (("linux", "sysctl"), {"net.no.such.thing": "1"}, "sysctl"),
    ],
    ids=str,
)
def test_refused_bundle_leaves_nothing(bundle, place, value, feature):
    part = bundle.document
    for each in place[:-1]:
        part = part[each]
    part[place[-1]] = value
    done = bundle("create")
    assert done.returncode == 1
    assert f"refused ({feature})" in done.stderr
    assert bundle.leftovers() == []


def test_preserved_descriptors_are_refused(bundle):
    assert "refused (preserved-descriptors)" in bundle("create", "--preserve-fds=1").stderr


def test_log_gets_the_error_as_json(bundle):
    log = bundle.folder / "log"
    command = [bundle.runtime, "--root", bundle.states, "--log", log, "--log-format=json", "start", "nobody"]
    subprocess.run(command, check=False, capture_output=True)
    line = json.loads(log.read_text())
    assert (line["level"], line["msg"]) == ("error", "container nobody does not exist")


def test_program_that_is_missing_fails_at_create(bundle):
    bundle.document["process"]["args"] = ["no-such-program"]
    assert "executable file not found in $PATH" in bundle("create").stderr
    bundle.document["process"]["args"] = ["/etc/passwd"]
    assert "permission denied" in bundle("create").stderr
    assert bundle.leftovers() == []


def test_process_that_waits_runs_from_a_sealed_copy(bundle):
    """CVE-2019-5736: what a container reaches as /proc/PID/exe is no file of this machine, and cannot be written."""
    bundle.document["process"]["args"] = ["true"]
    assert bundle.create() == 0
    exe = Path(f"/proc/{bundle.state()['pid']}/exe")
    assert str(exe.readlink()).startswith("/memfd:seatrial-oci")
    with pytest.raises(OSError, match=r"busy|not permitted"):
        exe.open("r+b")
    held = os.open(exe, os.O_PATH)  # what a hostile program keeps until its maker has gone
    bundle.end()
    writable = os.open(f"/proc/self/fd/{held}", os.O_RDWR)
    with pytest.raises(PermissionError):
        os.write(writable, b"x")
    os.close(writable)
    os.close(held)


def test_program_whose_interpreter_is_its_maker_does_not_reach_it(bundle):
    before = Path(sys.executable).resolve().stat()
    script = bundle.folder / "rootfs/bin/trap"
    script.write_text("#!/proc/self/exe\n")
    script.chmod(0o755)
    assert bundle.run("/bin/trap").returncode != 0
    after = Path(sys.executable).resolve().stat()
    assert (after.st_mtime_ns, after.st_ino, after.st_size) == (before.st_mtime_ns, before.st_ino, before.st_size)


@pytest.mark.parametrize(
    "number", [pytest.param(each, marks=() if each in (3, 9, 20) else pytest.mark.slow) for each in range(3, 21)]
)
def test_working_folder_through_a_leaked_descriptor_is_refused(bundle, number):
    """CVE-2024-21626."""
    leaked = os.open("/", os.O_RDONLY)
    try:
        os.dup2(leaked, number + 100)
        bundle.document["process"]["cwd"] = f"/proc/self/fd/{number}"
        done = bundle.run("ls", pass_fds=(number + 100,), preexec_fn=lambda: os.dup2(number + 100, number))
    finally:
        os.close(leaked)
        os.close(number + 100)
    assert done.returncode == 1
    assert done.stdout == ""


def test_leaked_descriptors_do_not_come_in(bundle):
    leaked = os.open("/etc/passwd", os.O_RDONLY)
    done = bundle.run("sh", "-c", "for each in /proc/self/fd/*; do echo ${each##*/}; done", pass_fds=(leaked,))
    os.close(leaked)
    assert set(done.stdout.split()) <= {"0", "1", "2", "3", "4"}
    assert bundle.run("ls", "-l", "/proc/1/fd").stdout.count("->") == 3


def test_devices_of_the_machine_keep_their_mode_and_no_other_opens(bundle):
    bundle.document["process"]["capabilities"]["bounding"].append("CAP_MKNOD")
    mode = stat.S_IMODE(Path("/dev/null").stat().st_mode)
    script = "chmod 600 /dev/null; chown 1000 /dev/zero; chmod 600 /proc/keys; mknod /d c 1 3 && cat /d"
    script += "; echo written > /dev/null && echo written"
    done = bundle.run("sh", "-c", script)
    assert stat.S_IMODE(Path("/dev/null").stat().st_mode) == mode
    assert Path("/dev/zero").stat().st_uid == 0
    assert done.stdout == "written\n"
    assert done.stderr.count("Read-only file system") >= 2
    assert "/d': Permission denied" in done.stderr or "/d: Permission denied" in done.stderr


@pytest.mark.parametrize("place", ["proc", "dev", "sys"])
def test_kernel_folder_that_is_a_link_is_refused(bundle, place):
    """CVE-2026-41579."""
    (bundle.folder / "rootfs" / place).symlink_to("/tmp")
    done = bundle("create")
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert bundle.leftovers() == []


def test_mount_through_a_link_stays_inside(bundle):
    outside = bundle.folder / "outside"
    outside.mkdir()
    (bundle.folder / "rootfs/link").symlink_to(outside)
    source = bundle.folder / "source"
    source.mkdir()
    mount = {"destination": "/link/made", "type": "bind", "source": str(source), "options": ["bind", "ro"]}
    bundle.document["mounts"].append(mount)
    bundle.run("true")
    assert list(outside.iterdir()) == []


def test_group_with_processes_of_another_is_refused_and_they_live(bundle):
    group = next((each for each in Path("/sys/fs/cgroup").glob("pids")), None)
    if group is None:
        pytest.skip("no control group may be made here")
    own = group / f"seatrial-test-busy-{os.getpid()}"
    own.mkdir()
    sleeper = subprocess.Popen(["sleep", "100"])
    try:
        (own / "cgroup.procs").write_text(str(sleeper.pid))
        bundle.document["linux"]["cgroupsPath"] = f"/{own.name}"
        assert "has processes in it" in bundle("create").stderr
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()
        own.rmdir()


def test_killed_maker_leaves_what_delete_by_force_removes(bundle):
    bundle.document["process"]["args"] = ["sleep", "100"]
    (bundle.folder / "config.json").write_text(json.dumps(bundle.document))
    for pause in (0.0, 0.05, 0.1, 0.15, 0.2):
        command = [bundle.runtime, "--root", bundle.states, "create", "--bundle", bundle.folder, bundle.name]
        maker = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(pause)
        maker.kill()
        maker.wait()
        assert bundle("delete", "--force").returncode == 0
        assert bundle.leftovers() == [] or all("/sys/fs/cgroup" in each for each in bundle.leftovers())
