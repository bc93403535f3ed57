"""The layers of an image's Debian packages: one stratum over the other, each cut by whose its files are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.belongings import debian_owners
from pipeline.build.bootstrap import Ground, bootstrap
from pipeline.build.course import Files, Step, lay
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.ecosystems.debian.plain import plain_copies
from pipeline.build.essential import essential_closure
from pipeline.build.left_out import LEFT_OUT
from pipeline.build.stages import unpack_stages
from pipeline.build.strata import ADDED, ESSENTIAL, Stratum, strata
from pipeline.build.workshop import Workshop
from runtime.canonical import Json
from runtime.oci.image import Layer

_SOURCES = "locales"
"""The package of what localedef compiles; a spec with locales implies it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianLayers:
    """Makes the layers of some Debian packages; a stratum that was made before, for whatever image, is not made again.

    Args:
        workshop: where layers are made.
        hashes: name → the hash that is locked, of all packages.
        files: name → .deb.
        epoch: no time is later; seconds since 1970. A stratum has the newest time of its own packages and of those
            below, if that is earlier: what else is in an image does not show in it.
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
            locales: compiled where the package of their sources is installed.

        Raises:
            PackageError, BuildError: as of ``bootstrap``.
            NotReproducibleError: two builds of a stratum differ.
        """
        packages = {name: read_deb(path) for name, path in self.files.items()}
        steps, newest = [], 0
        for each in strata(packages):
            newest = max([newest, *(packages[name].newest for name in each.packages)])
            steps.append(self._step(each, min(newest, self.epoch), locales if _SOURCES in each.packages else ()))
        return lay(steps, self.workshop)

    def over(self, below: tuple[Layer, ...], names: Collection[str]) -> tuple[Layer, ...]:
        """Return the layers of further packages over those of an image that has all others.

        Args:
            below: the image's layers, the lowest first.
            names: of the packages that are added.

        Raises:
            PackageError, BuildError: as of ``bootstrap``.
            NotReproducibleError: two builds differ.
        """
        packages = {name: read_deb(path) for name, path in self.files.items()}
        needed = essential_closure({name: each.control for name, each in packages.items()})
        stages = (tuple(name for name in stage if name in names) for stage in unpack_stages(packages, needed))
        added = Stratum(name=ADDED, stages=tuple(filter(None, stages)))
        return lay([self._step(added, self.epoch, ())], self.workshop, below)

    def _step(self, stratum: Stratum, epoch: int, locales: Sequence[str]) -> Step:
        key: dict[str, Json] = {
            "packages": [self.hashes[name] for name in stratum.packages],
            "locales": list(locales),
            "epoch": epoch,
        }
        if stratum.late:
            key["late"] = list(stratum.late)

        def fill(folder: Path, below: tuple[Path, ...], files: Files) -> None:
            with self.workshop.trees.new_folder() as work:
                bootstrap(
                    folder,
                    stratum,
                    files,
                    epoch=epoch,
                    ground=Ground(below=below, work=work) if below else None,
                    locales=locales,
                    architecture=self.architecture,
                )

        packages = {name: self.files[name] for name in stratum.packages}

        def fetch(folder: Path) -> Files:
            # Those of the lowest stratum are decompressed while they are unpacked: nothing else is to be done then.
            return packages if stratum.name == ESSENTIAL else plain_copies(packages, folder)

        return Step(
            name=stratum.name,
            key=key,
            fetch=fetch,
            fill=fill,
            epoch=epoch,
            owners=lambda: debian_owners,
            left_out=LEFT_OUT,
        )
