"""The key that a command signs with, as ``--key`` and the environment say; a terminal is asked for a passphrase."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.release.signing import Signer


def chosen_signer(wanted: str) -> Signer:
    """Return the key to sign with.

    Args:
        wanted: what ``--key`` says; empty for SEATRIAL_KEY, or this machine's own key.

    Raises:
        KeysError: there is no such key, or it cannot be used.
    """
    from pipeline.release.key_place import keys_folder  # noqa: PLC0415 - keeps the imports of --help few
    from pipeline.release.key_source import signer_of  # noqa: PLC0415 - loads a large library

    ask = getpass.getpass if sys.stdin.isatty() and sys.stderr.isatty() else None
    return signer_of(wanted, os.environ, keys_folder(os.environ, Path.home()), ask)


def is_named() -> bool:
    """Tell whether the environment names a key, in place of this machine's own."""
    from pipeline.release.key_place import KEY  # noqa: PLC0415 - keeps the imports of --help few

    return bool(os.environ.get(KEY))
