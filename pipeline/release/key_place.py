"""Where this user's keys lie, and what names another key; it loads no cryptography."""

from collections.abc import Mapping
from pathlib import Path

from runtime.digest import Digest

KEY, PASSPHRASE, FOLDER = "SEATRIAL_KEY", "SEATRIAL_KEY_PASSPHRASE", "SEATRIAL_KEYS"
"""The variables of the environment."""

MACHINE = "machine.pem"
"""The file of this machine's own key, in the folder of the user's keys."""


def keys_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return where this user's keys lie: ``SEATRIAL_KEYS``, or ``seatrial/keys`` in the user's data folder.

    It is not the store's: stores are shared, thrown away and copied.
    """
    chosen = environment.get(FOLDER, "")
    if chosen:
        return Path(chosen).absolute()
    data = environment.get("XDG_DATA_HOME", "")
    return (Path(data) if data.startswith("/") else home / ".local" / "share") / "seatrial" / "keys"


def key_name(wanted: str, environment: Mapping[str, str], folder: Path) -> Digest:
    """Return the digest of what names the key to sign with: of a file's content where it is one.

    Args:
        wanted: a file, PEM or an agent's key; empty for what the environment says, or this machine's own.
        environment: of the process.
        folder: of the user's keys.
    """
    chosen = wanted or environment.get(KEY, "")
    try:
        return Digest.of((Path(chosen) if chosen else folder / MACHINE).read_bytes())
    except (OSError, ValueError):
        return Digest.of(chosen.encode())
