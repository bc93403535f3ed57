"""``seatrial run IMAGE``: an image without spec and suite, as root or as a plain user."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "simulators"))

from busybox_image import PROGRAM, lay_index, lay_layout

from pipeline.build.unpacked import trees_of

ROOT = Path(__file__).parents[2]
HEAVY = (
    "argcomplete",
    "cryptography",
    "deflate",
    "docker",
    "http",
    "importlib.metadata",
    "jinja2",
    "junitparser",
    "packaging",
    "pathspec",
    "pydantic",
    "pydantic_core",
    "pysequoia",
    "requests",
    "rich",
    "urllib3",
    "uv",
    "yaml",
    "zstandard",
)


@pytest.fixture
def place(tmp_path):
    """An empty project with a store of its own, whose trees are removed by who may."""
    if not PROGRAM.exists():
        pytest.skip("busybox-static is not installed")
    (tmp_path / ".git").mkdir()
    yield tmp_path
    if (tmp_path / "store" / "trees").is_dir():
        for each in (tmp_path / "store" / "trees").iterdir():
            trees_of(tmp_path / "store").remove(each)


@pytest.fixture
def run(place):
    def call(*words, script="from pipeline.cli.main import main; raise SystemExit(main())", **more):
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": path, "SEATRIAL_STORE": str(place / "store")}
        command = [sys.executable, "-c", script, "run", *words]
        return subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=120, check=False, **more
        )

    return call


def test_image_runs_what_its_config_says(place, run):
    lay_layout(
        place / "image",
        User="app",
        WorkingDir="/srv",
        Env=["PATH=/bin", "COLOR=sea green"],
        Entrypoint=["/bin/sh", "-c"],
        Cmd=["id -u; pwd; echo $COLOR $HOME; exit 7"],
    )
    done = run("oci:image")
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout == "1000\n/srv\nsea green /home/app\n"


def test_command_after_dashes_is_run_in_place_of_the_images_own(place, run):
    lay_layout(place / "image", Entrypoint=["/bin/false"])
    done = run("--host", "reference", "oci:image", "--", "/bin/sh", "-c", "id -u; umask")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n0022\n", "")


def test_levels_hosts_and_repetitions_are_those_of_a_spec(place, run):
    lay_layout(place / "image")
    assert run("oci:image", "--set", "umask=0077", "--", "/bin/sh", "-c", "umask").stdout == "0077\n"
    done = run("oci:image", "--host", "openshift", "--", "/bin/id", "-u")
    assert done.stdout == "1000660000\n" or "ids" in done.stderr, done
    many = run("oci:image", "--repeat", "2", "--", "/bin/sh", "-c", "exit 3")
    assert (many.returncode, many.stdout) == (3, "fails 2 of 2 times\n  exit 3  2 times\n")


def test_unknown_user_of_an_image_is_no_obstacle_where_the_host_has_another(place, run):
    lay_layout(place / "image", User="somebody")
    done = run("oci:image", "--set", "user=root", "--", "/bin/id", "-u")
    assert (done.returncode, done.stdout) == (0, "0\n"), done


def test_image_of_the_store_runs_by_its_name_and_by_its_digest(place, run):
    digest = lay_layout(place / "store" / "oci", "web")
    for name in ("web", digest):
        done = run(name, "--", "/bin/sh", "-c", "echo here")
        assert (done.returncode, done.stdout, done.stderr) == (0, "here\n", "")


def test_index_gives_the_image_of_this_machine(place, run):
    digest = lay_index(place / "image", {"arm64": {}, "amd64": {"Cmd": ["/bin/sh", "-c", "echo amd64"]}})
    for name in ("oci:image", f"oci:image@{digest}", "oci:image:busybox"):
        assert run(name).stdout == "amd64\n"


def test_layout_of_others_is_read_and_not_written(place, run):
    lay_layout(place / "image")
    before = sorted(place.joinpath("image").rglob("*"))
    assert run("oci:image").returncode == 0
    assert sorted(place.joinpath("image").rglob("*")) == before


def test_second_run_needs_no_layer(place, run):
    lay_layout(place / "image")
    assert run("oci:image").returncode == 0
    for each in (place / "image" / "blobs" / "sha256").iterdir():
        if each.read_bytes()[:2] == b"\x1f\x8b":
            each.unlink()
    assert run("oci:image").returncode == 0


def test_image_on_the_reference_imports_nothing_heavy(place, run):
    lay_layout(place / "image")
    script = (
        "import sys\nfrom pipeline.cli.command_line import start\n"
        "start(sys.argv[1:], program='seatrial')\nprint(*sys.modules, file=sys.stderr)"
    )
    done = run("oci:image", script=script)
    modules = set(done.stderr.split())
    assert "runtime.backends.native.backend" in modules
    assert not {each for each in modules if each in HEAVY or each.partition(".")[0] in HEAVY}
    assert not {"pipeline.preparation", "pipeline.spec_run", "pipeline.verification"} & modules


@pytest.fixture
def started(place):
    """Start a run that sleeps, wait until it does, and give the process and what tells whether it sleeps yet."""
    lay_layout(place / "image")
    marker = f"{7000 + os.getpid() % 1000}.25"
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "SEATRIAL_STORE": str(place / "store")}
    command = [sys.executable, "-m", "pipeline.cli.main", "run", "oci:image", "--", "/bin/sleep", marker]
    process = subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: len(sleepers(marker)) == 1)
        yield process, lambda: sleepers(marker) or warm_of(process.pid, marker)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_run_that_is_interrupted_ends_with_all_that_it_started(started, number, code):
    process, left = started
    process.send_signal(number)
    assert process.communicate(timeout=30)[1] == "interrupted\n"
    assert process.returncode == code
    assert not left()


def test_run_whose_client_is_killed_ends_by_itself(started):
    process, left = started
    process.kill()
    process.wait()
    wait_for(lambda: not left())


def test_run_whose_reader_has_gone_ends_as_by_sigpipe(place):
    lay_layout(place / "image")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "SEATRIAL_STORE": str(place / "store")}
    run = f"{sys.executable} -m pipeline.cli.main run oci:image -- /bin/sh -c 'while :; do echo y; done'"
    shell = f"{run} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def sleepers(marker):
    """Return the processes that sleep for so long; the client's own command line is longer."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if each.read_bytes().split(b"\0")[:2] == [b"/bin/sleep", marker.encode()]:
                found.append(each.parent.name)
    return found


def warm_of(pid, marker):
    """Return the processes that were forked from a client: they show its command line."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = each.read_text().rpartition(")")[2].split()
            words = each.with_name("cmdline").read_bytes().split(b"\0")
            is_fork = b"oci:image" in words and marker.encode() in words
            if is_fork and fields[0] != "Z" and int(each.parent.name) != pid:
                found.append(each.parent.name)
    return found


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_caller_that_spawns_leaves_no_signal_ignored(place):
    lay_layout(place / "image")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "SEATRIAL_STORE": str(place / "store")}
    shown = ("/bin/cat", "/proc/self/status")
    command = [sys.executable, "-m", "pipeline.cli.main", "run", f"oci:{place}/image", "--", *shown]
    kept = [
        (os.POSIX_SPAWN_OPEN, number, str(place / name), os.O_WRONLY | os.O_CREAT, 0o600)
        for number, name in ((1, "out"), (2, "err"))
    ]
    pid = os.posix_spawn(sys.executable, command, environment, file_actions=kept)  # glibc's ignores two of its own
    assert os.waitpid(pid, 0)[1] == 0
    assert (place / "err").read_text() == ""
    assert "SigIgn:\t0000000000000000\n" in (place / "out").read_text()
