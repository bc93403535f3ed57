"""Runs of a small tree of this machine's own programs by the native backend."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[2] / "conformance"), str(Path(__file__).parent)]

from crafted import content_of_tree, fresh_folder, lay_tree, plan_of, remove_all

from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.idmap import lacking_range
from runtime.backends.native.mapped import run_mapped
from runtime.outcome import Outcome
from runtime.plan import Plan


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    lacking = lacking_range(os.geteuid()) if os.geteuid() else None
    if lacking:
        pytest.skip(f"{lacking.message}; {lacking.hint}")
    tree = fresh_folder(tmp_path_factory.mktemp("rootfs") / "layer")
    content = content_of_tree()
    run_mapped(lambda folder: lay_tree(folder, content), directories=(tree,))
    yield tree
    run_mapped(remove_all, directories=(tree,))


@pytest.fixture
def layer(tmp_path: Path) -> Iterator[Callable[[Callable[[int], None]], Path]]:
    """Make a layer by a function that is called with its descriptor, as root inside."""
    made = []

    def make(fill: Callable[[int], None]) -> Path:
        made.append(fresh_folder(tmp_path / f"layer-{len(made)}"))
        run_mapped(fill, directories=(made[-1],))
        return made[-1]

    yield make
    for each in made:
        run_mapped(remove_all, directories=(each,))


@pytest.fixture
def own_tree(layer: Callable[[Callable[[int], None]], Path]) -> Path:
    """A tree that a test may write in place."""
    content = content_of_tree()
    return layer(lambda folder: lay_tree(folder, content))


@pytest.fixture(scope="session")
def native(rootfs: Path) -> Iterator[NativeBackend]:
    with NativeBackend(lambda _: (rootfs,)) as backend:
        reason = backend.available()
        if reason:
            pytest.skip(f"{reason.reason}; {reason.hint}")
        yield backend


@pytest.fixture(scope="session")
def plan() -> Callable[..., Plan]:
    return plan_of


@pytest.fixture(scope="session")
def run(native: NativeBackend) -> Callable[..., Outcome]:
    def start_and_wait(*argv: str, host: dict[str, str] | None = None, **changes: object) -> Outcome:
        with native.start(plan_of(*argv, host=host, **changes)) as running:
            return running.wait()

    return start_and_wait


@pytest.fixture(scope="session")
def sh(run: Callable[..., Outcome]) -> Callable[..., str]:
    """Run a line of shell that must succeed, and return what it wrote."""

    def run_line(line: str, **changes: object) -> str:
        outcome = run("sh", "-c", line, **changes)
        assert outcome.exit_code == 0, outcome
        return outcome.stdout.content.decode()

    return run_line
