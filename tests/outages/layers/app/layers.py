"""Put a new version of a folder in the place of the one that the image has.

On overlayfs, a folder of a lower layer cannot be renamed: "OSError: [Errno 18] Invalid cross-device link", on one and
the same file system. rustup, conda, apt and many others copied code for it since.
"""

import os
from pathlib import Path

FOLDER = Path("/srv/app/site")


def replace(version):
    """Move the old version aside, and make the new one."""
    os.rename(FOLDER, FOLDER.with_name("site.old"))
    FOLDER.mkdir()
    (FOLDER / "version").write_text(version)
