"""What a plan becomes where the kernel has one id only."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.backends.native.machine import Machine
from runtime.backends.native.one_id import as_one_id, is_emulated, needs_view, refusal, seen_mode
from runtime.backends.native.recipe import steps_inside, steps_outside
from runtime.digest import Digest
from runtime.host import Host
from runtime.plan import Plan, User

GOLDEN = Path(__file__).parents[2] / "golden" / "native"
MACHINE = Machine(name="x86_64", cpus=(0, 1), cpuinfo="", shown=2)
BARE = Plan(
    image=Digest.of(b"image"),
    suite=None,
    argv=("true",),
    workdir="/app",
    environment={},
    user=User(uid=1000, gid=1000, home="/home/app"),
    capabilities=(),
)
IDS = st.sampled_from([0, 5, 1000])
USERS = st.builds(lambda uid, gid: User(uid=uid, gid=gid, home="/"), IDS, IDS)


def on_host(**factors):
    return Host(name="x", factors={name.replace("_", "-"): level for name, level in factors.items()}).apply(BARE)


def granted(mode, owner, user):
    """What path_resolution(7) grants a user without capabilities: of the three classes the first that fits decides."""
    if user.uid == owner[0]:
        return mode >> 6 & 7
    return mode >> 3 & 7 if owner[1] in (user.gid, *user.groups) else mode & 7


@given(mode=st.integers(0, 0o7777), owner=st.tuples(IDS, IDS), user=USERS)
def test_owner_of_all_files_is_granted_what_the_user_would_be(mode, owner, user):
    seen = seen_mode(mode, owner, user)
    assert seen >> 6 & 7 == granted(mode, owner, user)
    assert seen & ~0o700 == mode & ~0o700
    assert seen_mode(seen, (user.uid, user.gid), user) == seen


@pytest.mark.parametrize(
    ("user", "folder", "file"), [("app", 0o555, 0o040), ("arbitrary", 0o555, 0o440), ("root", 0o755, 0o640)]
)
def test_what_root_owns_is_laid_with_the_bits_that_the_user_meets(user, folder, file):
    plan = as_one_id(on_host(user=user))
    assert {each.path: each.mode for each in plan.files}["/.seatrial/probe/closed"] == file
    assert {each.path: each.mode for each in plan.attributes}["/.seatrial/probe"] == folder
    assert {each.path: each.mode for each in plan.attributes}[plan.user.home] == 0o755
    assert {(each.uid, each.gid) for each in (*plan.attributes, *plan.tmpfs)} == {(0, 0)}


@pytest.mark.parametrize(
    ("name", "plan"), [("plain", on_host()), ("root", on_host(user="root", no_new_privileges="no"))]
)
def test_steps_with_one_id_are_as_written_down(name, plan):
    inside = steps_inside(plan, MACHINE, b"\0" * 8, one_id=True)
    steps = (*steps_outside(plan, MACHINE, layers=2, one_id=True), *inside)
    text = "".join(each.describe() + "\n" for each in steps)
    assert text == (GOLDEN / f"steps-one-id-{name}.txt").read_text()


def test_capabilities_are_bounded_after_the_last_user_namespace_was_entered():
    lines = [each.describe() for each in steps_inside(on_host(), MACHINE, b"\0" * 8, one_id=True)]
    entered = lines.index("be seen as 1000:1000")
    assert [each.split()[0] for each in lines[entered + 1 :]] == ["bound", "become", "gain", "filter"]


def test_view_is_needed_but_where_no_permission_is_asked_for():
    assert needs_view(on_host())
    assert needs_view(on_host(user="arbitrary"))
    assert needs_view(on_host(user="root", capabilities="none"))
    assert not needs_view(on_host(user="root"))


def test_what_one_id_cannot_give_is_refused_with_the_command():
    grouped = replace(on_host(), user=replace(BARE.user, groups=(27, 30)))
    for plan in (grouped, on_host(no_new_privileges="no")):
        assert refusal(plan, "run this").hint == "run this"
    assert refusal(on_host(), "") is None
    assert refusal(on_host(user="root", no_new_privileges="no"), "") is None


def test_every_level_of_user_is_emulated():
    assert is_emulated("user", "image")
    assert is_emulated("home", "unwritable")
    assert not is_emulated("home", "user")
    assert not is_emulated("umask", "0077")
