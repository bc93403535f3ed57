"""Unpack a library and load it, as programs of PyInstaller do when they start.

docker-compose was one: on hosts that mount /tmp noexec it ended with "error while loading shared libraries:
libz.so.1: failed to map segment from shared object: Operation not permitted".
"""

import ctypes
import ctypes.util
import os
import shutil
import tempfile

LIBRARY = "/lib/x86_64-linux-gnu/libz.so.1"


def unpack(folder):
    """Put the library, which would come out of the program's own file, into a folder, and return where it is."""
    source = LIBRARY if os.path.exists(LIBRARY) else os.path.realpath(ctypes.util.find_library("z"))
    return shutil.copy(source, folder)


def version():
    """Return the version of the library that was unpacked."""
    with tempfile.TemporaryDirectory() as folder:
        library = ctypes.CDLL(unpack(folder))
        library.zlibVersion.restype = ctypes.c_char_p
        return library.zlibVersion().decode()
