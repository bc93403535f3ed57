"""Packages with data that is not compressed: dpkg decompresses one at a time, and a second build would do so again."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.build.ecosystems.debian.deb import Deb, read_deb
from pipeline.declare.errors import PackageError

LIMIT = 1 << 30
"""Bytes of data from which a package stays compressed."""

_AT_ONCE = 2
"""Packages; one may take 64 MiB of memory to decompress."""


def plain_copies(packages: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """Return name → .deb, each a copy whose data is not compressed; no thread is left when this returns.

    A package that is damaged, or has more than ``LIMIT``, is returned as it is: whoever unpacks it says what it is.

    Args:
        packages: name → .deb.
        folder: takes the copies. They take three to five times the room of the packages.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        copies = pool.map(lambda name: _copy(read_deb(packages[name]), folder / f"{name}.deb").path, packages)
        return dict(zip(packages, copies, strict=True))


def plain_ahead(packages: Sequence[Deb], folder: Path) -> Iterator[Deb]:
    """Yield packages in their order, each as ``plain_copies`` has it, while the next ones are decompressed.

    Args:
        packages: what is decompressed; their files have unlike names.
        folder: takes the copies, perhaps all of them; one is gone when the package after it is asked for.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for each in pool.map(lambda each: _copy(each, folder / each.path.name), packages):
            yield each
            (folder / each.path.name).unlink(missing_ok=True)


def _copy(package: Deb, to: Path) -> Deb:
    try:
        return package.write_plain(to, limit=LIMIT)
    except PackageError:
        to.unlink(missing_ok=True)
        return package
