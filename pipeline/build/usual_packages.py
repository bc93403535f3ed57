"""Packages whose unpacking dpkg can be told of; whatever is unusual in one's control data is left to dpkg itself.

A package is as hostile as its author. What is written into dpkg's database of it must be what dpkg would write there,
and must never be what dpkg cannot read: it would know of no package any more.

Source: dpkg's lib/dpkg/parse.c and src/main/unpack.c; deb-control(5); deb-triggers(5); deb-conffiles(5).
"""

import re
import stat
import tarfile
from collections import defaultdict
from collections.abc import Sequence

from pipeline.build.ecosystems.debian.deb import Deb
from pipeline.build.first_scripts import has_first_script

LATEST = 1 << 33
"""Seconds since 1970 that every file system can keep."""

_INTERESTS = {"interest": "", "interest-await": "", "interest-noawait": "/noawait"}
_OTHERS = frozenset({"activate", "activate-await", "activate-noawait"})
"""They tell packages that are configured of this one; among those that are unpacked first there is none."""

_OF_DPKG = frozenset({"status", "conffiles", "config-version", "triggers-awaited", "triggers-pending"})
_OF_DPKG |= {"filename", "size", "md5sum", "msdos-filename"}
_OF_DPKG |= {"recommended", "optional", "class", "revision", "package-revision"}
"""Fields of its database, or of an archive's, or old names of others."""

_KEPT = frozenset({"File", "Lock", "Unincorp"})
"""Files beside those of triggers."""

SCRIPTS = frozenset({"preinst", "postinst", "prerm", "postrm", "config"})

_KIND = re.compile(r"[a-z0-9+-]{1,50}")
"""A control file by name: one with a dot could be that of another package in the database."""

_TEXT = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
_FIELD = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]+):[ \t]*[!-~\x80-\xff]" + _TEXT)
_MORE = re.compile(rb"[ \t]+[!-~\x80-\xff]" + _TEXT)
"""What dpkg takes for a field, or for more of it, and for nothing else."""

_WORD = re.compile(r"[a-z0-9][a-z0-9+.-]{0,150}")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]{0,50}")
_VERSION = r"(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~]*(?:-[A-Za-z0-9.+~]+)*"
_BLANK = r"[ \n]*"
_NAME = r"[a-z0-9][a-z0-9+.-]*"
_NAMED = rf"{_NAME}(?::[a-z0-9][a-z0-9-]*)?"
_RELATION = rf"{_NAMED}(?:{_BLANK}\({_BLANK}(?:<<|<=|=|>=|>>){_BLANK}{_VERSION}{_BLANK}\))?"
_PROVISION = rf"{_NAMED}(?:{_BLANK}\({_BLANK}={_BLANK}{_VERSION}{_BLANK}\))?"
_COMMA = rf"{_BLANK},{_BLANK}"
_CHOICE = rf"{_RELATION}(?:{_BLANK}\|{_BLANK}{_RELATION})*"
_YES = "yes|no"
_VALUES = {
    "version": _VERSION,
    "multi-arch": "no|same|foreign|allowed",
    **dict.fromkeys(("essential", "protected", "important"), _YES),
    **dict.fromkeys(
        ("depends", "pre-depends", "recommends", "suggests", "enhances"), f"{_CHOICE}(?:{_COMMA}{_CHOICE})*"
    ),
    **dict.fromkeys(("breaks", "conflicts", "replaces"), f"{_RELATION}(?:{_COMMA}{_RELATION})*"),
    "provides": f"{_PROVISION}(?:{_COMMA}{_PROVISION})*",
}
_VALUE = {name: re.compile(value) for name, value in _VALUES.items()}
"""What dpkg reads of a field; of any other it takes every text."""

_TRIGGER = re.compile(r"(/[!-~]{1,4000}|[A-Za-z0-9][A-Za-z0-9+._:-]{0,200})")
_LONGEST = 1 << 20
"""Bytes of a file of triggers or of conffiles: it is read as a whole."""

_TRIGGERS = re.compile(rb"(?:[ \t]*(?:#[^\x00\r\n]*|[a-z-]+[ \t]+[!-~]+[ \t]*)?\n)*")
_CONFFILES = re.compile(rb"(?:(?:/[!-.0-~]+)+\n)*")


def told(packages: Sequence[Deb]) -> frozenset[str]:
    """Return the names of those packages of which dpkg can be told; see ``is_told``.

    dpkg keeps the packages that want to know of a trigger in the order in which it unpacked them: either all of these
    are told, or none.

    Args:
        packages: with dpkg, whose architecture is the tree's; without it, it is that of the first.
    """
    first = min(packages, key=lambda each: each.path.stem != "dpkg", default=None)
    usual = [each for each in packages if first and is_told(each, first.control.get("architecture", ""))]
    interested = [each for each in packages if interests([each])]
    if not all(each in usual for each in interested):
        usual = [each for each in usual if each not in interested]
    return frozenset(each.path.stem for each in usual)


def is_told(package: Deb, architecture: str) -> bool:
    """Tell whether all that unpacking a package means can be told, and whether dpkg would unpack it at all.

    Args:
        package: what is unpacked.
        architecture: Debian's name of that of the tree.
    """
    name = package.path.stem
    return (
        _is_field_by_field(package.control_files["control"])
        and package.control["package"] == name
        and bool(_WORD.fullmatch(name) and _ARCHITECTURE.fullmatch(architecture))
        and package.control.get("architecture") in {"all", architecture}
        and not package.control.keys() & _OF_DPKG
        and "version" in package.control
        and all(value.fullmatch(package.control[name]) for name, value in _VALUE.items() if name in package.control)
        and not (package.control["architecture"] == "all" and package.control.get("multi-arch") == "same")
        and all(_is_usual_file(name, header) for name, header in package.control_headers.items())
        and _is_like(_CONFFILES, package, "conffiles")
        and _has_usual_triggers(package)
    )


def is_files_only(package: Deb, architecture: str) -> bool:
    """Tell whether unpacking a package, where all of its files are new, means no more than to tell dpkg of them.

    It is not so where a script runs before, where the package wants to know of what others do, and where dpkg computes
    the hashes of its files.

    Args:
        package: as of ``is_told``, like the next one.
        architecture: likewise.
    """
    return (
        is_told(package, architecture)
        and not has_first_script(package)
        and "md5sums" in package.control_files
        and all(kind in _OTHERS and _TRIGGER.fullmatch(trigger) for kind, trigger in _triggers(package))
    )


def conffiles(package: Deb) -> tuple[str, ...]:
    """Return the paths of the files of configuration of a package as of ``is_told``."""
    return tuple(package.control_files.get("conffiles", b"").decode("ascii", "replace").splitlines())


def interests(packages: Sequence[Deb]) -> dict[str, list[str]]:
    """Return the file of each trigger → the packages that want to be told; of paths all are in one file."""
    found: dict[str, list[str]] = defaultdict(list)
    for package in packages:
        for kind, trigger in _triggers(package):
            if kind in _INTERESTS and trigger:
                listener = f"{package.control.get('package', '')}{_INTERESTS[kind]}"
                is_path = trigger.startswith("/")
                found["File" if is_path else trigger].append(f"{trigger} {listener}" if is_path else listener)
    return found


def activated(package: Deb) -> set[str]:
    """Return the triggers that a package as of ``is_files_only`` wakes by name."""
    return {trigger for _, trigger in _triggers(package)}


def _is_field_by_field(control: bytes) -> bool:
    """Tell whether a control file is one stanza of unlike fields, none of them empty."""
    names = []
    for line in control.strip(b"\n").split(b"\n"):
        field = _FIELD.fullmatch(line)
        if field:
            names.append(field[1].lower())
        elif not names or not _MORE.fullmatch(line):
            return False
    return b"package" in names and len(names) == len(set(names))


def _is_usual_file(name: str, header: tarfile.TarInfo) -> bool:
    return (
        bool(_KIND.fullmatch(name))
        and name != "list"
        and header.uid == header.gid == 0
        and {header.uname, header.gname} <= {"", "root"}
        and stat.S_IMODE(header.mode) == (0o755 if name in SCRIPTS else 0o644)
        and 0 <= header.mtime < LATEST
    )


def _has_usual_triggers(package: Deb) -> bool:
    found = _triggers(package)
    heard = [trigger for kind, trigger in found if kind in _INTERESTS]
    return (
        _is_like(_TRIGGERS, package, "triggers")
        and all(kind in {*_INTERESTS, *_OTHERS} for kind, _ in found)
        and all(_TRIGGER.fullmatch(each) and each not in _KEPT for each in heard)
        and not (heard and package.control.get("multi-arch") == "same")
    )


def _is_like(pattern: re.Pattern[bytes], package: Deb, name: str) -> bool:
    """Tell whether a package has no control file of a name, or one that is as a pattern says, and not very long."""
    content = package.control_files.get(name, b"")
    return len(content) <= _LONGEST and bool(pattern.fullmatch(content))


def _triggers(package: Deb) -> list[tuple[str, str]]:
    """Return the kind and the trigger of each line that says anything."""
    text = package.control_files.get("triggers", b"")[:_LONGEST].decode("utf-8", "replace")
    lines = (line.split() for line in text.split("\n") if not line.strip().startswith("#"))
    return [(words[0], " ".join(words[1:])) for words in lines if words]
