"""What images, suites and stages are made of alike: trees of Debian packages, and files of source distributions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.build.artifact import LockedPackage
from pipeline.build.fetch import Fetcher
from pipeline.build.lock import LockedTree
from pipeline.build.twice import Workshop
from pipeline.declare.image import FilesEntry, SdistFiles
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

    def unpack_sources(self, folder: Path, entries: Sequence[FilesEntry], tree: LockedTree) -> None:
        """Lay the files of source distributions that some entries name, which are locked in ``tree``."""
        locked = {f"{each.name.lower().replace('_', '-')}=={each.version}": each for each in tree.sources}
        for entry in entries:
            if isinstance(entry, SdistFiles):
                from pipeline.build.ecosystems.pypi.sdist import unpack_sdist  # noqa: PLC0415 - likewise

                package = locked[entry.sdist.lower().replace("_", "-")]
                archive = self.fetcher.fetch(package.artifact)
                unpack_sdist(archive, folder, to=entry.to.strip("/"), only=entry.only, name=package.artifact.name)
