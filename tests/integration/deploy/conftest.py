"""The small web service of `envs/`, deployed to the embedded target by whoever runs the tests."""

import http.client
import json
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.build.unpacked import trees_of
from pipeline.declare.stage_file import DeployPart
from pipeline.release.deploy import Deployer
from pipeline.release.targets.native import NativeTarget
from pipeline.release.targets.target import Replica, Wanted
from runtime.digest import Digest
from runtime.oci.descriptor import CONFIG, MANIFEST
from runtime.oci.image import Image
from runtime.oci.layout import Layout

APP, STAGE = "web", "dev"
VALUE = "hunter2-hunter2"


@dataclass(slots=True, kw_only=True)
class Deployment:
    """A store of its own, and an image to run."""

    store: Path
    layout: Path
    image: Image
    port: int
    told: list[str] = field(default_factory=list)

    @property
    def target(self) -> NativeTarget:
        return NativeTarget(self.store)

    @property
    def deployer(self) -> Deployer:
        return Deployer(target=self.target, store=self.store, tell=self.told.append)

    @property
    def folder(self) -> Path:
        return self.store / "native" / APP / STAGE

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def wanted(self, number: int = 1, image: Image | None = None, **part: object) -> Wanted:
        values: Mapping[str, object] = {
            "port": self.port,
            "health": {"http": "/healthz", "port": 8000, "within": "60s"},
            "secrets": ["API_TOKEN"],
            **part,
        }
        chosen = image or self.image
        return Wanted(
            app=APP,
            stage=STAGE,
            number=number,
            release=chosen.digest,
            image=chosen,
            layout=self.layout,
            repository="",
            deploy=DeployPart.model_validate(values),
            secrets={"API_TOKEN": VALUE},
        )

    def run(self, number: int = 1, **part: object) -> tuple[Replica, ...]:
        return self.target.replace(self.wanted(number, **part), accept)

    def observed(self) -> tuple[Replica, ...]:
        return self.target.observe(APP, STAGE)

    def ask(self, path: str = "/healthz") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def accept(_: Sequence[Replica]) -> None:
    """Nothing is checked."""


@pytest.fixture
def deployment(build: Callable, scratch: Path) -> Iterator[Deployment]:
    built = build("web")
    trees_of(built.store).paths(Image.open(built.layout, built.image).layers)
    store = scratch / "store"
    store.mkdir()
    (store / "trees").symlink_to(built.store / "trees")
    made = Deployment(
        store=store,
        layout=built.store / "oci",
        image=Image.open(built.layout, built.image),
        port=_free_port(),
    )
    yield made
    made.target.remove(APP, STAGE)
    (store / "trees").unlink()
    for each in sorted((store / "volumes").glob("*/*/*")):
        trees_of(store).remove(each)
    shutil.rmtree(store)


@pytest.fixture
def free_port() -> int:
    """A port of this machine that nobody had a moment ago."""
    return _free_port()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def other_image(deployment: Deployment) -> Digest:
    """An image that behaves like the first one, and is another: it has one more label."""
    layout = Layout(deployment.layout)
    config = json.loads(json.dumps(deployment.image.config))
    config["config"].setdefault("Labels", {})["other"] = "yes"
    written = layout.write(json.dumps(config).encode(), CONFIG)
    manifest = {**deployment.image.manifest, "config": written.to_json()}
    return layout.write(json.dumps(manifest).encode(), MANIFEST).digest
