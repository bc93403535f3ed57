"""A small tree of this machine's own programs, unpacked under the ids of a run, and plans that run them."""

# ruff: noqa: PTH101, PTH103, PTH108, PTH112, PTH114, PTH120, PTH208, PTH211

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.backends.native.idmap import BASE
from runtime.digest import Digest
from runtime.host import Host
from runtime.plan import Plan, Service, User

PROGRAMS = (
    "bash",
    "cat",
    "chmod",
    "df",
    "dd",
    "env",
    "head",
    "id",
    "kill",
    "ls",
    "mkdir",
    "mv",
    "nproc",
    "perl",
    "readlink",
    "rm",
    "sleep",
    "stat",
    "touch",
    "true",
    "uname",
)
IMAGE = Digest.of(b"a tree of test programs")
PASSWD = b"root:x:0:0:root:/root:/bin/bash\napp:x:1000:1000:app:/home/app:/bin/bash\n"


def libraries_of(program: str) -> set[str]:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return {word for line in listed.splitlines() for word in line.split() if word.startswith("/")}


def content_of_tree() -> dict[str, bytes]:
    paths = {name: shutil.which(name) for name in PROGRAMS}
    missing = sorted(name for name, path in paths.items() if path is None)
    if missing:
        pytest.skip(f"this machine lacks {', '.join(missing)}")
    found = {f"bin/{name}": Path(str(path)).read_bytes() for name, path in paths.items()}
    for path in paths.values():
        found |= {each.lstrip("/"): Path(each).read_bytes() for each in libraries_of(str(path))}
    return {**found, "etc/passwd": PASSWD}


def lay_tree(folder: int, content: dict[str, bytes]) -> None:
    os.fchdir(folder)
    os.umask(0)
    for name in ("proc", "sys", "dev", "tmp", "root", "home/app", "app"):
        os.makedirs(name, 0o755)
    for path, raw in content.items():
        os.makedirs(os.path.dirname(path) or ".", 0o755, exist_ok=True)
        Path(path).write_bytes(raw)
        os.chmod(path, 0o755)  # noqa: S103 - programs
    os.symlink("bash", "bin/sh")
    os.chown("home/app", 1000, 1000)


def fresh_folder(path: Path) -> Path:
    """Make a folder that is root's inside."""
    path.mkdir()
    if os.getuid() == 0:
        os.chown(path, BASE, BASE)
    return path


def remove_all(folder: int) -> None:
    os.fchdir(folder)
    for name in os.listdir("."):
        if os.path.isdir(name) and not os.path.islink(name):
            shutil.rmtree(name)
        else:
            os.unlink(name)


def plan_of(
    *argv: str, host: dict[str, str] | None = None, services: tuple[Service, ...] = (), **changes: object
) -> Plan:
    bare = Plan(
        image=IMAGE,
        suite=None,
        argv=argv,
        workdir="/app",
        environment={"PATH": "/bin"},
        user=User(uid=1000, gid=1000, home="/home/app"),
        capabilities=(),
        deadline=20_000,
        services=services,
    )
    cpus = str(min(2, len(os.sched_getaffinity(0))))
    plan = Host(name="test", factors={"cpus": cpus, **(host or {})}).apply(bare)
    return replace(plan, **changes)  # type: ignore[arg-type]
