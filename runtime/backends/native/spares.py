"""Sandboxes made ahead of their orders, and which of them an order may have.

A spare serves one order and never sees a second. How far it has gone decides which orders it can serve: one that has
executed the first steps serves every order whose steps begin alike, one that has executed all serves the same order
once more. The first are made for a plan that came once, since hosts take turns on one image; the second for a plan that
came again and is likely to come once more: reruns, and the two sides of a difference that is being explained.
"""

import os
import signal
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from runtime.backends.native.cgroups import RunGroup
from runtime.backends.native.entry import Ahead
from runtime.backends.native.order import Order
from runtime.backends.native.recipe import steps_ahead
from runtime.backends.native.steps.step import Step
from runtime.data import dataclass
from runtime.plan import Stdin

MOST_SPARES = 4
"""How many wait at most: one for each run that went on at the same time, which is one for each CPU as a rule."""

_REMEMBERED = 8  # orders: the two sides of a difference, each on two CPUs, twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Newborn:
    """A process on its way into a run: it holds nothing that the caller does not know of.

    Args:
        pid: of its process 1.
        control: the socket to it.
        group: its control groups.
    """

    pid: int
    control: socket.socket
    group: RunGroup

    def end(self) -> None:
        """End it, and leave nothing."""
        self.control.close()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.group.remove()


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What orders have in common that the same spare can serve.

    Args:
        layers: folders of the layers.
        steps: that it has executed; empty where ``order`` says it.
        order: what it has done all of; None if it has gone as far as ``steps`` only.
    """

    layers: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    order: Order | None = None

    @property
    def ahead(self) -> Ahead:
        """How far such a spare has gone."""
        return Ahead.ALL if self.order else Ahead.BEGINNING


class Spares:
    """Those that wait, the oldest first.

    Args:
        one_id: whether runs have one id only.
    """

    def __init__(self, *, one_id: bool) -> None:
        self._one_id = one_id
        self._waiting: list[tuple[Likeness, Newborn]] = []
        self._recent: deque[Order] = deque(maxlen=_REMEMBERED)

    def note(self, order: Order) -> None:
        """Remember that an order came."""
        self._recent.append(order)

    def take(self, order: Order) -> tuple[Likeness, Newborn] | None:
        """Return a spare for an order, the one that has gone furthest, and leave it to the caller."""
        for wanted in self._likenesses(order):
            for position, (each, _) in enumerate(self._waiting):
                if each == wanted:
                    return self._waiting.pop(position)
        return None

    def missing(self, order: Order, *, most: int) -> Likeness | None:
        """Return what the next spare should be like, now that a run of this order has begun; None if there are enough.

        Args:
            order: one that has come before.
            most: how many there may be that are alike.
        """
        came_again = sum(each == order for each in self._recent) > 1
        useful = tuple(self._likenesses(order))
        if not useful:
            return None
        wanted = useful[0 if came_again else -1]
        there = sum(each == wanted for each, _ in self._waiting)
        return wanted if there < min(most, MOST_SPARES) else None

    def keep(self, likeness: Likeness, spare: Newborn) -> None:
        """Let one more wait; the oldest ends if there are too many, and so do all that were made for other layers."""
        self._waiting.append((likeness, spare))
        kept = [each for each in self._waiting if each[0].layers == likeness.layers][-MOST_SPARES:]
        ending = [each for each in self._waiting if each not in kept]
        self._waiting = kept
        for _, each in ending:
            each.end()

    def end(self) -> None:
        """End all."""
        for _, each in self._waiting:
            each.end()
        self._waiting.clear()

    def _likenesses(self, order: Order) -> Iterator[Likeness]:
        """Yield what spares may be like for this order, the most helpful first; nothing if none can serve it."""
        is_own = order.is_lasting or order.volumes or order.tree
        if is_own or order.runtime or order.services or order.plan.limits.cpu_quota:
            return
        comes_later = order.plan.stdin is Stdin.INHERITED or order.plan.tuning.uptime is not None
        if not comes_later:  # stdin comes with the order, and a clock that was set would have gone on
            yield Likeness(layers=order.layers, order=order)
        steps = steps_ahead(order.plan, layers=len(order.layers), one_id=self._one_id)
        yield Likeness(layers=order.layers, steps=steps)
