"""The tools of other people: Debian's, never others of the same name that come first on the path."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "conformance"))

from engines import DEBIAN_PATH, fresh_place, podman_options, program_of, started_dockerd

from runtime.digest import Digest


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    return program_of


@pytest.fixture(scope="session")
def skopeo_copy() -> Callable[[str, str], None]:
    skopeo = program_of("skopeo")
    return lambda source, target: run(skopeo, "copy", "--quiet", source, target) and None


@pytest.fixture(scope="session")
def suite_tree(
    skopeo_copy: Callable[[str, str], None], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Unpack a suite as a person would: `skopeo copy` to a folder, and `tar` for each layer."""

    def unpack(built) -> Path:
        copy, tree = (tmp_path_factory.mktemp(f"{built.spec.name}-{each}") for each in ("suite", "tree"))
        skopeo_copy(f"oci:{built.layout.root}:{built.spec.name}/suite", f"dir:{copy}")
        for layer in json.loads((copy / "manifest.json").read_bytes())["layers"]:
            blob = copy / Digest(layer["digest"]).hex
            run("tar", "--extract", "--gzip", "--numeric-owner", f"--directory={tree}", f"--file={blob}")
        return tree

    return unpack


@pytest.fixture(scope="session")
def docker() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Start Debian's dockerd with everything of its own, and return what calls its client."""
    client = program_of("docker")
    with started_dockerd() as address:

        def call(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
            environment = {"PATH": DEBIAN_PATH, "HOME": "/nonexistent", "DOCKER_HOST": address}
            command = [client, *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
            assert not check or done.returncode == 0, done.stderr
            return done

        call.host = address
        yield call


@pytest.fixture(scope="session")
def podman() -> Iterator[Callable[..., str]]:
    """Return what calls Debian's Podman with a store of its own."""
    if os.geteuid() != 0:
        pytest.skip("podman gives a fresh file system to root only")
    program, folder = program_of("podman"), fresh_place("podman")
    options = [*podman_options(folder), "--storage-driver=vfs"]
    yield lambda *words: run(program, *options, *words)
    subprocess.run([program, *options, "system", "reset", "--force"], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def run(*command: str, **options: object) -> str:
    """Run a command that must succeed, and return what it wrote to stdout."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout
