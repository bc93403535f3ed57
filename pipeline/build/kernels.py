"""Kernels for virtual machines: Debian's own packages, by its signed indexes, kept in the store."""

import json
import lzma
import os
import re
import shutil
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.fetch import Fetcher
from pipeline.build.leftovers import KERNELS
from pipeline.build.sources import read_sources
from pipeline.declare.errors import FetchError, LockError, PackageError
from runtime.backends.qemu.kernel import Kernel, Kernels
from runtime.errors import BackendError, SeatrialError
from runtime.oci import temporary

SUITES: Mapping[str, str] = MappingProxyType({"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"})
"""Level of the factor ``kernel`` → the release of Debian whose kernel it is."""

_ALWAYS_NEWEST = "linux-image-cloud-amd64"
_RELEASE = re.compile(r"linux-image-(\d[0-9a-z.+-]*-cloud-amd64)")
_MOST = 256 << 20  # bytes of one file: the largest module has 10 MiB
_MODULE_SUFFIXES = (".ko", ".ko.xz")


def kernels_of(store: Path) -> Kernels:
    """Return what finds the kernel of a level in a store; the first time it is fetched, and kept from then on.

    A kernel that is kept is not replaced by a newer one of the same level: remove the folder ``kernels`` of the store
    to have the newest. Who asks for one that is there needs no network.
    """

    def kernel(level: str) -> Kernel:
        try:
            package = _kept(store, level) or _choose(store, level)
            folder = store / KERNELS / package.artifact.hash.partition(":")[2]
            if not folder.is_dir():
                _unpack(store, package, folder)
        except SeatrialError as error:
            raise BackendError(f"the kernel {level} cannot be had: {error.message}", hint=error.hint) from error
        return Kernel(release=_release_of(package), image=folder / "vmlinuz", modules=folder / "modules")

    return kernel


def _kept(store: Path, level: str) -> LockedPackage | None:
    """Return the package that was chosen for a level before."""
    try:
        found = json.loads((store / KERNELS / f"{level}.json").read_bytes())
        return LockedPackage(
            name=found["name"],
            version=found["version"],
            architecture="amd64",
            artifact=Artifact(source=found["source"], size=found["size"], hash=found["hash"]),
        )
    except (OSError, ValueError, KeyError, TypeError, LockError):
        return None  # it is chosen anew


def _choose(store: Path, level: str) -> LockedPackage:
    """Return the package of the newest kernel of a Debian release, and note it."""
    from pipeline.build.ecosystems.debian.archive import DebianRequest, read_universe  # noqa: PLC0415 - loads OpenPGP

    request = DebianRequest(suite=SUITES[level], packages=(), architecture="amd64")
    with _fetcher(store) as fetcher:
        universe = read_universe(request, fetcher, now=datetime.now(UTC))
    newest = universe.newest(_ALWAYS_NEWEST)
    needed = [relation.name for group in newest.needs for relation in group] if newest else []
    candidate = next((found for name in needed if _RELEASE.fullmatch(name) and (found := universe.newest(name))), None)
    if candidate is None:
        raise FetchError(f"Debian {SUITES[level]} offers no kernel by {_ALWAYS_NEWEST}")
    package = candidate.locked()
    note = {
        "name": package.name,
        "version": package.version,
        "source": package.artifact.source,
        "size": package.artifact.size,
        "hash": package.artifact.hash,
    }
    folder = store / KERNELS
    folder.mkdir(parents=True, exist_ok=True)
    temporary.write_whole(folder / f"{level}.json", json.dumps(note, indent=1).encode())
    return package


def _unpack(store: Path, package: LockedPackage, target: Path) -> None:
    """Lay out the kernel and its modules; the folder appears whole."""
    from pipeline.build.ecosystems.debian.deb import read_deb  # noqa: PLC0415 - only once a kernel

    with _fetcher(store) as fetcher:
        path = fetcher.fetch(package.artifact)
    release = _release_of(package)
    with temporary.new_folder(target.parent) as folder:
        try:
            (folder / "modules").mkdir()
            with read_deb(path).open_data() as archive:
                for member in archive:
                    name = member.name.removeprefix("./")
                    place = _place_of(name, release)
                    if place and member.isfile():
                        if member.size > _MOST:
                            raise PackageError(f"{path.name}: {name} has {member.size} bytes")
                        (folder / place).write_bytes(_content(archive, member))
            if not (folder / "vmlinuz").is_file():
                raise PackageError(f"{path.name}: holds no boot/vmlinuz-{release}")
            folder.rename(target)
        except FileExistsError:
            pass  # another process was faster
        except OSError as error:
            if not target.is_dir():
                raise BackendError(f"cannot unpack {path.name} into {target.parent}: {error.strerror}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return a file of the package, and a module as the kernel loads it."""
    found = archive.extractfile(member)
    content = found.read() if found else b""
    return lzma.decompress(content) if member.name.endswith(".xz") else content


def _place_of(name: str, release: str) -> str:
    """Return where a file of the package belongs, empty for what no virtual machine needs."""
    if name == f"boot/vmlinuz-{release}":
        return "vmlinuz"
    if f"lib/modules/{release}/" in name and name.endswith(_MODULE_SUFFIXES):
        base = name.rpartition("/")[2].partition(".ko")[0].replace("-", "_")
        return f"modules/{base}.ko"
    return ""


def _release_of(package: LockedPackage) -> str:
    found = _RELEASE.fullmatch(package.name)
    if found is None:
        raise LockError(f"{package.name} is no package of a kernel")
    return found[1]


def _fetcher(store: Path) -> Fetcher:
    return Fetcher(store / "cache", read_sources(os.environ, Path.home(), None))
