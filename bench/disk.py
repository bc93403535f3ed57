"""A folder whose file system is as good as new for each measurement.

ext4 takes no inode that was removed in the last minutes, and looks at each of them whenever it makes a file: after ten
thousand files were removed, as by whoever makes an image and throws its tree away, making one takes ten times as long.
What was measured first would be the faster for it.

Source: Linux fs/ext4/ialloc.c, ``recently_deleted``. Needs root, ``mkfs.ext4`` and a loop device.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

_BYTES = 24 << 30
"""Of the file system, of which its file has only what is written."""

_OPTIONS = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
"""Nothing is left to be done while something is measured."""


class Disk:
    """A file system in a file beside the folder where it is mounted."""

    def __init__(self, scratch: Path) -> None:
        self.folder = scratch / "disk"
        self._file = scratch / "disk.ext4"
        self._is_mounted = False
        self.folder.mkdir()

    def renew(self) -> None:
        """Throw away all that is there."""
        self.close()
        with self._file.open("wb") as file:
            file.truncate(_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", _OPTIONS, str(self._file)], check=True)
        subprocess.run(["mount", "-o", "loop", str(self._file), str(self.folder)], check=True)
        self._is_mounted = True

    def close(self) -> None:
        """Let go of the file system."""
        if self._is_mounted:
            subprocess.run(["umount", str(self.folder)], check=True)
            self._is_mounted = False


@contextlib.contextmanager
def new_disk(scratch: Path) -> Iterator[Disk]:
    """Yield a file system that is there while it is used."""
    disk = Disk(scratch)
    try:
        disk.renew()
        yield disk
    finally:
        disk.close()
