"""A bundle of busybox, and our OCI command line as a program of its own, as engines start it."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DEBIAN_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
APPLETS = "cat chmod chown dd echo env false grep id kill ls mknod mount mkdir ps pwd sh sleep stat test touch true yes"
USERS = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n"


def program_of(name: str) -> str:
    found = shutil.which(name, path=DEBIAN_PATH)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="session")
def debian() -> Callable[[str], str]:
    """Return what finds Debian's program of a name."""
    return program_of


@pytest.fixture(scope="session", autouse=True)
def _needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("bundles without a user namespace are root's only")


@pytest.fixture(scope="session")
def runtime_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a program that is our command line."""
    return write_program(tmp_path_factory.mktemp("bin"))


def write_program(folder: Path, module: str = "", old: str = "", new: str = "") -> Path:
    """Write a program that is our command line; with a module, as a mutant of it (tests/simulators/mutant.py)."""
    change = f"stack.enter_context(disabled({module!r}, {old!r}, {new!r}))" if module else "pass"
    (folder / "main.py").write_text(
        "import contextlib, sys\n"
        f"sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests/simulators')!r}]\n"
        f"from runtime.backends.native.bundle.{'command_line' if module else 'program'} import main\n"
        "from mutant import disabled\n"
        f"with contextlib.ExitStack() as stack:\n    {change}\n    sys.exit(main())\n"
    )
    path = folder / "seatrial-oci"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {folder}/main.py "$@"\n')
    path.chmod(0o755)
    return path


def fill_tree(tree: Path) -> Path:
    """Lay busybox and two files of names into a folder."""
    for name in ("bin", "etc", "tmp", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy(program_of("busybox"), tree / "bin/busybox")
    for applet in APPLETS.split():
        (tree / "bin" / applet).symlink_to("busybox")
    (tree / "etc/passwd").write_text(USERS)
    (tree / "etc/group").write_text("root:x:0:\napp:x:1000:\n")
    return tree


class Bundle:
    """A bundle, and the command line with states of its own."""

    def __init__(self, runtime: Path, folder: Path) -> None:
        self.runtime, self.folder, self.states = runtime, folder, folder / "states"
        self.name = f"test-{uuid.uuid4().hex[:12]}"
        fill_tree(folder / "rootfs")
        self.document = json.loads(CONFIG)
        self.group = f"seatrial-{self.name}"
        self.document["linux"]["cgroupsPath"] = f"/{self.group}"

    def __call__(self, command: str, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        (self.folder / "config.json").write_text(json.dumps(self.document))
        name = () if command == "--version" else (self.name,)
        bundle = ("--bundle", str(self.folder)) if command in ("create", "run") else ()
        before = [each for each in arguments if each.startswith("--")]
        after = [each for each in arguments if not each.startswith("--")]
        return subprocess.run(
            [self.runtime, "--root", self.states, command, *bundle, *before, *name, *after],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            **options,
        )

    def create(self, *options: str, stdout=subprocess.DEVNULL) -> int:
        """Create with streams that no test waits for: the container holds them open."""
        (self.folder / "config.json").write_text(json.dumps(self.document))
        command = [self.runtime, "--root", self.states, "create", "--bundle", self.folder, *options, self.name]
        null = subprocess.DEVNULL
        return subprocess.run(command, stdin=null, stdout=stdout, stderr=null, check=False, timeout=60).returncode

    def run(self, *argv: str, **options) -> subprocess.CompletedProcess[str]:
        """Run a program in a new container."""
        self.document["process"]["args"] = list(argv)
        return self("run", **options)

    def state(self) -> dict[str, object]:
        return json.loads(self("state").stdout)

    def end(self) -> None:
        self("delete", "--force")

    def leftovers(self) -> list[str]:
        groups = [str(each) for each in Path("/sys/fs/cgroup").glob(f"*/{self.group}")]
        states = list(map(str, self.states.iterdir())) if self.states.exists() else []
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.folder) in line]
        return [*groups, *states, *mounts]


@pytest.fixture
def bundle(runtime_path: Path, tmp_path: Path) -> Iterator[Bundle]:
    found = Bundle(runtime_path, tmp_path)
    yield found
    found.end()


@pytest.fixture
def mutant(tmp_path: Path) -> Iterator[Callable[..., Bundle]]:
    """Return what makes a bundle for the command line with one check disabled."""
    made: list[Bundle] = []

    def make(module: str, old: str, new: str) -> Bundle:
        folder = tmp_path / "mutant"
        folder.mkdir()
        made.append(Bundle(write_program(folder, module, old, new), folder))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture(scope="session")
def tree() -> Callable[[Path], Path]:
    return fill_tree


CONFIG = """
{"ociVersion": "1.0.2",
 "process": {"user": {"uid": 0, "gid": 0}, "args": ["true"], "env": ["PATH=/bin", "GREETING=hello"], "cwd": "/",
  "capabilities": {"bounding": ["CAP_CHOWN", "CAP_FOWNER", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"]},
  "noNewPrivileges": true},
 "root": {"path": "rootfs"},
 "hostname": "trial",
 "mounts": [
  {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
   "options": ["nosuid", "strictatime", "mode=755", "size=64k"]},
  {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
   "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}],
 "linux": {
  "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}],
  "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
  "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
  "seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
   "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}}}
"""
