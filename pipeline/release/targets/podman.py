"""``PodmanTarget``: Podman makes the containers; where systemd runs, a unit each keeps them running, also after a boot.

Where none runs, as in a container, Podman's own restart policy keeps them until the machine stops. Which of the two it
is stands in the facts of a replica.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.declare.errors import TargetError
from pipeline.release.targets.engine import EngineClient
from pipeline.release.targets.engine_fleet import ByRequest, Starter
from pipeline.release.targets.engine_request import Place, replica_request
from pipeline.release.targets.engine_target import EngineTarget
from pipeline.release.targets.marks import Role
from pipeline.release.targets.podman_unit import USERS_TARGET, unit_file, unit_name
from pipeline.release.targets.target import Wanted
from runtime.oci.temporary import write_whole

_TIME = 120  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemd:
    """A service manager that runs.

    Args:
        folder: where it finds units.
        command: what talks to it.
        wanted_by: the unit that wants ours at a boot.
        podman: the command line by which units start and stop containers.
    """

    folder: Path
    command: tuple[str, ...]
    wanted_by: str
    podman: tuple[str, ...]


def find_systemd(environment: Mapping[str, str], booted: Path = Path("/run/systemd/system")) -> Systemd | None:
    """Return the service manager of this user, None where none runs: who has no login session may have none.

    Source: sd_booted(3), systemd.unit(5), "Unit File Load Path"; ``systemctl --user`` speaks to the socket ``private``.
    """
    podman, systemctl = shutil.which("podman"), shutil.which("systemctl")
    if not booted.is_dir() or podman is None or systemctl is None:
        return None
    if os.geteuid() == 0:
        folder = Path("/etc/systemd/system")
        return Systemd(folder=folder, command=(systemctl,), wanted_by="multi-user.target", podman=(podman,))
    if not Path(environment.get("XDG_RUNTIME_DIR") or "/nonexistent", "systemd/private").is_socket():
        return None
    home = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/nonexistent")) / ".config")
    own = (systemctl, "--user")
    return Systemd(folder=home / "systemd/user", command=own, wanted_by=USERS_TARGET, podman=(podman,))


class PodmanTarget(EngineTarget):
    """Podman.

    Args:
        systemd: keeps the containers running; None for Podman itself.
        address: as of ``EngineTarget``.
    """

    def __init__(self, systemd: Systemd | None, address: str = "") -> None:
        super().__init__("podman", address)
        self._systemd = systemd

    def _starter(self, app: str, stage: str, *, joins: bool = False) -> Starter:
        return ByUnit(self._systemd) if self._systemd else super()._starter(app, stage, joins=joins)


class ByUnit(ByRequest):
    """Makes containers by requests, and has systemd start and stop them; satisfies ``Starter``."""

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd

    def start(self, engine: EngineClient, wanted: Wanted, place: Place, role: Role, names: Mapping[int, str]) -> None:
        """See ``Starter``."""
        for index, name in names.items():
            body = replica_request(wanted, place, role, index, restart=False)
            engine.api.create_container_from_config(body, name=name)
            text = unit_file(wanted, index, name, self._systemd.podman, self._systemd.wanted_by)
            self._systemd.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._systemd.folder / unit_name(name), text.encode())
        self._ask("daemon-reload")
        for name in names.values():
            self._ask("enable", "--now", unit_name(name))

    def stop(self, engine: EngineClient, name: str) -> None:
        """See ``Starter``; the unit does not start it again."""
        if (self._systemd.folder / unit_name(name)).exists():
            with suppress(TargetError):  # a unit that never came up; the container is stopped all the same
                self._ask("stop", unit_name(name))
        super().stop(engine, name)

    def resume(self, engine: EngineClient, name: str) -> None:
        """See ``Starter``."""
        if (self._systemd.folder / unit_name(name)).exists():
            self._ask("start", unit_name(name))
        else:
            super().resume(engine, name)

    def ended(self, names: Sequence[str]) -> None:
        """Remove the units of containers that are gone."""
        units = [unit_name(each) for each in names if (self._systemd.folder / unit_name(each)).exists()]
        for each in units:
            with suppress(TargetError):
                self._ask("disable", "--now", each)
            (self._systemd.folder / each).unlink(missing_ok=True)
        if units:
            self._ask("daemon-reload")

    def _ask(self, *words: str) -> None:
        command = [*self._systemd.command, *words]
        try:
            done = subprocess.run(  # noqa: S603 - systemd's own command
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIME,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TargetError(f"systemd cannot be asked to {words[0]}: {error}") from error
        if done.returncode:
            raise TargetError(
                f"systemd does not {' '.join(words)}: {done.stderr.strip()[-1000:]}",
                hint=f"`{' '.join([*self._systemd.command, 'status', words[-1]])}` tells more",
            )
