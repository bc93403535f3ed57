"""What stages make: each runs twice and is compared like a layer of an image, but what is taken from it alone.

The layer that this gives ships in no image. It lies in the store, and the files that name it are laid from there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.compiling import Commands, lay_over, run_commands
from pipeline.build.files import LocalFile, files_digest, find_files, lay_files, with_content
from pipeline.build.forge import Forge
from pipeline.build.lock import LockedTree
from pipeline.build.owners import adopt
from pipeline.build.taking import take, takings
from pipeline.build.workshop import Conditions
from pipeline.declare.errors import BuildError
from pipeline.declare.image import BuiltImage, FilesEntry, SdistFiles, Stage, StageFiles, UrlFile
from runtime.backends.native.mapped import run_mapped
from runtime.canonical import Json
from runtime.oci.copies import merge_trees


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The stages of one image.

    Args:
        forge: makes the trees in which commands run.
        image: has the stages.
        locked: stage → what is locked for it.
        directory: of the spec.
        suite: the files of the suite, which may take from the stages too.
    """

    forge: Forge
    image: BuiltImage
    locked: Mapping[str, LockedTree]
    directory: Path
    suite: Sequence[FilesEntry] = ()

    def taken(self, entries: Iterable[FilesEntry]) -> Mapping[str, Path]:
        """Return stage → the folder of what is taken from it, under its paths there, for the stages of some files.

        Whatever takes from a stage, image, suite or another stage: it runs once for all of them, which is twice.

        Raises:
            BuildError: a command failed, or did not make what is taken.
            NotReproducibleError: what it made differs from one time to the other.
        """
        names = sorted({each.stage for each in entries if isinstance(each, StageFiles)})
        return {name: self._make(name) for name in names}

    def _make(self, name: str) -> Path:
        stage, forge = self.image.stages[name], self.forge
        base = forge.debian(self.locked[name].debian)
        local = with_content(find_files(stage.files, self.directory, self.taken(stage.files)))
        taken = takings(name, self._entries())
        commands = Commands(stage=name, run=stage.run, workdir=_workdir(stage, local), environment=stage.env)
        key: dict[str, Json] = {
            "below": [each.diff_id.text for each in base],
            "content": files_digest(local).text,
            "sources": self._sources(name),
            "commands": commands.to_json(),
            "taken": [each.to_json() for each in taken],
            "epoch": forge.epoch,
        }

        def fill(folder: Path, conditions: Conditions) -> None:
            with forge.workshop.trees.new_folder() as work:
                run_mapped(merge_trees, directories=(work, *forge.workshop.trees.paths(base)))
                self._lay(name, local, work)
                run_commands(
                    work, commands, epoch=forge.epoch, hostname=conditions.hostname, architecture=forge.foreign
                )
                with _told_of(name):
                    run_mapped(
                        lambda root, out: take(root, out, taken, stage=name, epoch=forge.epoch),
                        directories=(work, folder),
                    )

        sources = [each.artifact for each in self.locked[name].sources]
        layers = forge.workshop.layers(
            f"stage {name}",
            key,
            fill,
            epoch=forge.epoch,
            needs=lambda: forge.fetcher.fetch_all(sources),
            is_doubted=True,
        )
        return forge.workshop.trees.path(layers)

    def _sources(self, name: str) -> Json:
        """Return what decides the files of source distributions and from URLs."""
        entries = (each for each in self.image.stages[name].files if isinstance(each, SdistFiles | UrlFile))
        return {
            "files": [each.model_dump(mode="json") for each in entries],
            "locked": [each.artifact.hash for each in self.locked[name].sources],
        }

    def _entries(self) -> tuple[FilesEntry, ...]:
        """Return all files that may be taken from a stage."""
        others = (each for stage in self.image.stages.values() for each in stage.files)
        return (*self.image.files, *self.suite, *others)

    def _lay(self, name: str, local: Sequence[LocalFile], work: Path) -> None:
        """Lay the stage's files over its packages; they are read as who builds, and written as user 0 of the run."""
        epoch = self.forge.epoch
        with self.forge.workshop.trees.new_folder() as laid:
            lay_files(local, laid, epoch=epoch)
            self.forge.lay_sources(laid, self.image.stages[name].files, self.locked[name])
            adopt(laid, ())
            with _told_of(name):
                run_mapped(lambda root, files: lay_over(root, files, epoch=epoch), directories=(work, laid))


@contextmanager
def _told_of(name: str) -> Iterator[None]:
    """Say of which stage it is that a path cannot be read or written."""
    try:
        yield
    except OSError as error:
        raise BuildError(f"stage {name}: {error.filename}: {error.strerror}") from error


def _workdir(stage: Stage, local: Sequence[LocalFile]) -> str:
    """Return where commands run: in the folder that the first entry of ``files`` fills, or that its file is in."""
    if stage.workdir or not stage.files:
        return stage.workdir or "/"
    first = stage.files[0].to
    is_file = any(each.path == first.strip("/") for each in local)
    return (first.rpartition("/")[0] or "/") if is_file else first
