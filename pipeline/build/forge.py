"""What images, suites and stages are made of alike: trees of Debian packages, and files of source distributions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.artifact import LockedPackage
from pipeline.build.fetch import Fetcher
from pipeline.build.left_out import LEFT_OUT
from pipeline.build.lock import LockedTree
from pipeline.build.twice import Conditions, Owners, Workshop
from pipeline.declare.image import FilesEntry, SdistFiles
from runtime.canonical import Json
from runtime.oci.image import Layer


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
        """Return the layers of some Debian packages, configured; equal packages have equal ones, whoever wants them."""
        key: dict[str, Json] = {
            "debian": [each.artifact.hash for each in packages],
            "locales": list(locales),
            "epoch": self.epoch,
        }

        def fill(folder: Path, conditions: Conditions) -> None:
            from pipeline.build.bootstrap import bootstrap  # noqa: PLC0415 - only where a layer is made

            paths = self.fetcher.fetch_all([each.artifact for each in packages])
            named = {each.name: path for each, path in zip(packages, paths, strict=True)}
            bootstrap(
                folder,
                named,
                epoch=self.epoch,
                locales=locales,
                hostname=conditions.hostname,
                architecture=self.foreign,
            )

        def owners() -> Owners:
            from pipeline.build.belongings import debian_owners  # noqa: PLC0415 - likewise

            return debian_owners

        return self.workshop.layers("debian", key, fill, epoch=self.epoch, owners=owners, left_out=LEFT_OUT)

    def unpack_sources(self, folder: Path, entries: Sequence[FilesEntry], tree: LockedTree) -> None:
        """Lay the files of source distributions that some entries name, which are locked in ``tree``."""
        locked = {f"{each.name.lower().replace('_', '-')}=={each.version}": each for each in tree.sources}
        for entry in entries:
            if isinstance(entry, SdistFiles):
                from pipeline.build.ecosystems.pypi.sdist import unpack_sdist  # noqa: PLC0415 - likewise

                package = locked[entry.sdist.lower().replace("_", "-")]
                archive = self.fetcher.fetch(package.artifact)
                unpack_sdist(archive, folder, to=entry.to.strip("/"), only=entry.only, name=package.artifact.name)
