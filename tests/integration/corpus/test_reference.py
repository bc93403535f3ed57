"""The reference against itself: applications that no host changes never differ from their own first run."""

import threading
from pathlib import Path

import pytest

from pipeline.build.images import Builder
from pipeline.build.locks import current_lock, fetcher_of
from pipeline.declare.hosts import Catalogue
from pipeline.declare.read import read_specs
from pipeline.preparation import TOOLS
from pipeline.verify.compare import compare
from pipeline.verify.inquiry import ask
from pipeline.verify.judge import untrusted
from pipeline.verify.schedule import BackendRunner, Cell, ResultCache
from runtime.backends.catalogue import Backends

ROOT = Path(__file__).parents[3]
CLEAN = {"schedule": 34, "itsdangerous": 33, "bottle": 33}
"""Application → how often it is run."""

pytestmark = pytest.mark.network


@pytest.fixture
def reference_of(store, tmp_path):
    """Give a runner of a spec's reference: a function from the number of a run to what it shows."""

    def run(path, ask_of):
        (spec,) = read_specs([path])
        lock = current_lock(spec)
        with fetcher_of(spec, store, lock) as fetcher:
            builder = Builder(store=store, fetcher=fetcher, tools=TOOLS)
            variants = tuple(builder.build(spec, lock, each) for each in spec.architectures)
        host = Catalogue.of(path).host(spec.reference)
        asked = ask(spec, [host], variants=variants, services={}, lock=None, are_named=True, seed=0, milliseconds=0)
        plan = host.apply(asked.plan)
        with Backends(builder.layers, builder.layout) as backend:
            runner = BackendRunner(
                backend=backend,
                suite=asked.suite,
                cache=ResultCache(tmp_path, is_fresh=True),
                ambient=backend.ambient,
                jobs=threading.Semaphore(1),
                stop=threading.Event(),
            )
            return ask_of(asked, lambda index: runner.run(Cell(plan=plan, host=host, index=index)).observation)

    return run


@pytest.mark.slow
@pytest.mark.bar("5 reference against itself")
@pytest.mark.parametrize("name", sorted(CLEAN))
def test_reference_never_differs_from_itself(name, reference_of):
    def differing(asked, run):
        first = run(0)
        assert untrusted(first, asked.reference, asked.suite) == ()
        others = [run(index) for index in range(1, CLEAN[name] + 1)]
        assert not any(each is first for each in others)
        return [compare(first, each) for each in others]

    found = reference_of(ROOT / "envs" / f"{name}.yaml", differing)
    assert len(found) == CLEAN[name]
    assert [each for each in found if each] == []
