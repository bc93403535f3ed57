"""The steps of a run, computed from a plan alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from runtime.backends.native.machine import Machine, cpuinfo_of
from runtime.backends.native.recipe import steps_inside, steps_outside
from runtime.digest import Digest
from runtime.host import Host
from runtime.plan import Plan, User

GOLDEN = Path(__file__).parents[2] / "golden" / "native"
CPUINFO = "".join(f"processor\t: {each}\nmodel name\t: X\ncore id\t\t: {each}\n\n" for each in range(4))
MACHINE = Machine(name="x86_64", cpus=(1, 3), cpuinfo=CPUINFO, shown=4)
BARE = Plan(
    image=Digest.of(b"image"),
    suite=None,
    argv=("true",),
    workdir="/app",
    environment={},
    user=User(uid=1000, gid=1000, home="/home/app"),
    capabilities=(),
)


def described(plan: Plan, layers: int = 3) -> str:
    steps = (*steps_outside(plan, MACHINE, layers=layers), *steps_inside(plan, MACHINE, b"\0" * 8))
    return "".join(each.describe() + "\n" for each in steps)


def on_host(**factors: str) -> Plan:
    return Host(name="x", factors={name.replace("_", "-"): level for name, level in factors.items()}).apply(BARE)


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("reference", on_host()),
        (
            "hardened",
            on_host(user="arbitrary", capabilities="none", root_filesystem="read-only", tmp="noexec", cpus="1"),
        ),
        ("privileged", on_host(user="root", no_new_privileges="no", network="route", ipv6="absent")),
    ],
)
def test_steps_of_plan_are_as_written_down(name, plan):
    assert described(plan) == (GOLDEN / f"steps-{name}.txt").read_text()


def test_filter_is_loaded_last_unless_privileges_may_be_gained():
    strict = described(on_host()).splitlines()
    loose = described(on_host(no_new_privileges="no")).splitlines()
    assert strict[-1].startswith("filter")
    assert loose[-1].startswith("become")
    assert next(i for i, line in enumerate(loose) if line.startswith("filter")) == len(loose) - 2


def test_machine_is_left_before_the_working_folder_is_entered():
    inside = [each.describe() for each in steps_inside(on_host(), MACHINE, b"")]
    assert inside[:2] == ["make the tree the root and detach this machine's", "go to /app"]


def test_tree_written_in_place_gets_no_folder_for_results():
    assert "/.seatrial/out" in described(on_host(), layers=1)
    assert "/.seatrial/out" not in described(on_host(), layers=0)


def test_cpuinfo_of_fewer_cpus_numbers_the_usable_ones_from_0():
    assert cpuinfo_of(MACHINE, 2) == (
        "processor\t: 0\nmodel name\t: X\ncore id\t\t: 1\n\nprocessor\t: 1\nmodel name\t: X\ncore id\t\t: 3\n\n"
    )


def test_all_cpus_need_no_other_cpuinfo():
    plan = replace(BARE, limits=replace(BARE.limits, cpus=4))
    assert "/proc/cpuinfo" not in described(plan)
    assert "/proc/cpuinfo" in described(replace(BARE, limits=replace(BARE.limits, cpus=1)))
