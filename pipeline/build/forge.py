"""What images, suites and stages are made of alike: trees of Debian packages, and files from elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.build.artifact import LockedPackage
from pipeline.build.fetch import Fetcher
from pipeline.build.given import Gift
from pipeline.build.lock import LockedTree
from pipeline.build.sections import locked_source
from pipeline.build.workshop import Workshop
from pipeline.declare.errors import LockError
from pipeline.declare.image import FilesEntry, SdistFiles, UrlFile
from runtime.canonical import Json
from runtime.oci.image import Layer

if TYPE_CHECKING:
    from pipeline.build.debian import DebianLayers


@dataclass(frozen=True, slots=True, kw_only=True)
class Forge:
    """Makes trees for one architecture.

    Args:
        workshop: where layers are made.
        fetcher: reaches packages.
        epoch: the newest time of a file; seconds since 1970.
        foreign: the architecture, where it is not this machine's: programs are emulated.
    """

    workshop: Workshop
    fetcher: Fetcher
    epoch: int
    foreign: str = ""

    def debian(self, packages: Sequence[LockedPackage], locales: Sequence[str] = ()) -> tuple[Layer, ...]:
        """Return the layers of some Debian packages, in strata; equal packages have equal ones, whoever wants them."""
        key: dict[str, Json] = {
            "debian": [each.artifact.hash for each in packages],
            "locales": list(locales),
            "epoch": self.epoch,
        }
        return self.workshop.recorded("debian", key, lambda: self.debian_layers(packages).make(locales))

    def debian_layers(self, packages: Sequence[LockedPackage]) -> "DebianLayers":
        """Return what makes the layers of some Debian packages, which are fetched."""
        from pipeline.build.debian import DebianLayers  # noqa: PLC0415 - only where a layer is made

        paths = self.fetcher.fetch_all([each.artifact for each in packages])
        return DebianLayers(
            workshop=self.workshop,
            hashes={each.name: each.artifact.hash for each in packages},
            files={each.name: path for each, path in zip(packages, paths, strict=True)},
            epoch=self.epoch,
            architecture=self.foreign,
        )

    def lay_sources(self, folder: Path, entries: Sequence[FilesEntry], tree: LockedTree) -> tuple[Gift, ...]:
        """Lay what some entries take from source distributions and from URLs, which are locked in ``tree``.

        Returns:
            What was laid for each of these entries, in their order; see ``pipeline.build.given``.

        Raises:
            PackageError: an archive is damaged or hostile, or has not what an entry takes from it.
            FetchError: one cannot be had.
        """
        return tuple(self._lay(folder, each, tree) for each in entries if isinstance(each, SdistFiles | UrlFile))

    def _lay(self, folder: Path, entry: SdistFiles | UrlFile, tree: LockedTree) -> Gift:
        package = locked_source(entry, tree)
        if package is None:  # whoever read the lock saw that it is there
            raise LockError(f"the lock does not have what goes to {entry.to}")
        file, to = self.fetcher.fetch(package.artifact), entry.to.strip("/")
        if isinstance(entry, UrlFile):
            from pipeline.build.ecosystems.url.lay import lay_url  # noqa: PLC0415 - likewise

            return Gift.of(entry, lay_url(file, folder, entry, epoch=self.epoch))
        from pipeline.build.ecosystems.pypi.sdist import unpack_sdist  # noqa: PLC0415 - likewise

        mode = int(entry.mode, 8) if entry.mode is not None else None
        laid = unpack_sdist(file, folder, to=to, only=entry.only, name=package.artifact.name, mode=mode)
        return Gift.of(entry, tuple(f"{to}/{each}".lstrip("/") for each in laid))
