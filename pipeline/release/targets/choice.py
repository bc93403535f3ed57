"""``target_of``: the target that a stage names; what the others are made of is not imported."""

# ruff: noqa: PLC0415 - each is imported by who has it

import os
from pathlib import Path

from pipeline.declare.stage_file import TargetKind
from pipeline.release.targets.target import Target

FOLDER = "targets"
"""Where a store has what targets keep for people: files of Compose and of Kubernetes, as ``APP/STAGE``."""


def target_of(kind: TargetKind, store: Path) -> Target:
    """Return a target.

    Args:
        kind: which.
        store: the folder of the machine's store.
    """
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
