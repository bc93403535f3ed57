"""What dpkg's database and configuration say in the strata below, as far as it matters to who unpacks over them.

Source: dpkg(1), "Files"; dpkg-divert(1); dpkg-statoverride(1); dpkg's documentation of triggers.
"""

import re
from dataclasses import dataclass

from pipeline.build.dpkg_database import DATABASE
from pipeline.build.unpacking import MERGED, in_usr
from runtime.oci.below import Below

_READ = ("status", "diversions", "statoverride", "triggers/File", "triggers/Unincorp", "info/format")
_LARGEST = 64 << 20
"""Bytes of a file of dpkg's database that is read here."""

_USUAL = re.compile(rb"#.*|no-debsig|log [!-~]+|\s*")
"""A line of dpkg's configuration that does not matter here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What dpkg's database below says.

    Args:
        status: of all packages.
        moved: the paths with which dpkg does something else than to write them.
        interests: the paths of which some package wants to know.
        architecture: the one that dpkg itself is of.
    """

    status: bytes
    moved: frozenset[bytes]
    interests: frozenset[str]
    architecture: str

    def knows(self, name: str) -> bool:
        """Tell whether the database says anything of a package."""
        return f"\nPackage: {name}\n".encode() in b"\n" + self.status


def read_said(below: Below) -> Said | None:
    """Return what dpkg's database says; None where it or dpkg's configuration has anything unusual."""
    found = {name: _read(below, f"{DATABASE}/{name}".encode()) for name in _READ}
    configuration = _read(below, b"etc/dpkg/dpkg.cfg")
    if (
        None in (*found.values(), configuration)
        or not all(map(_USUAL.fullmatch, (configuration or b"").split(b"\n")))
        or below.names(b"etc/dpkg/dpkg.cfg.d")
        or below.status(b"root/.dpkg.cfg")
        or found["info/format"] != b"1\n"
        or found["triggers/Unincorp"]
        or not all(below.link(name) == b"usr/" + name for name in MERGED if below.status(name))
    ):
        return None
    status, diversions, overrides, interests = (found[name] or b"" for name in _READ[:4])
    moved = [*diversions.split(b"\n"), *(line.split(b" ", 3)[-1] for line in overrides.split(b"\n"))]
    return Said(
        status=status,
        moved=frozenset(in_usr(path.strip(b"/")) for path in moved),
        interests=frozenset(line.split(b" ")[0].decode("utf-8", "surrogateescape") for line in interests.split(b"\n")),
        architecture=_architecture(status),
    )


def _architecture(status: bytes) -> str:
    stanza = next((each for each in status.split(b"\n\n") if each.startswith(b"Package: dpkg\n")), b"")
    found = re.search(rb"^Architecture: ([a-z0-9-]+)$", stanza, re.MULTILINE)
    return found[1].decode() if found else ""


def _read(below: Below, path: bytes) -> bytes | None:
    """Return the content of a file, empty where there is none; None where it is something else, or too large."""
    return below.read(path, limit=_LARGEST) if below.status(path) else b""
