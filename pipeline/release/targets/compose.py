"""``ComposeTarget``: Docker Compose makes the containers from a file that is kept, pinned by digest.

The file is for people: it says what runs, and brings it back without Seatrial. The engine tells what really runs.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.declare.errors import TargetError
from pipeline.release.targets.compose_file import (
    compose_file,
    keep_services,
    project_of,
    read_names,
    service_of,
    to_yaml,
)
from pipeline.release.targets.engine import EngineClient
from pipeline.release.targets.engine_fleet import ByRequest, Starter
from pipeline.release.targets.engine_request import Place
from pipeline.release.targets.engine_target import EngineTarget
from pipeline.release.targets.marks import Role, masked
from pipeline.release.targets.target import Wanted
from runtime.oci.temporary import write_whole

LOCK = "compose.lock.yaml"
_KEPT = 10
_TIME = 300  # seconds
_HINT = "run `sudo apt-get install docker-compose`, or install Docker's compose plug-in"


class ComposeTarget(EngineTarget):
    """Docker Compose, with the engine that it talks to.

    Args:
        folder: keeps the files; each app has a folder for each stage in it.
        address: the engine's socket; by default the one that Docker's own command line would use.
        program: the command line of Compose; by default the plug-in, or ``docker-compose``.
    """

    def __init__(self, folder: Path, address: str = "", program: Sequence[str] = ()) -> None:
        super().__init__("docker", address)
        self._folder = folder
        self._program = tuple(program)

    def unavailable(self) -> str:
        """See ``Target.unavailable``."""
        try:
            compose_program(self._program)
        except TargetError as error:
            return str(error)
        return super().unavailable()

    def _starter(self, app: str, stage: str, *, joins: bool = False) -> Starter:
        return ByCompose(self._folder / app / stage, compose_program(self._program), joins=joins)


class ByCompose(ByRequest):
    """Starts replicas by Compose, each replacement as a project of its own; satisfies ``Starter``.

    Args:
        folder: of the app in the stage.
        program: the command line of Compose.
        joins: whether new replicas join the project that runs.
    """

    def __init__(self, folder: Path, program: Sequence[str], *, joins: bool) -> None:
        self._folder, self._program = folder, tuple(program)
        self._project, self._replicas = read_names(folder / LOCK) if joins else ("", {})

    def start(self, engine: EngineClient, wanted: Wanted, place: Place, role: Role, names: Mapping[int, str]) -> None:
        """See ``Starter``; a replica that follows others of a replacement joins their project."""
        is_kept = role is Role.REPLICA
        project = (self._project if is_kept else "") or project_of(next(iter(names.values())))
        all_names = {**self._replicas, **names} if is_kept else names
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{project}.yaml"
        try:
            write_whole(path, to_yaml(compose_file(wanted, place, role, all_names, project)))
            services = [service_of(each) for each in names]
            self._run(engine, wanted, "-p", project, "-f", str(path), "up", "-d", "--no-build", *services)
        finally:
            if not is_kept:
                path.unlink(missing_ok=True)
            else:
                self._project, self._replicas = project, dict(all_names)

    def ended(self, names: Sequence[str]) -> None:
        """Take replicas of this replacement out of its file; files of earlier ones stay as they are."""
        left = {index: name for index, name in self._replicas.items() if name not in names}
        if left != self._replicas:
            self._replicas = left
            keep_services(self._folder / f"{self._project}.yaml", {service_of(each) for each in left})

    def finished(self) -> None:
        """Keep the file of what runs now under its one name, and the last ones of what ran before."""
        path = self._folder / f"{self._project}.yaml"
        if self._project and path.exists():
            write_whole(self._folder / LOCK, path.read_bytes())
        files = sorted(self._folder.glob("*.yaml"), key=lambda each: each.stat().st_mtime)
        for each in [each for each in files if each.name != LOCK][:-_KEPT]:
            each.unlink()

    def _run(self, engine: EngineClient, wanted: Wanted, *arguments: str) -> None:
        """Run Compose; it takes the values of secrets from its environment."""
        environment = {**os.environ, **wanted.secrets, "DOCKER_HOST": engine.address}
        try:
            done = subprocess.run(  # noqa: S603 - Compose's own command
                [*self._program, *arguments],
                env=environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIME,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TargetError(f"Compose cannot be run: {error}") from error
        if done.returncode:
            words = masked(done.stderr.strip() or done.stdout.strip(), wanted.secrets)[-2000:]
            raise TargetError(f"Compose ended with exit code {done.returncode}: {words}")


def compose_program(given: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the command line of Compose that is here: the plug-in of Docker's client, or the program of its own.

    Raises:
        TargetError: there is none.
    """
    if given:
        return tuple(given)
    docker, alone = shutil.which("docker"), shutil.which("docker-compose")
    if docker and _has_plugin(docker):
        return (docker, "compose")
    if alone:
        return (alone,)
    raise TargetError("Docker Compose is not installed", hint=_HINT)


def _has_plugin(docker: str) -> bool:
    """Tell whether Docker's client knows ``compose``: only the client can tell where it looks for plug-ins."""
    try:
        command = [docker, "compose", "version"]
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_TIME, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
