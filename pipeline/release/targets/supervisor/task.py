"""``Task``: what a supervisor keeps running, as a file, and the plan that carries it out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pipeline.build.unpacked import trees_of
from pipeline.declare.errors import TargetError
from pipeline.declare.stage_file import DeployPart
from pipeline.declare.values import print_duration
from pipeline.release.targets.supervisor.volumes import volume_folders
from pipeline.release.targets.target import Wanted
from pipeline.verify.here import host_here
from pipeline.verify.image_plan import image_plan
from runtime.canonical import Json
from runtime.data import replace
from runtime.digest import Digest
from runtime.host import Host
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.platform import own_architecture
from runtime.plan import Plan

LEVELS: Mapping[str, str] = {"hash-seed": "random"}
"""Where a deployment is not the reference: a known seed of hashes is for tests, and whom it serves could abuse it."""

_FOREVER = 10 * 365 * 24 * 3600 * 1000
"""Milliseconds: a plan has a deadline, and a service has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a supervisor keeps running; it is read anew each time a container starts.

    Args:
        app: its name.
        stage: the name of the stage.
        number: of the promotion that it rests on.
        release: the digest that was promoted.
        image: the digest of the image that runs.
        layout: the folder of the OCI layout that has it.
        configuration: the digest of what decides how it runs.
        deploy: how it runs.
        levels: factor → level, where it is not the reference.
    """

    app: str
    stage: str
    number: int
    release: Digest
    image: Digest
    layout: Path
    configuration: Digest
    deploy: DeployPart
    levels: Mapping[str, str] = field(default_factory=lambda: dict(LEVELS))

    @classmethod
    def of(cls, wanted: Wanted) -> Self:
        """Return the task of a deployment."""
        return cls(
            app=wanted.app,
            stage=wanted.stage,
            number=wanted.number,
            release=wanted.release,
            image=wanted.image.digest,
            layout=wanted.layout.resolve(),
            configuration=wanted.configuration,
            deploy=wanted.deploy,
        )

    def to_json(self) -> Json:
        """Return what ``parse`` reads; the values of secrets are not in it."""
        return {
            "seatrial": 1,
            "app": self.app,
            "stage": self.stage,
            "number": self.number,
            "release": self.release.text,
            "image": self.image.text,
            "layout": str(self.layout),
            "configuration": self.configuration.text,
            "deploy": _written(self.deploy),
            "levels": dict(self.levels),
        }

    @classmethod
    def parse(cls, raw: bytes | str) -> Self:
        """Read a task.

        Raises:
            TargetError: it is none.
        """
        try:
            found: dict[str, Any] = json.loads(raw)
            digests = {name: Digest(found[name]) for name in ("release", "image", "configuration")}
            return cls(
                app=found["app"],
                stage=found["stage"],
                number=found["number"],
                layout=Path(found["layout"]),
                deploy=DeployPart.model_validate_json(json.dumps(found["deploy"])),
                levels={str(name): str(level) for name, level in found["levels"].items()},
                **digests,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TargetError(f"a supervisor's task cannot be read: {error}", hint="deploy the app again") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A task as this machine carries it out.

    Args:
        task: what is to run.
        plan: the run of one container.
        layers: the folders of the image's layers, the lowest first.
        volumes: folders of this machine, and where the containers have them.
        port: the containers' port that traffic goes to; 0 where none is known.
    """

    task: Task
    plan: Plan
    layers: tuple[Path, ...]
    volumes: tuple[tuple[Path, str], ...]
    port: int


def prepare_task(task: Task, store: Path, secrets: Mapping[str, str]) -> Prepared:
    """Unpack a task's image where that is not done yet, make its volumes, and say how its containers run.

    Args:
        task: what is to run.
        store: the folder of the store.
        secrets: name → value; they become variables of the containers.

    Raises:
        StoreError, ImageError, DigestError, BackendError, FactorError: it cannot run; the message says why.
    """
    layout = Layout.existing(task.layout)
    image = Image.open(layout, task.image)
    layers = trees_of(store, layout).paths(image.layers)
    plan = image_plan(image, layers, task.app)
    plan = replace(plan, environment={**plan.environment, **task.deploy.env, **secrets})
    host = host_here(Host(name="deployment", factors=task.levels), [image.architecture or own_architecture()])
    plan = replace(host.apply(plan), deadline=_FOREVER)
    return Prepared(
        task=task,
        plan=plan,
        layers=layers,
        volumes=volume_folders(store, task.app, task.stage, task.deploy.volumes, plan.user),
        port=_port(task.deploy, image),
    )


def with_command(prepared: Prepared, argv: tuple[str, ...], milliseconds: int) -> Plan:
    """Return the plan of a command that runs once as a container of a task would."""
    return replace(prepared.plan, argv=argv, deadline=milliseconds)


def _written(deploy: DeployPart) -> Json:
    """Return a part of a stage as its file would say it."""
    found: dict[str, Any] = deploy.model_dump(mode="json", by_alias=True)
    if deploy.health:
        found["health"]["within"] = print_duration(deploy.health.within)
    return found


def _port(deploy: DeployPart, image: Image) -> int:
    if deploy.health:
        return deploy.health.port
    found = [int(number) for each in image.ports if (number := each.removesuffix("/tcp")).isdecimal()]
    return found[0] if found else 0
