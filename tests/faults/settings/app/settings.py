"""What a user chose, kept in the user's own folder."""

import json
from pathlib import Path


def path():
    """Return where the settings are."""
    return Path.home() / ".config" / "menu" / "settings.json"


def save(values):
    """Keep settings for the next start."""
    path().parent.mkdir(parents=True, exist_ok=True)
    path().write_text(json.dumps(values))


def load():
    """Return what was saved, or nothing."""
    return json.loads(path().read_text()) if path().exists() else {}
