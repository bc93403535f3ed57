"""Which target a stage names: what none is made of is not imported."""

import os
from pathlib import Path

from pipeline.declare.stage_file import TargetKind
from pipeline.release.targets.target import Target

FOLDER = "targets"
"""Where a store has what targets keep: files of Compose and of Kubernetes, as ``APP/STAGE``."""


def make_target(kind: TargetKind, store: Path) -> Target:
    """Return a target.

    Args:
        kind: as the stage names it.
        store: the folder of the store.
    """
    # ruff: noqa: PLC0415 - each is imported by who has it
    match kind:
        case TargetKind.NATIVE:
            from pipeline.release.targets.native import NativeTarget

            return NativeTarget(store)
        case TargetKind.DOCKER:
            from pipeline.release.targets.engine_target import DockerTarget

            return DockerTarget()
        case TargetKind.COMPOSE:
            from pipeline.release.targets.compose import ComposeTarget

            return ComposeTarget(store / FOLDER)
        case TargetKind.PODMAN:
            from pipeline.release.targets.podman import PodmanTarget, find_systemd

            return PodmanTarget(find_systemd(os.environ))
        case TargetKind.KUBERNETES:
            from pipeline.release.targets.kubernetes import KubernetesTarget

            return KubernetesTarget(store / FOLDER, os.environ)
