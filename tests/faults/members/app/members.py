"""The members of a club, each with a file that is named after them: Carol is not carol."""

from pathlib import Path

FOLDER = Path(__file__).parent / "known"


def is_taken(name):
    """Say whether a member has that name."""
    return (FOLDER / name).exists()
