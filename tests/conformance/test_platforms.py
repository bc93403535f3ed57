"""Every platform on this machine: carried out and proven from inside, or refused by name with what it needs."""

import pytest
from crafted import plan_of

from pipeline.build.kernels import kernels_of
from pipeline.declare.platforms import platforms
from runtime.backend import Unsupported
from runtime.backends.catalogue import Backends

pytestmark = pytest.mark.bar("platforms")

# The small tree has no zone files, no locales, and no programs of another architecture.
UNFIT = {"timezone", "locale"}
HOSTS = [each for each in platforms() if "architecture" not in each.differing]


@pytest.fixture(scope="module")
def backends_of_all(layer, store):
    with Backends(lambda _: (layer,), kernels=kernels_of(store)) as found:
        yield found


@pytest.mark.parametrize("host", HOSTS, ids=lambda each: each.name)
def test_platform_takes_effect_or_is_refused_with_what_it_needs(backends_of_all, image, host):
    wanted = plan_of("true", host=dict(host.factors), image=image[1])
    backend = backends_of_all.of(wanted)
    refused = backend.available() or backend.check(wanted)
    if isinstance(refused, Unsupported):
        assert len(refused.reason.split()) > 3
        assert refused.hint
        return
    with backends_of_all.start(wanted) as running:
        outcome = running.wait()
    lost = {name: each for name, each in outcome.evidence.items() if not each.holds and name not in UNFIT}
    assert lost == {}
    assert outcome.exit_code == 0
