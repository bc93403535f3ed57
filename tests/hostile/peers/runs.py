"""Attacks, run by runc and crun from a bundle, by Podman from a folder, and by Docker from an image that it imports."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from engines import podman_options, program_of
from hostile_runs import ATTACKS, Attack, lay, lay_base

from peers.commands import LIMITS, finish, quietly, words
from peers.verdicts import CONTAINED, Done, judge

Run: TypeAlias = Callable[[Path, Attack], Done | None]
"""Runs an attack, given a folder of its own in which its tree is ``rootfs``."""

HARMLESS = Attack(check="starts at all", argv=("true",))


def by_bundle(runtime: str, *before: str) -> Run:
    """Run attacks by an OCI runtime, with the configuration that its ``spec`` writes."""

    def run(place: Path, attack: Attack) -> Done | None:
        subprocess.run([runtime, "spec"], cwd=place, check=True, capture_output=True)
        config = json.loads((place / "config.json").read_text())
        uid, gid = _ids(attack)
        config["process"] |= {
            "terminal": False,
            "args": _argv(attack),
            "cwd": _workdir(attack),
            "env": _environment(attack),
            "user": {"uid": uid, "gid": gid},
        }
        config["root"] = {"path": "rootfs", "readonly": False}
        config["hostname"] = "seatrial"
        (place / "config.json").write_text(json.dumps(config))
        log = place / "log"
        try:
            command = [*before, runtime, "--log", str(log), "run", "--bundle", str(place), _name(place)]
            return finish(command, lambda _: log.exists() and log.stat().st_size > 0)
        finally:
            quietly(*before, runtime, "delete", "--force", _name(place))

    return run


def by_podman(store: Path) -> Run:
    """Run attacks by Podman, with its defaults and a store of its own."""
    podman = (program_of("podman"), *podman_options(store))

    def run(place: Path, attack: Attack) -> Done | None:
        command = [*podman, "run", *_options(place, attack), "--rootfs", str(place / "rootfs"), *_argv(attack)]
        try:
            return finish(command, lambda stderr: stderr.startswith((b"Error:", b"time=")), place)
        finally:
            quietly(*podman, "rm", "--force", _name(place))

    return run


def by_docker(address: str) -> Run:
    """Run attacks by the Docker Engine at an address, with its defaults."""
    docker = (program_of("docker"), "--host", address)

    def run(place: Path, attack: Attack) -> Done | None:
        image = f"{_name(place)}:latest"
        archive = place / "rootfs.tar"
        subprocess.run(["tar", "-C", str(place / "rootfs"), "-cf", str(archive), "."], check=True)
        subprocess.run([*docker, "import", str(archive), image], check=True, capture_output=True)
        try:
            command = [*docker, "run", *_options(place, attack), image, *_argv(attack)]
            return finish(command, lambda stderr: b"docker: Error response from daemon" in stderr)
        finally:
            quietly(*docker, "rm", "--force", _name(place))
            quietly(*docker, "rmi", "--force", image)

    return run


def is_at_work(run: Run) -> bool:
    """Tell whether a peer starts a program of no harm: one that starts nothing would refuse everything."""
    with tempfile.TemporaryDirectory(prefix="seatrial-peers-") as place:
        work = _laid(Path(place) / "harmless", HARMLESS)
        return judge(HARMLESS, run(work, HARMLESS)) == CONTAINED


def compare_runs(names: Sequence[str], peers: Mapping[str, Run]) -> dict[str, dict[str, str]]:
    """Return attack → peer → what it did."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    with tempfile.TemporaryDirectory(prefix="seatrial-peers-") as place:
        for number, name in enumerate(names):
            for peer, run in peers.items():
                work = _laid(Path(place) / f"{number}-{peer}", ATTACKS[name])
                found[name][peer] = judge(ATTACKS[name], run(work, ATTACKS[name]))
                shutil.rmtree(work)
    return found


def _laid(place: Path, attack: Attack) -> Path:
    """Lay the tree of an attack, one layer over the other, in a process that leaves its working folder for it."""
    place.mkdir()
    root = place / "rootfs"
    root.mkdir()
    pid = os.fork()
    if pid == 0:
        try:
            lay_base(os.open(root, os.O_RDONLY))
            for name, content in attack.files.items():
                path = Path(name)
                if path.is_symlink() or path.is_file() or (content is not None and not path.is_dir()):
                    path.unlink(missing_ok=True)
                elif path.is_dir():
                    shutil.rmtree(path)
            lay(os.open(root, os.O_RDONLY), attack.files)
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError(f"cannot lay {attack.check}")
    return place


def _name(place: Path) -> str:
    return f"hostile-{os.getpid()}-{place.name}"


def _options(place: Path, attack: Attack) -> list[str]:
    uid, gid = _ids(attack)
    who = (f"--user={uid}:{gid}", "--hostname=seatrial", f"--workdir={_workdir(attack)}")
    variables = words("--env", _environment(attack))
    return [*LIMITS, "--rm", "--name", _name(place), "--network=none", *variables, *who]


def _ids(attack: Attack) -> tuple[int, int]:
    return (0, 0) if attack.plan.get("host", {}).get("user") == "root" else (1000, 1000)


def _argv(attack: Attack) -> list[str]:
    return ["/bin/sh", "-c", attack.argv] if isinstance(attack.argv, str) else list(attack.argv)


def _workdir(attack: Attack) -> str:
    return str(attack.plan.get("workdir", "/app"))


def _environment(attack: Attack) -> list[str]:
    return [f"{name}={value}" for name, value in attack.plan.get("environment", {"PATH": "/bin"}).items()]
