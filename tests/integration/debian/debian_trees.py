"""Two trees of the same package files: Seatrial's own, and what mmdebstrap makes of them."""

import fnmatch
import hashlib
import os
import subprocess
import tarfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.debian import DebianLayers
from pipeline.build.ecosystems.debian.deb import Deb, read_deb
from pipeline.build.first_scripts import has_first_script
from pipeline.build.unpacked import trees_of
from pipeline.build.workshop import Workshop
from runtime.oci.layout import Layout
from runtime.oci.unpack import OPAQUE_WHITEOUT

_MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"
_NAMED = ("unshare", "--uts", "sh", "-c", 'echo seatrial > /proc/sys/kernel/hostname && exec "$@"', "sh")
"""Some scripts write the name of the machine: it is the same for both trees."""

_SCRIPTS = ("preinst", "postinst")
_UNORDERED = frozenset(f"etc/{name}" for name in ("passwd", "group", "shadow", "gshadow", "shells"))
_UNORDERED |= {"var/lib/dpkg/triggers/File", "var/lib/ucf/hashfile", "var/lib/ucf/registry"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a tree has at a path.

    Args:
        content: the digest of a file.
        linked: all paths of the same file, in order.
        lines: those of a file whose order is free, such as that of accounts: sorted, and without ids.
    """

    kind: bytes
    mode: int
    owner: tuple[str, str]
    content: str
    target: str
    linked: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]
    lines: tuple[str, ...] = ()

    def differing(self, other: "Node") -> tuple[str, ...]:
        """Return what differs, by name."""
        return tuple(name for name in self.__slots__ if getattr(self, name) != getattr(other, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A path that only one ``side`` has, or of which ``parts`` differ; then the side is ``both``."""

    path: str
    side: str
    parts: tuple[str, ...] = ()
    shown: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.side} {' '.join(self.parts)} {self.shown}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exempt:
    """A pattern of paths that may differ, on the side or sides that it says; of ``both``, in the parts that it says."""

    path: str
    side: str | list[str]
    reason: str
    parts: tuple[str, ...] | list[str] = ()

    def covers(self, difference: Difference) -> bool:
        """Return whether a difference is one of these."""
        sides = [self.side] if isinstance(self.side, str) else self.side
        is_so = difference.side in sides and set(difference.parts) <= set(self.parts)
        return is_so and fnmatch.fnmatchcase(difference.path, self.path)


def differences(mine: Mapping[str, Node], other: Mapping[str, Node]) -> tuple[Difference, ...]:
    """Return what differs between two trees, by path."""
    found = []
    for path in sorted(mine.keys() | other.keys()):
        if path not in other or path not in mine:
            found.append(Difference(path=path, side="ours" if path in mine else "mmdebstrap"))
        elif parts := mine[path].differing(other[path]):
            shown = [f"{getattr(mine[path], each)} / {getattr(other[path], each)}" for each in parts]
            found.append(Difference(path=path, side="both", parts=parts, shown=", ".join(shown)))
    return tuple(found)


def epoch_of(packages: Mapping[str, Path]) -> int:
    """Return SOURCE_DATE_EPOCH of both: the newest time of the packages, as a lock has it, so that none is clamped."""
    return max(read_deb(path).newest for path in packages.values())


def ours(store: Path, packages: Mapping[str, Path], folder: Path) -> dict[str, Node]:
    """Build the layers of the packages, and return the tree that they stack to."""
    layout = Layout(folder / "oci")
    workshop = Workshop(layout=layout, trees=trees_of(store, layout), records=folder / "builds")
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in packages.items()}
    layers = DebianLayers(workshop=workshop, hashes=hashes, files=packages, epoch=epoch_of(packages)).make()
    out = folder / "ours.tar"
    with ExitStack() as stack:
        stacked = stack.enter_context(tarfile.open(out, "w", format=tarfile.PAX_FORMAT))
        members: dict[str, tuple[tarfile.TarInfo, tarfile.TarFile]] = {}
        for layer in layers:
            blob = stack.enter_context(layout.open(layer.descriptor.digest))
            archive = stack.enter_context(tarfile.open(fileobj=blob, mode="r:gz"))
            for member in archive:
                above, _, name = member.name.rpartition("/")
                assert name != OPAQUE_WHITEOUT.decode()
                if name.startswith(".wh."):
                    hidden = f"{above}/{name.removeprefix('.wh.')}".lstrip("/")
                    members = {path: each for path, each in members.items() if f"{path}/".find(f"{hidden}/") != 0}
                else:
                    members.pop(member.name, None)  # a link comes after what it leads to
                    members[member.name] = (member, archive)
        for member, archive in members.values():
            stacked.addfile(member, archive.extractfile(member) if member.isreg() else None)
    return read_tree(out)


def mmdebstraps(suite: str, packages: Mapping[str, Path], folder: Path) -> Path:
    """Return the archive that mmdebstrap makes of the same files: it sees an archive that has no others."""
    archive = folder / "archive"
    archive.mkdir()
    for name, path in packages.items():
        (archive / f"{name}.deb").hardlink_to(path) if _is_beside(path, archive) else _copy(path, archive, name)
    (archive / "Packages").write_text("\n".join(_stanza(archive / f"{name}.deb") for name in sorted(packages)))
    out = folder / "mmdebstrap.tar"
    command = [*(_NAMED if os.geteuid() == 0 else ()), "mmdebstrap", "--variant=apt", f"--hook-dir={_MERGED_USR}"]
    command += [f"--include={','.join(sorted(packages))}"]
    command += [suite, str(out), f"deb [trusted=yes] copy://{archive} ./"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch_of(packages)), "LC_ALL": "C.UTF-8"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # a script's Python imports setuptools, and what it writes is left
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=3600)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def read_tree(path: Path) -> dict[str, Node]:
    """Return what an archive holds by path, owners by the name that its own accounts give them."""
    with tarfile.open(path) as archive:
        members = {each.name.removeprefix("./").rstrip("/"): each for each in archive}
        members.pop("", None)
        members.pop(".", None)
        users, groups = (_names(archive, members, f"etc/{name}") for name in ("passwd", "group"))
        linked = defaultdict(list)
        for name, each in members.items():
            linked[each.linkname.removeprefix("./") if each.islnk() else name].append(name)
        found = {}
        for name, each in members.items():
            first = each.linkname.removeprefix("./") if each.islnk() else name
            owner = members[first]
            found[name] = Node(
                kind=owner.type if owner.type != tarfile.AREGTYPE else tarfile.REGTYPE,
                mode=owner.mode,
                owner=(users.get(owner.uid, str(owner.uid)), groups.get(owner.gid, str(owner.gid))),
                content=_digest(archive, owner),
                target=owner.linkname if owner.issym() else "",
                linked=tuple(sorted(linked[first])),
                attributes=tuple(sorted((k, v) for k, v in owner.pax_headers.items() if "xattr" in k)),
                lines=_without_ids(archive, owner, groups) if name in _UNORDERED else (),
            )
        return found


def shipped(packages: Sequence[Deb]) -> frozenset[str]:
    """Return every path that a package ships, folders left out, as the merged tree has them."""
    found = set()
    for package in packages:
        with package.open_data() as archive:
            found |= {_merged(each.name.removeprefix("./")) for each in archive if not each.isdir()}
    return frozenset(found)


def count_scripts(packages: Mapping[str, Path]) -> tuple[int, int]:
    """Return how many scripts run when the packages are installed, and how many of them are known to do nothing."""
    found = [read_deb(path) for path in packages.values()]
    idle = sum("preinst" in each.control_files and not has_first_script(each) for each in found)
    return sum(script in each.control_files for each in found for script in _SCRIPTS), idle


def _is_beside(path: Path, folder: Path) -> bool:
    return path.stat().st_dev == folder.stat().st_dev


def _copy(path: Path, archive: Path, name: str) -> None:
    (archive / f"{name}.deb").write_bytes(path.read_bytes())


def _stanza(path: Path) -> str:
    content = path.read_bytes()
    control = read_deb(path).control_files["control"].decode().strip("\n")
    return f"{control}\nFilename: {path.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"


def _names(archive: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], name: str) -> dict[int, str]:
    lines = archive.extractfile(members[name]).read().decode().splitlines()
    return {int(fields[2]): fields[0] for line in lines if len(fields := line.split(":")) > 2}


def _without_ids(archive: tarfile.TarFile, member: tarfile.TarInfo, groups: Mapping[int, str]) -> tuple[str, ...]:
    lines = [line.split(":") for line in archive.extractfile(member).read().decode().splitlines()]
    match member.name.rpartition("/")[2]:
        case "passwd":
            lines = [[name, word, groups[int(gid)], *rest] for name, word, _, gid, *rest in lines]
        case "group":
            lines = [[name, word, members] for name, word, _, members in lines]
    return tuple(sorted(":".join(line) for line in lines))


def _digest(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if not member.isreg():
        return ""
    return hashlib.file_digest(archive.extractfile(member), "sha256").hexdigest()


def _merged(path: str) -> str:
    top, slash, _ = path.partition("/")
    return f"usr/{path}" if slash and top in {"bin", "sbin", "lib", "lib32", "lib64", "libx32"} else path
