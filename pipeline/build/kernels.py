"""Kernels for virtual machines: Debian's own packages, by its signed indexes, kept in the store."""

import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from pipeline.build.artifact import LockedPackage
from pipeline.build.ecosystems.debian.unpack import Inflated
from pipeline.build.fetch import Fetcher
from pipeline.build.leftovers import KERNELS
from pipeline.build.sources import read_sources
from pipeline.declare.errors import FetchError, LockError, PackageError
from runtime.backends.qemu.kernel import Kernel, Kernels
from runtime.canonical import to_canonical_json
from runtime.errors import BackendError, SeatrialError
from runtime.oci import temporary

SUITES: Mapping[str, str] = MappingProxyType({"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"})
"""Level of the factor ``kernel`` → the release of Debian whose kernel it is."""

_ALWAYS_NEWEST = "linux-image-cloud-amd64"
_RELEASE = re.compile(r"linux-image-(\d[0-9a-z.+-]*-cloud-amd64)")
_MOST = 256 << 20  # bytes of one file: the largest module has 10 MiB
_MODULE_SUFFIXES = (".ko", ".ko.xz")


def kernels_of(
    store: Path,
    *,
    mirror: str | None = None,
    keys: tuple[bytes, ...] = (),
    clock: Callable[[], datetime] | None = None,
) -> Kernels:
    """Return what finds the kernel of a level in a store; the first time it is fetched, and kept from then on.

    A kernel that is kept is not replaced by a newer one of the same level: remove the folder ``kernels`` of the store
    to have the newest. Who asks for one that is there needs no network.

    Args:
        store: its folder.
        mirror: the base URL of an archive, asked instead of the machine's own; None for those.
        keys: OpenPGP certificates that count instead of Debian's; for an archive of one's own.
        clock: says whether an index has expired; None is this machine's.
    """

    def kernel(level: str) -> Kernel:
        try:
            with Fetcher(store / "cache", read_sources(os.environ, Path.home(), mirror)) as fetcher:
                package = _kept(store, level)
                if package is None:
                    now = clock() if clock else datetime.now(UTC)
                    package = _newest(SUITES[level], fetcher, mirror, keys, now)
                    _keep(store, level, package)
                folder = store / KERNELS / package.artifact.hash.partition(":")[2]
                if not folder.is_dir():
                    _unpack(fetcher.fetch(package.artifact), _release_of(package), folder)
        except OSError as error:
            raise BackendError(f"the kernel {level} cannot be kept in {store}: {error.strerror}") from error
        except SeatrialError as error:
            raise BackendError(f"the kernel {level} cannot be had: {error.message}", hint=error.hint) from error
        return Kernel(release=_release_of(package), image=folder / "vmlinuz", modules=folder / "modules")

    return kernel


def _kept(store: Path, level: str) -> LockedPackage | None:
    """Return the package that was chosen for a level before."""
    try:
        return LockedPackage.from_json(json.loads((store / KERNELS / f"{level}.json").read_bytes()))
    except (OSError, ValueError, LockError):
        return None  # it is chosen anew


def _keep(store: Path, level: str, package: LockedPackage) -> None:
    folder = store / KERNELS
    folder.mkdir(parents=True, exist_ok=True)
    temporary.write_whole(folder / f"{level}.json", to_canonical_json(package.to_json()))


def _newest(suite: str, fetcher: Fetcher, mirror: str | None, keys: tuple[bytes, ...], now: datetime) -> LockedPackage:
    """Return the package of the newest kernel of a Debian release."""
    from pipeline.build.ecosystems.debian.archive import DebianRequest, read_universe  # noqa: PLC0415 - loads much

    request = DebianRequest(suite=suite, packages=(), architecture="amd64", mirror=mirror, keys=keys)
    universe = read_universe(request, fetcher, now=now)
    always = universe.newest(_ALWAYS_NEWEST)
    needed = [relation.name for group in always.needs for relation in group] if always else []
    candidate = next((found for name in needed if _RELEASE.fullmatch(name) and (found := universe.newest(name))), None)
    if candidate is None:
        raise FetchError(f"Debian {suite} offers no kernel by {_ALWAYS_NEWEST}")
    return candidate.locked()


def _unpack(path: Path, release: str, target: Path) -> None:
    """Lay out the kernel and its modules; the folder appears whole."""
    from pipeline.build.ecosystems.debian.deb import read_deb  # noqa: PLC0415 - only once a kernel

    with temporary.new_folder(target.parent) as folder:
        try:
            (folder / "modules").mkdir()
            with read_deb(path).open_data() as archive:
                for member in archive:
                    place = _place_of(member.name.removeprefix("./"), release)
                    if place and member.isfile():
                        (folder / place).write_bytes(_content(archive, member, path.name))
            if not (folder / "vmlinuz").is_file():
                raise PackageError(f"{path.name}: holds no boot/vmlinuz-{release}")
            folder.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another process was faster
                raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, package: str) -> bytes:
    """Return a file of the package, and a module as the kernel loads it."""
    if member.size > _MOST:
        raise PackageError(f"{package}: {member.name} has {member.size} bytes; {_MOST} are read at most")
    found = archive.extractfile(member)
    suffix = ".xz" if member.name.endswith(".xz") else ""
    return Inflated(found, suffix, _MOST, f"{package}: {member.name}").read() if found else b""


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
