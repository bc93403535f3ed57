"""Who runs this, for a line in a log."""

import os
import pwd
import tempfile
from pathlib import Path


def name():
    """Return the name of who runs this."""
    return os.environ.get("LOGNAME") or name_of(os.getuid())


def name_of(uid):
    """Return the name of a user, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def settings():
    """Return a folder for what this user sets."""
    try:
        return Path.home() / ".config"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"config-{os.getuid()}"
