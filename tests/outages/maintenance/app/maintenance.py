"""Switch the mode of maintenance on and off in the application's configuration.

Nextcloud opened its configuration for writing, which empties it, and then wrote. On a full disk nothing could be
written: the file stayed empty, and the server believed that it had never been installed.
"""

import contextlib
import json
import os
from pathlib import Path

FILE = Path("/srv/app/config.json")


def switch(*, on):
    """Write the configuration with the mode of maintenance; a full disk is told by the caller's monitoring."""
    values = json.loads(FILE.read_text())
    with contextlib.suppress(OSError), open(FILE, "w", encoding="utf-8") as file:
        file.write(json.dumps({**values, "maintenance": on}))
        file.flush()
        os.fsync(file.fileno())


def is_installed():
    """Return whether there is a configuration of this application."""
    return "secret" in (json.loads(text) if (text := FILE.read_text()) else {})
