"""The key that a command signs with, as ``--key`` and the environment say; a terminal is asked for a passphrase."""

from __future__ import annotations

import functools
import getpass
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.preparation import Built
    from pipeline.release.signing import AnySigner


def chosen_signer(wanted: str) -> AnySigner:
    """Return the key to sign with, or the identity.

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


def leave_origin(path: Path, built: Built, store: Path, wanted: str = "") -> None:
    """Leave beside an image what it can be built again from, and where it came from and what it holds, signed.

    An image is whole without: where this machine's own key cannot be made, that is said. A key that somebody has named
    has to sign.

    Args:
        path: the spec.
        built: what it was built to.
        store: its folder.
        wanted: the key, as for ``chosen_signer``.

    Raises:
        KeysError: the key that was named cannot sign.
    """
    from pipeline.cli.bill import own_version  # noqa: PLC0415 - not for --help
    from pipeline.declare.errors import KeysError  # noqa: PLC0415 - likewise
    from pipeline.origin import keep_origin  # noqa: PLC0415 - likewise
    from pipeline.release.key_place import key_name, keys_folder  # noqa: PLC0415 - likewise

    folder = keys_folder(os.environ, Path.home())
    key = key_name(wanted, os.environ, folder) if wanted or is_named() else None
    try:
        # One passphrase, or one certificate, for all that is said.
        signer = functools.cache(lambda: chosen_signer(wanted))
        keep_origin(path, built, store, signer, key=key, version=own_version, clock=lambda: int(time.time()))
    except KeysError as error:
        if wanted or is_named():
            raise
        sys.stderr.write(f"warning: no provenance is signed: {error.message}\n")
