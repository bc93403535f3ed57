"""What dpkg's database says of packages that are unpacked and not yet configured, without dpkg having unpacked them.

dpkg unpacks in processes of its own, five for each package; who has unpacked them already needs to say so only. When
it configures them it writes all of its database anew, in its own order of fields.

Source: dpkg(1), "Package states"; deb-triggers(5); Debian policy, section 6.6, "Details of unpack phase".
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.build.ecosystems.debian.deb import Deb

DATABASE = "var/lib/dpkg"
NEW = b".dpkg-new"
"""The end of the name under which a file of configuration waits until its package is configured."""

_CONTROL = f"/{DATABASE}/tmp.ci"  # noqa: S108 - in the tree, and dpkg's own name
"""Where the control data of a package are while it is unpacked."""

_INTERESTS = {"interest": "", "interest-await": "", "interest-noawait": "/noawait"}
_OTHERS = frozenset({"activate", "activate-await", "activate-noawait"})
"""They tell packages that are configured of this one; among those that are unpacked first there is none."""

_OF_DPKG = frozenset({"status", "conffiles", "config-version", "triggers-awaited", "triggers-pending"})
"""Fields of its database that are no package's."""

_KEPT = frozenset({"File", "Lock", "Unincorp"})
"""Files beside those of triggers."""

_KIND = re.compile(r"[a-z0-9+-]+")
"""A control file by name: one with a dot could be that of another package in the database."""

_TEXT = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
_LINE = re.compile(rb"(?:[A-Za-z0-9][A-Za-z0-9-]*:|[ \t]+[!-~\x80-\xff])" + _TEXT)
"""A line of a control file that dpkg takes for a field, or for more of it, and for nothing else."""

LATEST = 1 << 33
"""Seconds since 1970 that every file system can keep."""

_WORD = re.compile(r"[a-z0-9][a-z0-9+.-]*")
_TRIGGER = re.compile(r"(/[!-~]+|[A-Za-z0-9][A-Za-z0-9+._:-]*)")
_PATH = re.compile(r"/[!-~]+")
_SCRIPTS = frozenset({"preinst", "postinst", "prerm", "postrm", "config"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """One package whose files are all there.

    Args:
        package: the package.
        listed: the paths of its members, absolute, in the order of its archive; the first is ``/.``.
    """

    package: Deb
    listed: list[str] = field(default_factory=list)


def told(packages: Sequence[Deb]) -> frozenset[str]:
    """Return the names of those packages of which dpkg can be told here; see ``is_told``.

    dpkg keeps the packages that want to know of a trigger in the order in which it unpacked them: either all of these
    are told, or none.
    """
    usual = [each for each in packages if is_told(each)]
    interested = [each for each in packages if _interests([Unpacked(package=each)])]
    if not all(each in usual for each in interested):
        usual = [each for each in usual if each not in interested]
    return frozenset(each.path.stem for each in usual)


def is_told(package: Deb) -> bool:
    """Tell whether all that unpacking a package means can be told here; whatever is unusual is left to dpkg.

    That is so if its control data can add nothing to the database but what is its own: it is as hostile as its author.
    """
    control, name = package.control, package.path.stem
    lines = [line.split() for line in _lines(package, "triggers")]
    interests = [words for words in lines if words[0] in _INTERESTS]
    return (
        control.get("package") == name
        and all(_WORD.fullmatch(each) for each in (name, control.get("architecture", "")))
        and all(_KIND.fullmatch(each) and each != "list" for each in package.control_files)
        and all(each < LATEST for each in package.control_times.values())
        and not control.keys() & _OF_DPKG
        and all(map(_LINE.fullmatch, package.control_files["control"].strip(b"\n").split(b"\n")))
        and all(len(words) == 2 and words[0] in {*_INTERESTS, *_OTHERS} for words in lines)
        and all(_TRIGGER.fullmatch(words[1]) and words[1] not in _KEPT for words in interests)
        and not (interests and control.get("multi-arch") == "same")
        and all(_PATH.fullmatch(line) for line in _lines(package, "conffiles"))
    )


def is_files_only(package: Deb) -> bool:
    """Tell whether unpacking a package, where all of its files are new, means no more than to tell dpkg of them.

    It is not so where a script runs before, where the package wants to know of what others do, and where dpkg computes
    the hashes of its files.
    """
    words = [line.split() for line in _lines(package, "triggers")]
    return (
        is_told(package)
        and "preinst" not in package.control_files
        and "md5sums" in package.control_files
        and all(each[0] in _OTHERS and _TRIGGER.fullmatch(each[1]) for each in words)
    )


def conffiles(package: Deb) -> frozenset[bytes]:
    """Return the paths of a package's files of configuration, relative to the tree."""
    return frozenset(line.strip("/").encode() for line in _lines(package, "conffiles"))


def before_scripts(packages: Iterable[Deb], folder: str) -> str:
    """Return the lines of shell that run, of packages that dpkg was told of, the scripts that run before all others.

    Their files are there already, as they are where debootstrap or mmdebstrap unpacks the essential packages. Each
    finds its control data where dpkg has them at that time: debconf reads there which package it is.

    Args:
        packages: those that dpkg was told of.
        folder: the absolute path of their files.

    Source: dpkg(1), "Environment", of maintainer scripts.
    """
    return "".join(_before(each, folder) for each in packages if "preinst" in each.control_files)


def _before(package: Deb, folder: str) -> str:
    name = package.control["package"]
    variables = {
        "DPKG_MAINTSCRIPT_PACKAGE": name,
        "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT": "1",
        "DPKG_MAINTSCRIPT_ARCH": package.control["architecture"],
        "DPKG_MAINTSCRIPT_NAME": "preinst",
        "DPKG_MAINTSCRIPT_DEBUG": "0",
        "DPKG_RUNNING_VERSION": "$(dpkg-query --show --showformat '${Version}' dpkg)",
        "DPKG_ADMINDIR": f"/{DATABASE}",
        "DPKG_ROOT": "",
    }
    environment = " ".join(f'{each}="{value}"' for each, value in variables.items())
    return (
        f"dpkg-deb --control {folder}/{package.path.stem}.deb {_CONTROL}\n"
        f"chmod 755 {_CONTROL}/preinst\n"
        f"{environment} {_CONTROL}/preinst install || {{ echo 'the preinst of {name} failed' >&2; exit 1; }}\n"
        f"rm -r {_CONTROL}\n"
    )


def database(unpacked: Sequence[Unpacked], *, epoch: int) -> Iterator[tuple[str, int, bytes, int]]:
    """Yield path, mode, content and time of the files of dpkg's database that say that packages are unpacked.

    Args:
        unpacked: the packages, in their order.
        epoch: the time of what no package brings, in seconds since 1970.
    """
    yield from _info(unpacked, epoch)
    yield f"{DATABASE}/info/format", 0o644, b"1\n", epoch
    yield f"{DATABASE}/status", 0o644, b"\n".join(_stanza(each.package) for each in unpacked), epoch
    for trigger, lines in sorted(_interests(unpacked).items()):
        yield f"{DATABASE}/triggers/{trigger}", 0o644, _text(lines), epoch


def additions(
    unpacked: Sequence[Unpacked], *, status: bytes, interests: Collection[str], epoch: int
) -> Iterator[tuple[str, int, bytes, int]]:
    """Yield the files that say it where dpkg's database is there already; as of ``database``.

    Args:
        unpacked: packages as of ``is_files_only``, in their order.
        status: of the packages that dpkg knows.
        interests: the paths of which some of these want to know.
        epoch: as of ``database``.
    """
    yield from _info(unpacked, epoch)
    stanzas = (status.strip(b"\n") + b"\n", *(_stanza(each.package) for each in unpacked))
    yield f"{DATABASE}/status", 0o644, b"\n".join(stanzas), epoch
    activated = _with_folders(path for each in unpacked for path in each.listed).intersection(interests)
    activated |= {line.split()[1] for each in unpacked for line in _lines(each.package, "triggers")}
    if activated:  # a dash: no package waits for it
        yield f"{DATABASE}/triggers/Unincorp", 0o644, _text(f"{each} -" for each in sorted(activated)), epoch


def _with_folders(paths: Iterable[str]) -> set[str]:
    """Return some absolute paths and those of all folders on the way to them."""
    found: set[str] = set()
    for each in paths:
        path = each
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found


def _info(unpacked: Iterable[Unpacked], epoch: int) -> Iterator[tuple[str, int, bytes, int]]:
    for each in unpacked:
        package = each.package
        name = _name(package)
        yield f"{DATABASE}/info/{name}.list", 0o644, _text(each.listed), epoch
        for kind, content in sorted(package.control_files.items()):
            if kind != "control":
                mode = 0o755 if kind in _SCRIPTS else 0o644
                yield f"{DATABASE}/info/{name}.{kind}", mode, content, max(0, package.control_times[kind])


def _name(package: Deb) -> str:
    """Return how a package's files are called in the database: with the architecture where several may be there."""
    own = package.control["package"]
    is_same = package.control.get("multi-arch") == "same"
    return f"{own}:{package.control['architecture']}" if is_same else own


def _stanza(package: Deb) -> bytes:
    control = package.control_files["control"].decode("utf-8", "surrogateescape").strip("\n")
    status = "Status: install ok unpacked\n"
    changed = "".join(f"\n {line} newconffile" for line in _lines(package, "conffiles"))
    told = f"{control}\n{status}" + (f"Conffiles:{changed}\n" if changed else "")
    return told.encode("utf-8", "surrogateescape")


def _interests(unpacked: Sequence[Unpacked]) -> dict[str, list[str]]:
    """Return the file of each trigger → the packages that want to be told; of paths all are in one file."""
    found: dict[str, list[str]] = defaultdict(list)
    for each in unpacked:
        name = each.package.control.get("package", "")
        for line in _lines(each.package, "triggers"):
            kind, *named = line.split()
            if kind in _INTERESTS and named:
                told = f"{name}{_INTERESTS[kind]}"
                is_path = named[0].startswith("/")
                found["File" if is_path else named[0]].append(f"{named[0]} {told}" if is_path else told)
    return found


def _lines(package: Deb, name: str) -> list[str]:
    """Return the lines of a control file that say anything."""
    lines = package.control_files.get(name, b"").decode("utf-8", "replace").split("\n")
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
