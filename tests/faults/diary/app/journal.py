"""A journal whose file never grows: it has its size from the start."""

import os

FILE = "/var/tmp/book"
SIZE = 16 << 20


class Journal:
    """Notes, one a line."""

    def __init__(self, path=FILE, size=SIZE):
        self.file = open(path, "w+b", buffering=0)
        os.posix_fallocate(self.file.fileno(), 0, size)

    def add(self, note):
        self.file.write(note.encode() + b"\n")

    def notes(self):
        place = self.file.tell()
        self.file.seek(0)
        found = self.file.read(place).decode().splitlines()
        self.file.seek(place)
        return found
