"""``hand_over``: the new containers beside the old ones, checked, and then the traffic: the same for every engine.

Where no port of the machine leads to the containers, the new ones are the replicas as soon as they have been checked,
and nothing was ever away. A port of the machine leads to one container at a time: there the checked ones are
candidates, which other containers follow that have the ports, one replica at a time. Until the last one is ready the
old containers are stopped and not removed, so that each of them can go on.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from pipeline.declare.errors import LeftOverError, TargetError
from pipeline.release.targets.marks import Role
from pipeline.release.targets.target import Replica, Wanted


class Fleet(Protocol):
    """Makes and ends the containers of one app in one stage; each verb raises ``TargetError`` where it fails."""

    def running(self) -> tuple[str, ...]:
        """Return what was there before, replicas and what is left of candidates, whether it runs or not, in order."""

    def start(self, wanted: Wanted, role: Role, indexes: Sequence[int]) -> tuple[str, ...]:
        """Start replicas by their indexes, and return their names when they are ready.

        A candidate has no port of the machine, but for the loopback one by which it is asked whether it is ready. If
        one of them does not start, or is not ready, none is left.
        """

    def stop(self, names: Sequence[str]) -> None:
        """Stop containers, which stay."""

    def resume(self, names: Sequence[str]) -> None:
        """Start stopped containers again."""

    def remove(self, names: Sequence[str]) -> None:
        """End containers; those that are gone are no error. Named volumes stay."""

    def told(self, names: Sequence[str]) -> tuple[Replica, ...]:
        """Return what the containers of these names are, as the target tells it."""


def hand_over(fleet: Fleet, wanted: Wanted, check: Callable[[Sequence[Replica]], None]) -> None:
    """Bring the containers of a deployment into the place of those that are there.

    Raises:
        TargetError: the new ones did not get ready, or did not with their ports. The old ones go on.
        LeftOverError: the new ones have taken their place, and the old ones could not be removed.
        BaseException: what ``check`` raises; likewise.
    """
    before = fleet.running()
    every = range(1, wanted.deploy.replicas + 1)
    role = Role.CANDIDATE if wanted.deploy.port and before else Role.REPLICA
    new = fleet.start(wanted, role, every)
    try:
        check(fleet.told(new))
        if role is Role.CANDIDATE:
            _take_ports(fleet, wanted, before)
    except BaseException:
        _ended(fleet, new)
        raise
    with following():
        fleet.remove((*before, *(new if role is Role.CANDIDATE else ())))


@contextmanager
def following() -> Iterator[None]:
    """Say of what fails in the block that the new containers have the traffic all the same.

    Raises:
        LeftOverError: it failed.
    """
    try:
        yield
    except (TargetError, OSError) as error:
        said = error.message if isinstance(error, TargetError) else str(error)
        message = f"the new containers have the traffic, and what follows that failed: {said}"
        raise LeftOverError(message, hint="deploy again once that is mended: it ends what is left") from error


def change_count(fleet: Fleet, wanted: Wanted, check: Callable[[Sequence[Replica]], None]) -> None:
    """Run more containers, or fewer, of what runs; those that stay are not disturbed.

    Raises:
        TargetError: nothing runs, or new ones did not get ready; these are ended.
        BaseException: what ``check`` raises; likewise.
    """
    before = fleet.running()
    count = wanted.deploy.replicas
    if not before:
        hint = f"`seatrial deploy {wanted.app} --stage {wanted.stage}` runs it"
        raise TargetError(f"nothing of {wanted.app} runs in {wanted.stage}", hint=hint)
    if count > len(before):
        _add(fleet, wanted, before, check)
    fleet.remove(before[count:])


def _add(fleet: Fleet, wanted: Wanted, before: Sequence[str], check: Callable[[Sequence[Replica]], None]) -> None:
    """Start more containers; those with a port of the machine follow candidates that were checked."""
    more = range(len(before) + 1, wanted.deploy.replicas + 1)
    role = Role.CANDIDATE if wanted.deploy.port else Role.REPLICA
    new = fleet.start(wanted, role, more)
    try:
        check(fleet.told((*before, *new)))
        if role is Role.CANDIDATE:
            fleet.start(wanted, Role.REPLICA, more)
            fleet.remove(new)
    except BaseException:
        _ended(fleet, new)
        raise


def _take_ports(fleet: Fleet, wanted: Wanted, before: Sequence[str]) -> None:
    """Let one replica after the other take its port."""
    taken: list[str] = []
    count = wanted.deploy.replicas
    # As many as before: each new one has the port of an old one. Otherwise all have to make room at once.
    rooms = [(each,) for each in before] if len(before) == count else [tuple(before), *[()] * (count - 1)]
    try:
        for index, room in enumerate(rooms, 1):
            fleet.stop(room)
            taken.extend(fleet.start(wanted, Role.REPLICA, (index,)))
    except BaseException as error:
        _ended(fleet, taken)
        _resume(fleet, before, error)
        raise


def _resume(fleet: Fleet, before: Sequence[str], error: BaseException) -> None:
    try:
        fleet.resume(before)
    except TargetError as second:
        message = f"{error}; and what ran before does not start again: {second.message}"
        raise TargetError(message, hint=second.hint) from error


def _ended(fleet: Fleet, names: Sequence[str]) -> None:
    """End what failed; that this fails too must not hide why."""
    with suppress(TargetError):
        fleet.remove(names)
