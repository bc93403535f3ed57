"""``Container``: one container that is kept running: started, asked for its health, started again, ended."""

import asyncio
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pipeline.declare.errors import TargetError
from pipeline.declare.stage_file import HealthPart
from pipeline.release.targets.supervisor.agent import Agent, read_changes
from pipeline.release.targets.supervisor.facts import is_stopped, kernel_as_shown, program_of, read_facts
from pipeline.release.targets.supervisor.health import is_answered, what_is_wanted
from pipeline.release.targets.supervisor.journal import Journal
from pipeline.release.targets.supervisor.task import Prepared
from pipeline.release.targets.target import ReplicaState
from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.idmap import read_id_map
from runtime.backends.native.running import Lasting, NativeRunning
from runtime.canonical import Json
from runtime.errors import BackendError, SeatrialError

GRACE = 10.0
"""Seconds that a program has for its end when it is asked for it."""

INTERVAL = 2.0
"""Seconds between questions for the health of a container that gets traffic."""

_LOOKING = 0.05  # seconds between questions until it is ready
_FAILURES = 3  # in a row, until it gets no traffic
_MOST_FAILURES = 10  # in a row, until it is started again
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0  # seconds before it is started again
_SETTLED = 60.0  # seconds after which an end is a first one again


@dataclass(slots=True, kw_only=True, eq=False)
class Container:
    """One container that is kept running until it is closed.

    Args:
        id: its name.
        prepare: says anew what is to run, each time it starts.
        backend: runs it.
        executor: for what waits.
        journal: takes what it writes.
        secrets: names of variables that are secret.
    """

    id: str
    prepare: Callable[[], Prepared]
    backend: NativeBackend
    executor: Executor
    journal: Journal
    secrets: frozenset[str]
    running: NativeRunning | None = None
    prepared: Prepared | None = None
    is_healthy: bool = False
    starts: int = 0
    _agent: Agent | None = field(default=None, init=False)
    _ended: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _closing: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _keeping: asyncio.Task[None] | None = field(default=None, init=False)
    _pause: float = field(default=_FIRST_PAUSE, init=False)

    async def start(self) -> None:
        """Start it once.

        Raises:
            SeatrialError: it cannot be started.
        """
        self.prepared = await self._apart(self.prepare)
        self._ended = asyncio.Event()
        self.is_healthy = False
        self.starts += 1
        listeners = (self.journal.stream(self.id, "out"), self.journal.stream(self.id, "err"))
        prepared = self.prepared
        self.running = await self._apart(
            lambda: self.backend.start(
                prepared.plan, evidence=False, listeners=listeners, volumes=prepared.volumes, is_lasting=True
            )
        )
        if self.running.lasting is None:
            raise TargetError("a container was started, and cannot be reached")
        self._watch(self.running, self._ended)
        self._agent = await Agent.start(self.running.lasting)
        self.journal.note(self.id, f"started {prepared.task.image.short}, pid {self.running.lasting.pid}")

    async def become_ready(self) -> None:
        """Wait until it is ready for traffic.

        Raises:
            TargetError: it is not in time, or has ended before.
        """
        health = self._health
        due = time.monotonic() + (health.within / 1000 if health else 0)
        while not await self.is_well():
            if self._closing.is_set():
                raise TargetError(f"{self.id} was ended before it was ready")
            if self._ended.is_set():
                raise TargetError(f"{self.id} ended before it was ready: {await self._ending()}", hint=self._hint)
            if time.monotonic() >= due:
                within = f"{health.within / 1000:g} s" if health else "time"
                raise TargetError(f"{self.id} was not ready within {within}: {what_is_wanted(health)}", hint=self._hint)
            await asyncio.sleep(_LOOKING)
        self.is_healthy = True

    def keep(self) -> None:
        """From now on, take it out of traffic when it is ill, and start it again when it ends."""
        self._keeping = asyncio.create_task(self._keep())

    async def connect(self) -> socket.socket:
        """Return a connection to the port of its traffic.

        Raises:
            OSError: it does not answer.
        """
        if self._agent is None or self.prepared is None:
            raise ConnectionRefusedError
        return await self._agent.connect(self.prepared.port)

    async def is_well(self) -> bool:
        """Ask once for its health: without a question that is asked, whether it runs."""
        health = self._health
        if self._ended.is_set() or self._agent is None:
            return False
        return health is None or await is_answered(self._agent, health)

    async def tell(self) -> Mapping[str, Json]:
        """Return what it is, as JSON that becomes a ``Replica``."""
        prepared = self.prepared
        if prepared is None:
            raise TargetError(f"{self.id} was never started")
        told: dict[str, Json] = {
            "id": self.id,
            "state": ReplicaState.STOPPED.value,
            "digests": [prepared.plan.image.text],
            "number": prepared.task.number,
            "configuration": prepared.task.configuration.text,
            "starts": self.starts,
            "facts": {},
        }
        running = self.running
        if running is None or running.lasting is None or self._ended.is_set():
            return told
        try:
            told["facts"] = await self._facts(prepared, running.lasting)
            if not is_stopped(program_of(running.lasting.pid)):
                well = self.is_healthy and await self.is_well()
                told["state"] = (ReplicaState.RUNNING if well else ReplicaState.UNHEALTHY).value
        except (TargetError, OSError) as error:  # it has ended, or is about to
            self.journal.note(self.id, f"cannot be told of: {error}")
        return told

    async def _facts(self, prepared: Prepared, lasting: Lasting) -> Mapping[str, Json]:
        """Return what is in effect, and what has changed in its tree."""
        facts: dict[str, Json] = {
            **await self._apart(lambda: read_facts(lasting.pid, prepared.plan, self.secrets, read_id_map()))
        }
        if lasting.written:
            found = json.loads(await read_changes(lasting, program_of(lasting.pid)))
            facts["kernel"] = kernel_as_shown(found.pop("personality"))
            facts.update(found)
        return facts

    async def close(self) -> None:
        """Ask its program to end, end what is left after a while, and remove all of it; idempotent."""
        self.is_healthy = False
        self._closing.set()
        if self._keeping:  # not cancelled: a thread may be starting it
            await self._keeping
        if self.running and not self._ended.is_set():
            self.running.signal(signal.SIGTERM)
            self.running.signal(signal.SIGCONT)  # one that is held would never hear of it
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), GRACE)
        await self._end()

    async def _keep(self) -> None:
        while True:
            began = time.monotonic()
            why = await self._until_ill()
            if self._closing.is_set():
                return
            self.is_healthy = False
            self.journal.note(self.id, f"{why}; it is started again")
            await self._end()
            if time.monotonic() - began >= _SETTLED:
                self._pause = _FIRST_PAUSE
            while not await self._is_closed_within(self._pause):
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
                try:
                    await self.start()
                    await self.become_ready()
                    break
                except (SeatrialError, OSError) as error:
                    self.journal.note(self.id, f"cannot be started again: {error}")
                    await self._end()

    async def _until_ill(self) -> str:
        """Return why it must be started again, when that is so."""
        failures = 0
        while failures < _MOST_FAILURES:
            if await self._is_closed_within(INTERVAL, self._ended):
                return ""
            if self._ended.is_set():
                return f"it ended: {await self._ending()}"
            failures = 0 if await self.is_well() else failures + 1
            if self.is_healthy and failures >= _FAILURES:
                self.journal.note(self.id, f"is not healthy: {what_is_wanted(self._health)}")
            self.is_healthy = failures < _FAILURES
        return f"it was not healthy {failures} times in a row"

    async def _is_closed_within(self, seconds: float, other: asyncio.Event | None = None) -> bool:
        """Wait until it is to be closed, another event has come, or the time is over; tell whether it is to be."""
        events = [self._closing] if other is None else [self._closing, other]
        waiting = [asyncio.ensure_future(each.wait()) for each in events]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        return self._closing.is_set()

    async def _end(self) -> None:
        agent, self._agent = self._agent, None
        running, self.running = self.running, None
        if agent:
            await agent.close()
        if running:
            await self._apart(running.close)

    async def _ending(self) -> str:
        running = self.running
        if running is None:
            return "it was not started"
        try:
            outcome = await self._apart(running.wait)
        except BackendError as error:
            return error.message
        if outcome.limit:
            return f"it went above its limit: {outcome.limit.value}"
        by = f"signal {outcome.signal}" if outcome.signal is not None else f"exit code {outcome.exit_code}"
        return f"with {by}"

    def _watch(self, running: NativeRunning, ended: asyncio.Event) -> None:
        """Let a thread of its own wait for the end: there is one as long as there is the container."""
        loop = asyncio.get_running_loop()

        def wait() -> None:
            with suppress(BackendError):
                running.wait()
            with suppress(RuntimeError):  # the loop is closed: this process ends
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=wait, name=f"seatrial-{self.id}", daemon=True).start()

    async def _apart(self, function: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it returns
        return await asyncio.get_running_loop().run_in_executor(self.executor, function)

    @property
    def _health(self) -> HealthPart | None:
        return self.prepared.task.deploy.health if self.prepared else None

    @property
    def _hint(self) -> str:
        return "see what it wrote in the log of the deployment"
