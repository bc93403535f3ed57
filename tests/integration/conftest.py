"""Specs of `envs/` built through the command, once a session, into one store; connections, and what disturbs them."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "simulators"))

from faulty_proxy import FaultyProxy

from pipeline.build.unpacked import trees_of
from pipeline.declare.read import read_specs
from pipeline.declare.spec import EnvSpec
from pipeline.registry.access import Access
from pipeline.registry.http import Connections
from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout

ROOT = Path(__file__).parents[2]
MEMORY = Path("/dev/shm")
ROOM = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A spec, and what was built from it."""

    store: Path
    spec: EnvSpec
    image: Digest
    suite: Digest

    @property
    def layout(self) -> Layout:
        return Layout(self.store / "oci")

    def entries(self, manifest: Digest) -> dict[str, tarfile.TarInfo]:
        """Return path → what the layers hold there, the highest last, read by no code of ours."""
        found = {}
        for layer in Image.open(self.layout, manifest).layers:
            with tarfile.open(self.layout.path(layer.descriptor.digest)) as archive:
                found |= {each.name: each for each in archive}
        return found


@pytest.fixture
def connections() -> Iterator[Connections]:
    opened = Connections(Access(), size=4)
    yield opened
    opened.close()


@pytest.fixture
def proxied() -> Iterator[Callable[..., FaultyProxy]]:
    """Return a function that puts a proxy with one fault before a registry."""
    opened = []

    def open_one(address: str, *fault: object) -> FaultyProxy:
        opened.append(FaultyProxy(address))
        opened[-1].plan(*fault)
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def build(store: Path) -> Callable[[str], Built]:
    """Build a spec of `envs/` by its name, once a session, whichever worker asks first."""
    built: dict[str, Built] = {}

    def build_once(name: str) -> Built:
        if name not in built:
            path = ROOT / "envs" / f"{name}.yaml"
            command = (sys.executable, "-m", "pipeline.cli.main", "build", "--locked", "--json", str(path))
            environment = {**os.environ, "SEATRIAL_STORE": str(store)}
            with (store / ".building").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            found = json.loads(done.stdout)
            (spec,) = read_specs([path])
            built[name] = Built(store=store, spec=spec, image=Digest(found["image"]), suite=Digest(found["suite"]))
        return built[name]

    return build_once


@pytest.fixture(scope="session", autouse=True)
def own_keys(tmp_path_factory):
    """Builds sign with a key of this session, and leave none in the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEATRIAL_KEYS", str(tmp_path_factory.mktemp("own") / "keys"))
        yield


@pytest.fixture(scope="session")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where stores lie that are thrown away: in memory where there is room, as a build there takes half."""
    is_so = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if is_so else tmp_path_factory.getbasetemp()


@pytest.fixture
def scratch(roomy: Path) -> Iterator[Path]:
    """A folder for the stores of one test."""
    folder = Path(tempfile.mkdtemp(prefix="seatrial-test-", dir=roomy))
    yield folder
    for trees in folder.glob("*/trees"):
        for each in filter(Path.is_dir, trees.iterdir()):
            trees_of(trees.parent).remove(each)  # its files may belong to ids that this user cannot act as
    shutil.rmtree(folder)
