"""A machine and a plan that are nobody's."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from runtime.backends.native.machine import Machine
from runtime.digest import Digest
from runtime.host import Host
from runtime.plan import Plan, User

CPUINFO = "".join(f"processor\t: {each}\nmodel name\t: X\n\n" for each in range(4))


@pytest.fixture
def machine() -> Machine:
    return Machine(name="x86_64", cpus=(1, 3), cpuinfo=CPUINFO, shown=4)


@pytest.fixture
def plan_on():
    """Return a plan under some levels; underscores stand for hyphens."""

    def make(**levels: str) -> Plan:
        bare = Plan(
            image=Digest.of(b"image"),
            suite=None,
            argv=("python3", "-m", "pytest"),
            workdir="/app",
            environment={"KEY": "a b"},
            user=User(uid=1000, gid=1000, home="/home/app"),
            capabilities=(),
        )
        return Host(name="x", factors={name.replace("_", "-"): level for name, level in levels.items()}).apply(bare)

    return make


@pytest.fixture
def plan_here(plan_on) -> Plan:
    return plan_on()
