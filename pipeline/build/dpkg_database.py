"""What dpkg's database says of packages that are unpacked and not yet configured, without dpkg having unpacked them.

dpkg unpacks in processes of its own, five for each package; who has unpacked them already needs to say so only. When
it configures them it writes all of its database anew, in its own order of fields.

Source: dpkg(1), "Package states"; deb-triggers(5); Debian policy, section 6.6, "Details of unpack phase".
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.build.ecosystems.debian.deb import Deb
from pipeline.build.first_scripts import has_first_script
from pipeline.build.usual_packages import SCRIPTS, activated, conffiles, interests

DATABASE = "var/lib/dpkg"
NEW = b".dpkg-new"
"""The end of the name under which a file of configuration waits until its package is configured."""

_CONTROL = f"/{DATABASE}/tmp.ci"  # noqa: S108 - in the tree, and dpkg's own name
"""Where the control data of a package are while it is unpacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """One package whose files are all there.

    Args:
        package: the package.
        listed: the paths of its members, absolute, in the order of its archive; the first is ``/.``.
    """

    package: Deb
    listed: list[str] = field(default_factory=list)


def before_scripts(packages: Iterable[Deb], folder: str) -> str:
    """Return the lines of shell that run, of packages that dpkg was told of, the scripts that run before all others.

    Their files are there already, as they are where debootstrap or mmdebstrap unpacks the essential packages. Each
    finds its control data where dpkg has them at that time: debconf reads there which package it is.

    Args:
        packages: those that dpkg was told of.
        folder: the absolute path of their files.

    Source: dpkg(1), "Environment", of maintainer scripts.
    """
    return "".join(_before(each, folder) for each in packages if has_first_script(each))


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
    for trigger, lines in sorted(interests([each.package for each in unpacked]).items()):
        yield f"{DATABASE}/triggers/{trigger}", 0o644, _text(lines), epoch


def additions(
    unpacked: Sequence[Unpacked], *, status: bytes, heard: Collection[str], epoch: int
) -> Iterator[tuple[str, int, bytes, int]]:
    """Yield the files that say it where dpkg's database is there already; as of ``database``.

    Args:
        unpacked: packages as of ``is_files_only``, in their order.
        status: of the packages that dpkg knows.
        heard: the paths of which some of these want to know.
        epoch: as of ``database``.
    """
    yield from _info(unpacked, epoch)
    stanzas = (status.strip(b"\n") + b"\n", *(_stanza(each.package) for each in unpacked))
    yield f"{DATABASE}/status", 0o644, b"\n".join(stanzas), epoch
    woken = _with_folders(path for each in unpacked for path in each.listed).intersection(heard)
    woken = woken.union(*(activated(each.package) for each in unpacked))
    if woken:  # a dash: no package waits for it
        yield f"{DATABASE}/triggers/Unincorp", 0o644, _text(f"{each} -" for each in sorted(woken)), epoch


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
                mode = 0o755 if kind in SCRIPTS else 0o644
                yield f"{DATABASE}/info/{name}.{kind}", mode, content, int(package.control_headers[kind].mtime)


def _name(package: Deb) -> str:
    """Return how a package's files are called in the database: with the architecture where several may be there."""
    own = package.control["package"]
    is_same = package.control.get("multi-arch") == "same"
    return f"{own}:{package.control['architecture']}" if is_same else own


def _stanza(package: Deb) -> bytes:
    control = package.control_files["control"].decode("utf-8", "surrogateescape").strip("\n")
    status = "Status: install ok unpacked\n"
    changed = "".join(f"\n {path} newconffile" for path in conffiles(package))
    told = f"{control}\n{status}" + (f"Conffiles:{changed}\n" if changed else "")
    return told.encode("utf-8", "surrogateescape")


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
