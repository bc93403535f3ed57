"""One suite for every backend: each test runs on each of them that this machine has."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from crafted import content_of_tree, fresh_folder, lay_tree, plan_of, remove_all
from engines import started_dockerd, started_podman

from pipeline.build.kernels import kernels_of
from runtime.backends.catalogue import BACKENDS, AnyBackend, AnyRunning, make_backend
from runtime.backends.engines.backend import EngineBackend
from runtime.backends.native.mapped import run_mapped
from runtime.digest import Digest
from runtime.oci.descriptor import CONFIG, LAYER_GZIP, MANIFEST
from runtime.oci.layout import Layout
from runtime.oci.pack import pack_tree
from runtime.outcome import Outcome
from runtime.plan import Plan

STARTED = {"docker": started_dockerd, "podman": started_podman}


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    tree = fresh_folder(tmp_path_factory.mktemp("rootfs") / "layer")
    content = content_of_tree()
    run_mapped(lambda folder: lay_tree(folder, content), directories=(tree,))
    yield tree
    run_mapped(remove_all, directories=(tree,))


@pytest.fixture(scope="session")
def image(layer: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, Digest]:
    """The tree as an image in a layout."""
    layout = Layout(tmp_path_factory.mktemp("layout"))
    packed = tmp_path_factory.mktemp("packed") / "layer.tar"
    packed.touch()
    packed.chmod(0o666)
    packed.parent.chmod(0o777)

    def pack(folder: int, place: int) -> str:
        with os.fdopen(os.open("layer.tar", os.O_WRONLY, dir_fd=place), "wb") as out:
            return pack_tree(folder, out, epoch=1_700_000_000).diff_id.text

    diff_id = run_mapped(pack, directories=(layer, packed.parent))
    blob = layout.write(packed.read_bytes(), LAYER_GZIP)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    described = layout.write(json.dumps(config).encode(), CONFIG)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described.to_json(),
        "layers": [blob.to_json()],
    }
    return layout, layout.write(json.dumps(manifest).encode(), MANIFEST).digest


@pytest.fixture(scope="session")
def backends(layer: Path, image: tuple[Layout, Digest], store: Path) -> Iterator[Callable[[str], AnyBackend]]:
    """Return a backend by name, started once a session, engines with a daemon of their own."""
    made: dict[str, AnyBackend] = {}
    with ExitStack() as stack:

        def get(name: str) -> AnyBackend:
            if name not in made:
                if name in STARTED:
                    address = stack.enter_context(STARTED[name]())
                    made[name] = stack.enter_context(EngineBackend(name, image[0], address))
                else:
                    made[name] = stack.enter_context(make_backend(name, lambda _: (layer,), kernels=kernels_of(store)))
            return made[name]

        yield get


@pytest.fixture(params=BACKENDS)
def backend(request, backends):
    found = backends(request.param)
    missing = found.available()
    if missing:
        pytest.skip(f"{request.param}: {missing.reason}")
    return found


@pytest.fixture
def plan(backend, image) -> Callable[..., Plan]:
    """Return what makes a plan of the crafted image for the backend."""

    def make(*argv: str, host: dict[str, str] | None = None, **changes: object) -> Plan:
        return plan_of(*argv, host={"runtime": backend.name, **(host or {})}, image=image[1], **changes)

    return make


@pytest.fixture
def start(backend) -> Callable[..., AnyRunning]:
    """Start a plan, or skip with the reason for which this backend cannot."""

    def started(wanted: Plan, **options: object) -> AnyRunning:
        missing = backend.refusal(wanted)
        if missing:
            pytest.skip(f"{backend.name}: {missing.reason}")
        return backend.start(wanted, **options)

    return started


@pytest.fixture
def run(start, plan) -> Callable[..., Outcome]:
    """Run a plan to its end."""

    def start_and_wait(*argv: str, host: dict[str, str] | None = None, **changes: object) -> Outcome:
        with start(plan(*argv, host=host, **changes)) as running:
            return running.wait()

    return start_and_wait


@pytest.fixture
def sh(run) -> Callable[..., str]:
    """Run a line of shell that must succeed, and return what it wrote."""

    def run_line(line: str, **changes: object) -> str:
        outcome = run("sh", "-c", line, **changes)
        assert outcome.exit_code == 0, outcome
        return outcome.stdout.content.decode()

    return run_line
