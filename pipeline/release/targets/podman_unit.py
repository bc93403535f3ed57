"""The unit of systemd that keeps one container of Podman running: pure, so that it can be shown and verified.

The container was made before, pinned by the image's digest; the unit starts and stops it and says nothing of how it
runs. So there is one account of that, which is read back, and no secret in a file.

Source: systemd.service(5), systemd.unit(5).
"""

from collections.abc import Sequence

from pipeline.release.targets.target import Wanted

USERS_TARGET = "default.target"
"""What a user's manager reaches when it starts; it knows nothing of the machine's network."""
_NETWORK = "Wants=network-online.target\nAfter=network-online.target\n"


def unit_name(container: str) -> str:
    """Return what the unit of a container is called."""
    return f"seatrial-{container}.service"


def unit_file(wanted: Wanted, index: int, container: str, podman: Sequence[str], wanted_by: str) -> str:
    """Return the unit of a container.

    Args:
        wanted: the deployment.
        index: of the replica.
        container: its name: letters, digits, ``.``, ``-`` and ``_``.
        podman: the command line of Podman.
        wanted_by: the unit that wants it at a boot.
    """
    command = " ".join(_quoted(each) for each in podman)
    network = "" if wanted_by == USERS_TARGET else _NETWORK
    return f"""[Unit]
Description={wanted.app} in {wanted.stage}, replica {index}, promotion {wanted.number}
{network}StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command} start --attach {container}
ExecStop={command} stop --ignore --time 10 {container}
Restart=always
RestartSec=1
TimeoutStopSec=30

[Install]
WantedBy={wanted_by}
"""


def _quoted(word: str) -> str:
    """Return a word in which systemd replaces nothing: ``%`` and ``$`` are doubled."""
    plain = word.replace("%", "%%").replace("$", "$$")
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"' if set(plain) & set(" \"'\\;") else plain
