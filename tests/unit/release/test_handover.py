"""How new containers take the place of old ones, on a fleet in memory: what fails leaves what was there."""

from types import SimpleNamespace

import pytest

from pipeline.declare.errors import LeftOverError, TargetError
from pipeline.release.targets.handover import change_count, hand_over
from pipeline.release.targets.marks import Role


class MemoryFleet:
    """Containers in memory; a port leads to one that runs, and a second one with it does not start."""

    def __init__(self):
        self.containers = {}
        self.log = []
        self.made = 0
        self.broken = lambda *_: False

    def running(self):
        order = sorted(self.containers, key=lambda name: (self.containers[name].role, self.containers[name].index))
        return tuple(sorted(order, key=lambda name: self.containers[name].role is not Role.REPLICA))

    def start(self, wanted, role, indexes):
        names = []
        for index in indexes:
            self.made += 1
            port = wanted.deploy.port + index - 1 if wanted.deploy.port and role is Role.REPLICA else None
            taken = {each.port for each in self.containers.values() if each.runs}
            if self.broken(role, index) or (port is not None and port in taken):
                self.remove(names)
                raise TargetError(f"{role} {index} does not start")
            name = f"{wanted.number}.{self.made}"
            self.containers[name] = SimpleNamespace(role=role, index=index, port=port, runs=True, number=wanted.number)
            names.append(name)
        return tuple(names)

    def stop(self, names):
        for each in names:
            self.containers[each].runs = False

    def resume(self, names):
        for each in names:
            self.containers[each].runs = True

    def remove(self, names):
        for each in names:
            self.containers.pop(each, None)

    def told(self, names):
        self.log.append({name: each.runs for name, each in self.containers.items()})
        return tuple(sorted(names))

    def state(self):
        return {name: (each.role, each.port, each.runs) for name, each in self.containers.items()}


def wanted(number, *, port=None, replicas=1):
    return SimpleNamespace(
        app="web", stage="prod", number=number, deploy=SimpleNamespace(port=port, replicas=replicas)
    )


def fails(_):
    raise LookupError


@pytest.fixture
def fleet():
    return MemoryFleet()


@pytest.mark.parametrize("port", [None, 80])
@pytest.mark.parametrize("replicas", [1, 3])
def test_new_ones_take_the_place_of_all_old_ones(fleet, port, replicas):
    for number in (1, 2, 3):
        hand_over(fleet, wanted(number, port=port, replicas=replicas), lambda _: None)
        assert {each.number for each in fleet.containers.values()} == {number}
        assert [each.index for each in fleet.containers.values()] == [*range(1, replicas + 1)]
        assert all(each.runs and each.role is Role.REPLICA for each in fleet.containers.values())
    ports = {each.port for each in fleet.containers.values()}
    assert ports == ({*range(port, port + replicas)} if port else {None})


@pytest.mark.parametrize("port", [None, 80])
def test_old_ones_run_while_new_ones_are_checked(fleet, port):
    hand_over(fleet, wanted(1, port=port, replicas=2), lambda _: None)
    hand_over(fleet, wanted(2, port=port, replicas=2), lambda _: None)
    assert len(fleet.log[-1]) == 4
    assert all(fleet.log[-1].values())


@pytest.mark.parametrize("port", [None, 80])
def test_failing_check_leaves_what_was_there(fleet, port):
    hand_over(fleet, wanted(1, port=port, replicas=2), lambda _: None)
    before = fleet.state()
    with pytest.raises(LookupError):
        hand_over(fleet, wanted(2, port=port, replicas=2), fails)
    assert fleet.state() == before


@pytest.mark.parametrize("port", [None, 80])
@pytest.mark.parametrize("error", [TargetError("the engine does not answer"), OSError("the disk is full")])
def test_old_ones_that_cannot_be_removed_are_told_apart_from_a_deployment_that_was_undone(fleet, port, error):
    hand_over(fleet, wanted(1, port=port), lambda _: None)

    def remove(_):
        raise error

    fleet.remove = remove
    with pytest.raises(LeftOverError, match=f"the new containers have the traffic.*{error}"):
        hand_over(fleet, wanted(2, port=port), lambda _: None)
    assert {each.number for each in fleet.containers.values() if each.runs and each.role is Role.REPLICA} >= {2}


@pytest.mark.parametrize("index", [1, 2, 3])
@pytest.mark.parametrize("role", [Role.CANDIDATE, Role.REPLICA])
def test_replica_that_does_not_start_leaves_what_was_there(fleet, role, index):
    hand_over(fleet, wanted(1, port=80, replicas=3), lambda _: None)
    before = fleet.state()
    fleet.broken = lambda now, which: (now, which) == (role, index)
    with pytest.raises(TargetError, match="does not start"):
        hand_over(fleet, wanted(2, port=80, replicas=3), lambda _: None)
    assert fleet.state() == before


def test_old_one_that_does_not_start_again_is_told_with_the_first_failure(fleet):
    hand_over(fleet, wanted(1, port=80), lambda _: None)
    fleet.broken = lambda role, _: role is Role.REPLICA

    def resume(_):
        raise TargetError("the disk is full", hint="make room")

    fleet.resume = resume
    with pytest.raises(TargetError, match="does not start; and what ran before does not start again") as found:
        hand_over(fleet, wanted(2, port=80), lambda _: None)
    assert found.value.hint == "make room"


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 3)])
def test_other_number_of_replicas_makes_room_for_all_of_them(fleet, before, after):
    hand_over(fleet, wanted(1, port=80, replicas=before), lambda _: None)
    hand_over(fleet, wanted(2, port=81, replicas=after), lambda _: None)
    assert sorted(each.port for each in fleet.containers.values()) == [*range(81, 81 + after)]


def test_candidates_that_were_left_go_with_the_next_replacement(fleet):
    hand_over(fleet, wanted(1, port=80), lambda _: None)
    fleet.start(wanted(2, port=80), Role.CANDIDATE, (1,))
    hand_over(fleet, wanted(3, port=80), lambda _: None)
    assert [each.number for each in fleet.containers.values()] == [3]


def test_scale_keeps_those_that_stay(fleet):
    hand_over(fleet, wanted(1, port=80), lambda _: None)
    (first,) = fleet.containers
    change_count(fleet, wanted(1, port=80, replicas=3), lambda _: None)
    assert first in fleet.containers
    assert sorted(each.port for each in fleet.containers.values()) == [80, 81, 82]
    assert {each.role for each in fleet.containers.values()} == {Role.REPLICA}
    change_count(fleet, wanted(1, port=80, replicas=1), fails)
    assert list(fleet.containers) == [first]


def test_scale_whose_check_fails_leaves_what_was_there(fleet):
    hand_over(fleet, wanted(1, port=80), lambda _: None)
    before = fleet.state()
    with pytest.raises(LookupError):
        change_count(fleet, wanted(1, port=80, replicas=3), fails)
    assert fleet.state() == before


def test_scale_of_nothing_is_told(fleet):
    with pytest.raises(TargetError, match="nothing of web runs in prod"):
        change_count(fleet, wanted(1), lambda _: None)
