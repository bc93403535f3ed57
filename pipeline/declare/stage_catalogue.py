"""``StageCatalogue``: where stages are looked up, and which comes after which."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.declare.errors import SpecError
from pipeline.declare.stage_file import StageFile, read_stage
from pipeline.declare.tree import project_tree
from pipeline.declare.validate import near

BUILT_IN = Path(__file__).parent / "stages_data"
"""The stages that Seatrial brings: a link to ``specs/stages`` in the source tree, a copy of it in a wheel."""


@dataclass(frozen=True, slots=True)
class StageCatalogue:
    """The folder that holds the stages.

    Args:
        folder: each stage is a file of it. Stages are not mixed: a project with one of its own has all of its own,
            since a policy that comes from elsewhere is none that the project has read.
    """

    folder: Path

    @classmethod
    def of(cls, beside: Path) -> Self:
        """Return the stages of the tree in which a file lies: its ``specs/stages``, else those that Seatrial brings."""
        own = project_tree(beside) / "specs" / "stages"
        return cls(own if any(own.glob("*.yaml")) else BUILT_IN)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all stages, sorted."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.yaml")))

    def stage(self, name: str) -> StageFile:
        """Return the stage called ``name``.

        Raises:
            SpecError: there is none, or the stages before it go round in a circle.
            SpecFaults: its file has faults.
        """
        if name not in self.names:
            hint = near(name, self.names) or f"there are: {', '.join(self.names)}"
            raise SpecError(f"there is no stage {name!r}", hint=hint)
        return read_stage(self.folder / f"{name}.yaml")

    def way(self, name: str) -> tuple[StageFile, ...]:
        """Return the stages that an image passes on its way into one, that one last.

        Raises:
            SpecError, SpecFaults: as ``stage``, of each of them.
        """
        found = [self.stage(name)]
        while found[0].after is not None:
            before = self.stage(found[0].after)
            if before.name in {each.name for each in found}:
                named = " after ".join(each.name for each in (*reversed(found), before))
                raise SpecError(f"the stages go round in a circle: {named}", hint="let one have no `after`")
            found.insert(0, before)
        return tuple(found)
