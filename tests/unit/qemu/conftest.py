import pytest

from runtime.digest import Digest
from runtime.host import Host
from runtime.plan import Plan, User


@pytest.fixture
def plan_on():
    """Return a plan under some levels."""

    def make(**levels: str) -> Plan:
        bare = Plan(
            image=Digest.of(b"image"),
            suite=None,
            argv=("true",),
            workdir="/",
            environment={},
            user=User(uid=1000, gid=1000, home="/home/app"),
            capabilities=(),
        )
        return Host(name="x", factors=levels).apply(bare)

    return make
