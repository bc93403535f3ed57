"""Playlists, each in a file of its own."""

from pathlib import Path


class Playlist:
    """One list, made if it is not there."""

    def __init__(self, name):
        self._path = Path.home() / file_name(name)
        self._path.touch()

    def add(self, song):
        """Append a song."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{song}\n")

    def songs(self):
        """Return all, in their order."""
        return self._path.read_text(encoding="utf-8").splitlines()

    def remove(self):
        """Forget the list."""
        self._path.unlink()


def file_name(name):
    """Return the name of a list's file."""
    return f"{name.lower().replace(' ', '-')}.m3u"
