"""The layers of an image's Debian packages: one stratum over the other, each cut by whose its files are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.belongings import debian_owners
from pipeline.build.bootstrap import Ground, bootstrap
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.left_out import LEFT_OUT
from pipeline.build.strata import SCRIPTED, Stratum, strata
from pipeline.build.twice import Conditions, Workshop
from runtime.canonical import Json
from runtime.oci.image import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianLayers:
    """Makes the layers of some Debian packages; a stratum that was made before, for whatever image, is not made again.

    Args:
        workshop: where layers are made.
        hashes: name → the hash that is locked, of all packages.
        files: name → .deb.
        epoch: the newest time of a file; seconds since 1970.
        architecture: of the packages, where it is not this machine's.
    """

    workshop: Workshop
    hashes: Mapping[str, str]
    files: Mapping[str, Path]
    epoch: int
    architecture: str = ""

    def make(self, locales: Sequence[str] = ()) -> tuple[Layer, ...]:
        """Return the layers, the lowest first.

        Args:
            locales: compiled into the stratum of packages with scripts: theirs are the sources.

        Raises:
            PackageError, BuildError: as of ``bootstrap``.
            NotReproducibleError: two builds of a stratum differ.
        """
        found: tuple[Layer, ...] = ()
        for each in strata({name: read_deb(path) for name, path in self.files.items()}):
            found += self._stratum(each, found, locales if each.name == SCRIPTED else ())
        return found

    def _stratum(self, stratum: Stratum, below: tuple[Layer, ...], locales: Sequence[str]) -> tuple[Layer, ...]:
        key: dict[str, Json] = {
            "below": [each.diff_id.text for each in below],
            "packages": [self.hashes[name] for name in stratum.packages],
            "locales": list(locales),
            "epoch": self.epoch,
        }

        def fill(folder: Path, conditions: Conditions) -> None:
            trees = self.workshop.trees
            with trees.new_folder() as work:
                bootstrap(
                    folder,
                    stratum,
                    self.files,
                    epoch=self.epoch,
                    ground=Ground(below=trees.paths(below), work=work) if below else None,
                    locales=locales,
                    hostname=conditions.hostname,
                    architecture=self.architecture,
                )

        return self.workshop.layers(
            stratum.name, key, fill, epoch=self.epoch, owners=lambda: debian_owners, left_out=LEFT_OUT
        )
