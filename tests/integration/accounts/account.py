"""Plain users that the tests make, each with a clone of this commit, and the README's commands."""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KEPT = ("*INDEX*", "*CERT*", "*_CA_*", "PIP_*", "UV_*", "*_proxy", "*_PROXY")
"""What an account has of the environment of who runs the tests: where packages come from."""

_RUNUSER = "/usr/sbin/runuser"
NO_RANGE = ("SUB_UID_COUNT=0", "SUB_GID_COUNT=0")  # of login.defs: useradd gives a user further ids otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user other than root, and a clone that is its own."""

    name: str
    home: Path
    clone: Path

    def __call__(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone as this user, with nothing of the caller's environment but `KEPT`, and wait."""
        kept = {name: value for name, value in os.environ.items() if any(fnmatch(name, each) for each in KEPT)}
        environment = {
            **kept,
            "HOME": str(self.home),
            "USER": self.name,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "SEATRIAL_STORE": str(self.store),
            **variables,
        }
        return subprocess.run(
            [_RUNUSER, "-u", self.name, "--", *map(str, command)],
            cwd=self.clone, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def install(self) -> None:
        """Install Seatrial into the clone, as the README says."""
        command, _, _ = readme_command("Run").rpartition(" && ")
        done = self("bash", "-c", command)
        assert done.returncode == 0, done.stderr

    @property
    def store(self) -> Path:
        """Where this user's images and trees are."""
        return self.home / "store"

    def take(self, folder: Path, place: Path) -> None:
        """Copy a folder, and make the copy this user's own."""
        shutil.copytree(folder, place, copy_function=shutil.copyfile)
        for each in (*reversed(place.relative_to(self.home).parents), place.relative_to(self.home)):
            _give(self.home / each, self.name)
        for each in place.rglob("*"):
            _give(each, self.name)


@contextlib.contextmanager
def made_account(*, has_range: bool) -> Iterator[Account]:
    """Make a user, with or without a range of ids in /etc/subuid, and a clone of this commit; remove both."""
    if os.geteuid() != 0:
        pytest.skip("only root makes users")
    name = f"seatrial-{secrets.token_hex(4)}"
    options = [] if has_range else [word for each in NO_RANGE for word in ("--key", each)]
    as_root("useradd", "--create-home", "--shell", "/bin/bash", *options, name)
    try:
        home = Path(pwd.getpwnam(name).pw_dir)
        clone = home / "clone"
        as_root("git", "-c", "safe.directory=*", "clone", "-q", str(ROOT), str(clone))
        as_root("chown", "-R", f"{name}:", str(clone))
        yield Account(name=name, home=home, clone=clone)
    finally:
        _end_processes(name)
        as_root("userdel", "--remove", name)


def readme_command(heading: str) -> str:
    """Return the first command below a heading of the README, as it stands there."""
    _, _, section = (ROOT / "README.md").read_text().partition(f"\n## {heading}\n")
    return re.search(r"^    (.*)$", section, re.MULTILINE)[1]


def _give(path: Path, name: str) -> None:
    user = pwd.getpwnam(name)
    os.lchown(path, user.pw_uid, user.pw_gid)


def as_root(*command: str) -> None:
    """Run a command that must succeed; where another one holds the files of users at that moment, again."""
    for _ in range(100):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "cannot lock" not in done.stderr:
            break
        time.sleep(0.1)
    assert done.returncode == 0, (command, done.stderr)


def _end_processes(name: str) -> None:
    """End what a user has left: Podman keeps one process for each, which holds its namespaces until the next boot."""
    uid = pwd.getpwnam(name).pw_uid
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if each.stat().st_uid == uid:
                os.kill(int(each.name), signal.SIGKILL)
    end = time.monotonic() + 10
    while subprocess.run(["ps", "-u", name], capture_output=True, check=False).stdout.count(b"\n") > 1:
        assert time.monotonic() < end
        time.sleep(0.05)
