"""Load the parts of a program, each a file that names the part which it needs."""

from pathlib import Path

PARTS = Path(__file__).parent / "parts"
ROUNDS = 6


def load(folder):
    """Return the names in the order in which they were loaded; what needs another part waits for the next round."""
    loaded = []
    waiting = list(folder.iterdir())
    for _ in range(ROUNDS):
        for part in waiting:
            needed = part.read_text().strip()
            if not needed or needed in loaded:
                loaded.append(part.name)
        waiting = [part for part in waiting if part.name not in loaded]
    if waiting:
        raise LookupError(f"cannot load {waiting[0].name}: it needs {waiting[0].read_text().strip()}")
    return loaded
