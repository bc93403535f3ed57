"""Debian's podman runs an image through our OCI command line, and crun where one can be compared with the other."""

import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.bar("podman drives us")

# podman 4.3 asks for more open files and processes than a machine without CAP_SYS_RESOURCE can give.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
IMAGE = "localhost/trial"
# crun refuses a machine with both versions of control groups; without the second one it runs.
AWAY_WITH_HYBRID = ("unshare", "--mount", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh")


class Podman:
    """podman with a storage of its own."""

    def __init__(self, program: str, runtime: Path, folder: Path, short: Path, before: tuple[str, ...] = ()) -> None:
        self.program, self.runtime, self.folder, self.short, self.before = program, runtime, folder, short, before

    def __call__(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        command = [
            *self.before,
            self.program,
            f"--root={self.folder}/root",
            f"--runroot={self.short}",
            "--cgroup-manager=cgroupfs",
            "--events-backend=file",
            "--storage-driver=vfs",
            f"--runtime={self.runtime}",
            *arguments,
        ]
        # conmon notes an out-of-memory kill in a file of the folder that it is started in.
        options["cwd"] = self.folder
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)

    def run(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        return self("run", "--rm", "--network=none", *LIMITS, *arguments, **options)

    def background(self, name: str, *arguments: str) -> None:
        done = self("run", "--detach", f"--name={name}", "--network=none", *LIMITS, *arguments)
        assert done.returncode == 0, done.stderr

    def inspect(self, name: str, what: str) -> str:
        return self("inspect", f"--format={{{{{what}}}}}", name).stdout.strip()


@pytest.fixture(scope="module")
def podman(
    debian: Callable[[str], str],
    runtime_path: Path,
    tree: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Podman]:
    debian("conmon")
    folder = tmp_path_factory.mktemp("podman")
    archive = folder / "image.tar"
    with tarfile.open(archive, "w") as file:
        file.add(tree(folder / "tree"), arcname=".")
    short = Path(tempfile.mkdtemp(prefix="podman-"))  # podman takes no runroot of more than 50 characters
    found = Podman(debian("podman"), runtime_path, folder, short)
    change = ("--change", "ENV FROM_IMAGE=yes", "--change", "WORKDIR /tmp", "--change", "STOPSIGNAL SIGUSR1")
    imported = found("import", *change, str(archive), IMAGE)
    assert imported.returncode == 0, imported.stderr
    yield found
    found("rm", "--all", "--force", "--time=0")
    for each in (folder / "root", short):
        shutil.rmtree(each, ignore_errors=True)


def test_true_runs_and_leaves_nothing(podman):
    done = podman.run(IMAGE, "/bin/true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    name = podman.run(IMAGE, "sh", "-c", "echo $HOSTNAME").stdout.strip()  # how its id begins
    assert len(name) == 12
    assert list(Path("/sys/fs/cgroup").glob(f"*/libpod_parent/libpod-{name}*")) == []
    assert list(Path("/run/seatrial-oci").glob(f"{name}*")) == []


def test_streams_exit_code_environment_and_folder_are_the_images_and_the_callers(podman):
    done = podman.run("--env=ASKED=1", IMAGE, "sh", "-c", "echo $FROM_IMAGE $ASKED; pwd; echo err >&2; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, "yes 1\n/tmp\n", "err\n")
    assert podman.run("--workdir=/root", IMAGE, "pwd").stdout == "/root\n"
    assert podman.run("--interactive", IMAGE, "cat", input="typed").stdout == "typed"


def test_user_is_found_in_the_image(podman):
    assert podman.run("--user=app", IMAGE, "id").stdout.startswith("uid=1000(app) gid=1000(app)")
    assert podman.run("--user=12:34", IMAGE, "sh", "-c", "id -u; id -g").stdout == "12\n34\n"


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/etc/passwd", 126)])
def test_program_that_cannot_start_gives_the_usual_code(podman, program, code):
    assert podman.run(IMAGE, program).returncode == code


def test_stop_sends_the_images_signal_and_a_second_start_works(podman):
    script = 'trap "echo told; exit 9" USR1; echo up; while :; do sleep 0.1; done'
    podman.background("stopped", IMAGE, "sh", "-c", script)
    end = time.monotonic() + 30
    while "up" not in podman("logs", "stopped").stdout:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert podman("stop", "--time=20", "stopped").returncode == 0
    assert podman("logs", "stopped").stdout == "up\ntold\n"
    assert podman.inspect("stopped", ".State.ExitCode") == "9"
    assert podman("start", "stopped").returncode == 0
    assert podman("kill", "--signal=KILL", "stopped").returncode == 0
    assert podman("wait", "stopped").stdout.strip() == "137"
    assert podman("rm", "stopped").returncode == 0


def test_exec_runs_beside_the_program(podman):
    podman.background("beside", IMAGE, "sleep", "100")
    done = podman(
        "exec", "--env=A=b", "--user=app", "--workdir=/root", "beside", "sh", "-c", "echo $A; id -u; ps; exit 3"
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("b\n1000\n")
    assert "sleep 100" in done.stdout
    assert podman("exec", "beside", "no-such-program").returncode == 127
    assert podman("rm", "--force", "--time=0", "beside").returncode == 0


@pytest.mark.slow
def test_terminal_is_had(podman):
    assert podman.run("--tty", IMAGE, "sh", "-c", "test -t 0 && test -t 1 && echo tty").stdout.splitlines() == ["tty"]


def test_read_only_root_volume_and_tmpfs_are_had(podman, tmp_path):
    (tmp_path / "file").write_text("of the machine")
    assert "Read-only" in podman.run("--read-only", IMAGE, "touch", "/x").stderr
    done = podman.run(f"--volume={tmp_path}:/v:ro", IMAGE, "sh", "-c", "cat /v/file; touch /v/x")
    assert done.stdout == "of the machine"
    assert "Read-only" in done.stderr
    assert podman.run(f"--volume={tmp_path}:/v", IMAGE, "touch", "/v/x").returncode == 0
    assert (tmp_path / "x").exists()
    assert podman.run("--tmpfs=/t:size=1m", IMAGE, "dd", "if=/dev/zero", "of=/t/x", "bs=2M", "count=1").returncode == 1


@pytest.mark.slow
def test_user_namespace_is_had(podman):
    maps = ("--uidmap=0:500000:65536", "--gidmap=0:500000:65536")
    done = podman.run(*maps, IMAGE, "sh", "-c", "cat /proc/self/uid_map; touch /new; stat -c %u /new /bin/busybox")
    assert done.stdout.split() == ["0", "500000", "65536", "0", "0"], done.stderr


@pytest.mark.slow
def test_memory_limit_ends_the_program(podman):
    done = podman.run("--memory=32m", IMAGE, "sh", "-c", "exec dd if=/dev/zero of=/dev/null bs=100M count=1")
    if "refused (resource)" in done.stderr:
        pytest.skip("no control group may be made here")
    assert done.returncode == 137


@pytest.mark.slow
def test_containers_of_a_pod_share_its_network(podman):
    podman.background("first", IMAGE, "sleep", "100")
    done = podman("run", "--rm", "--network=container:first", *LIMITS, IMAGE, "stat", "-Lc", "%i", "/proc/self/ns/net")
    pid = podman.inspect("first", ".State.Pid")
    assert int(done.stdout) == Path(f"/proc/{pid}/ns/net").stat().st_ino, done.stderr
    podman("rm", "--force", "--time=0", "first")


@pytest.mark.parametrize(
    ("options", "feature"),
    [
        (("--privileged",), "device"),
        pytest.param(("--cap-add=SYS_ADMIN",), "capability-of-the-machine", marks=pytest.mark.slow),
        pytest.param(("--device=/dev/fuse",), "device", marks=pytest.mark.slow),
        (("--pid=host",), "namespace-missing"),
        pytest.param(("--volume=/srv:/srv:rslave",), "propagation", marks=pytest.mark.slow),
        (("--ulimit=core=-1:-1", f"--ulimit=nofile={1 << 40}:{1 << 40}"), "rlimit"),
        pytest.param(("--personality=LINUX32",), "personality", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_what_is_refused_says_why(podman, options, feature):
    done = podman("run", "--rm", "--network=none", "--ulimit=nproc=1000:1000", *options, IMAGE, "true")
    assert done.returncode in (125, 126)
    assert f"refused ({feature})" in done.stderr


def test_the_same_image_gives_the_same_with_crun(podman, debian):
    """What a program finds is what it finds under crun, but for the link /dev/core to a masked file."""
    crun = debian("crun")
    script = (
        "id; pwd; env | sort | grep -v -e HOSTNAME; ulimit -n; umask;"
        " ls / /dev /proc/self/fd | grep -v -e '^[0-9]*$' -e core;"
        " grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; for each in /proc/kcore /proc/sys /sys /proc/keys;"
        " do stat -c '%n %F' $each; done"
    )
    ours = podman.run(IMAGE, "sh", "-c", script)
    assert ours.returncode == 0, ours.stderr
    other = Podman(podman.program, Path(crun), podman.folder, podman.short, before=AWAY_WITH_HYBRID)
    theirs = other.run(IMAGE, "sh", "-c", script)
    assert theirs.returncode == 0, theirs.stderr
    assert ours.stdout == theirs.stdout


@pytest.mark.slow
@pytest.mark.network
def test_image_of_our_own_build_runs_from_its_layout(podman, build):
    built = build("itsdangerous")
    pulled = podman("pull", f"oci:{built.layout.root}:{built.spec.name}")
    assert pulled.returncode == 0, pulled.stderr
    image = pulled.stdout.split()[-1]
    program = "import itsdangerous, os; print(itsdangerous.__name__, os.getuid())"
    done = podman.run(image, "python3", "-c", program)
    assert done.stdout == f"itsdangerous {built.spec.image.user.uid}\n", done.stderr
