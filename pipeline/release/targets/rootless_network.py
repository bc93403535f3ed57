"""What Podman without root needs to join containers to a network, said before one starts and fails."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.declare.errors import TargetError

_TUN = Path("/dev/net/tun")
_FOLDERS = ("/usr/local/libexec/podman", "/usr/local/lib/podman", "/usr/libexec/podman", "/usr/lib/podman")
"""Where Podman looks beside PATH. Source: containers.conf(5), ``helper_binaries_dir``."""
_PASTA_SINCE = 5  # the major version that takes pasta for networks; source: podman-network(1)


def lacking_network(version: str, tun: Path = _TUN, folders: Sequence[str] = _FOLDERS) -> TargetError | None:
    """Return why Podman of this user can join containers to no network, with the command that helps; None if it can.

    Args:
        version: Podman's.
        tun: the device by which a process of the user's passes packets on.
        folders: where programs are looked for beside PATH.
    """
    major = version.partition(".")[0]
    takes_pasta = major.isdecimal() and int(major) >= _PASTA_SINCE
    programs = ("pasta", "slirp4netns") if takes_pasta else ("slirp4netns",)
    where = os.pathsep.join((os.environ.get("PATH", os.defpath), *folders))
    if not any(shutil.which(each, path=where) for each in programs):
        message = f"podman gives containers a network without root by {' or '.join(programs)}, which is not installed"
        return TargetError(message, hint=f"run `sudo apt-get install {'passt' if takes_pasta else programs[0]}`")
    if not os.access(tun, os.R_OK | os.W_OK):
        message = f"podman gives containers a network without root by {tun}, which this user may not open"
        hint = f"run `sudo chmod 666 {tun}`; a container that this is in is started with `--device {tun}`"
        return TargetError(message, hint=hint)
    return None
