"""``target_of``: the target that a stage names."""

from pathlib import Path

from pipeline.declare.errors import TargetError
from pipeline.declare.stage_file import TargetKind
from pipeline.release.targets.target import Target


def target_of(kind: TargetKind, store: Path) -> Target:
    """Return a target; only its own module is imported.

    Args:
        kind: which.
        store: the folder of the machine's store.

    Raises:
        TargetError: this version deploys to no such target.
    """
    match kind:
        case TargetKind.NATIVE:
            from pipeline.release.targets.native import NativeTarget  # noqa: PLC0415 - loads what runs containers

            return NativeTarget(store)
        case _:
            raise TargetError(f"this version does not deploy to {kind.value}", hint="write `target: native`")
