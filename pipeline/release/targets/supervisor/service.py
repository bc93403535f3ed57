"""``Supervisor``: the process that keeps the containers of one app in one stage; it ends with the last of them.

It is told what to do over a socket, one line of JSON a request. Containers that were started and were not given traffic
end with the connection that asked for them. If it is killed, the kernel ends all its containers.
"""

import asyncio
import fcntl
import itertools
import json
import os
import resource
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.declare.errors import TargetError
from pipeline.release.targets.supervisor.control import LOCK, LOG, NEXT, NUMBER, SOCKET, TASK, short_name
from pipeline.release.targets.supervisor.gateway import Gateway
from pipeline.release.targets.supervisor.journal import Journal
from pipeline.release.targets.supervisor.replica import Container
from pipeline.release.targets.supervisor.task import Prepared, Task, prepare_task, with_command
from runtime.backends.native.backend import NativeBackend
from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.errors import SeatrialError
from runtime.oci.temporary import write_whole
from runtime.outcome import Limit, Outcome

SHOWN = 4096
"""Bytes of what a command wrote that are told."""

_MOST_LINE = 1 << 24
_THREADS = 300


class Supervisor:
    """Keeps the containers of one app in one stage.

    Args:
        folder: its own.
        store: the folder of the store.
    """

    def __init__(self, folder: Path, store: Path) -> None:
        self._folder, self._store = folder, store
        self._layers: dict[Digest, tuple[Path, ...]] = {}
        self._backend = NativeBackend(lambda digest: self._layers[digest])
        self._executor = ThreadPoolExecutor(_THREADS)
        self._journal = Journal(folder / LOG)
        self._gateway = Gateway()
        self._containers: list[Container] = []
        self._candidates: list[Container] = []
        self._secrets: dict[str, str] = {}
        self._changing = asyncio.Lock()
        self._conversations = 0
        self._done = asyncio.Event()
        self._numbers = itertools.count(1)

    async def serve(self) -> None:
        """Answer until there is nothing to keep any more, or a signal asks for the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._done.set)
        with short_name(self._folder) as name:
            (self._folder / SOCKET).unlink(missing_ok=True)
            server = await asyncio.start_unix_server(self._converse, f"{name}/{SOCKET}", limit=_MOST_LINE)
        try:
            await self._done.wait()
        finally:
            server.close()
            await self._gateway.open(None)
            await asyncio.gather(*(each.close() for each in (*self._containers, *self._candidates)))
            self._backend.close()
            self._journal.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._conversations += 1
        try:
            while line := await reader.readline():
                await self._answer(json.loads(line), reader, writer)
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # who asked is gone, or this process ends
        finally:
            writer.close()
            self._conversations -= 1
        if not self._containers and not self._conversations:
            self._done.set()

    async def _answer(
        self, request: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            match request["do"]:
                case "hello":
                    await _send(writer, {"hello": os.getpid()})
                case "replace" | "scale":
                    await self._change(request, reader, writer)
                case "once":
                    await _send(writer, await self._run_beside(request))
                case "observe":
                    await _send(writer, {"replicas": await self._told(self._containers)})
                case "remove":
                    async with self._changing:
                        self._gateway.lead_to([])
                        await self._give_up(self._containers)
                        self._containers = []
                        await self._gateway.open(None)
                        await _send(writer, {"removed": True})
                case other:
                    raise TargetError(f"a supervisor cannot {other!r}")
        except SeatrialError as error:
            await _send(writer, {"error": error.message, "hint": error.hint})
        except (OSError, ValueError, KeyError, TypeError) as error:  # of this machine, or of who asks
            self._journal.note("supervisor", f"{type(error).__name__}: {error}")
            await _send(writer, {"error": f"the supervisor could not do it: {error}", "hint": ""})

    async def _change(
        self, request: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._changing.locked():
            raise TargetError("another deployment of this app is under way", hint="wait for its end")
        async with self._changing:
            task = Task.parse(json.dumps(request["task"]))
            self._refuse_older(task)
            self._journal.hide(request["secrets"].values())
            kept = self._containers[: task.deploy.replicas] if request["do"] == "scale" else []
            self._write(NEXT, task)
            secrets = {**request["secrets"]}
            self._candidates = [self._new(task, secrets) for _ in range(task.deploy.replicas - len(kept))]
            try:
                await _all(*(self._make_ready(each) for each in self._candidates))
                await _send(writer, {"ready": await self._told((*kept, *self._candidates))})
                _require_switch(await reader.readline())
                await self._switch(kept, task, secrets)
            except BaseException:
                await asyncio.gather(*(each.close() for each in self._candidates))
                raise
            finally:
                self._candidates = []
            await _send(writer, {"replicas": await self._told(self._containers)})

    async def _switch(self, kept: Sequence[Container], task: Task, secrets: dict[str, str]) -> None:
        for each in self._candidates:
            if not await each.is_well():
                raise TargetError(f"{each.id} was ready, and is not any more")
        port = self._gateway.port
        await self._gateway.open(task.deploy.port)
        try:
            self._write(NUMBER, None, number=task.number)
            (self._folder / NEXT).replace(self._folder / TASK)
        except OSError:
            await self._gateway.open(port)
            raise
        # From here on nothing fails: otherwise those that end and those that come would both be nobody's.
        ending = [each for each in self._containers if each not in kept]
        new, self._candidates = self._candidates, []
        self._containers, self._secrets = [*kept, *new], secrets
        self._gateway.lead_to(self._containers)
        for each in new:
            each.keep()
        count = len(self._containers)
        self._journal.note("deployment", f"number {task.number}, {task.image.short}, {count} containers")
        await self._give_up(ending)

    async def _give_up(self, containers: Sequence[Container]) -> None:
        await self._gateway.drain(containers)
        await asyncio.gather(*(each.close() for each in containers))

    async def _make_ready(self, container: Container) -> None:
        await container.start()
        await container.become_ready()

    async def _told(self, containers: Sequence[Container]) -> list[Any]:
        return list(await asyncio.gather(*(each.tell() for each in containers)))

    async def _run_beside(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        found = [each for each in (*self._containers, *self._candidates) if each.id == request["beside"]]
        if not found or found[0].running is None or found[0].prepared is None:
            raise TargetError(f"no container {request['beside']!r} runs here")
        host, prepared, written = found[0].running, found[0].prepared, bytearray()
        plan = with_command(prepared, tuple(request["argv"]), request["milliseconds"])

        def run() -> Outcome:
            with self._backend.start(
                plan,
                evidence=False,
                volumes=prepared.volumes,
                beside=host,
                listeners=(written.extend, written.extend),
            ) as running:
                return running.wait()

        outcome = await asyncio.get_running_loop().run_in_executor(self._executor, run)
        output = self._journal.masked(bytes(written))[-SHOWN:]
        return {"exit": exit_code(outcome), "output": output.decode(errors="replace")}

    def _new(self, task: Task, secrets: dict[str, str]) -> Container:
        def prepare() -> Prepared:
            """Prepare what the task file says by now, once there is traffic; what was asked for until then."""
            if made in self._containers:
                current, values = Task.parse((self._folder / TASK).read_bytes()), self._secrets
            else:
                current, values = task, secrets
            prepared = prepare_task(current, self._store, values)
            self._layers[prepared.plan.image] = prepared.layers
            return prepared

        made = Container(
            id=f"{task.app}-{task.stage}-{next(self._numbers)}",
            prepare=prepare,
            backend=self._backend,
            executor=self._executor,
            journal=self._journal,
            secrets=frozenset(secrets),
        )
        return made

    def _refuse_older(self, task: Task) -> None:
        with suppress(FileNotFoundError):
            seen = int((self._folder / NUMBER).read_text())
            if task.number < seen:
                raise TargetError(
                    f"promotion {task.number} is older than {seen}, which was deployed here",
                    hint=f"`seatrial deploy {task.app} --stage {task.stage}` deploys what is live in the stage",
                )

    def _write(self, name: str, task: Task | None, *, number: int = 0) -> None:
        write_whole(self._folder / name, to_canonical_json(task.to_json()) if task else str(number).encode())


def exit_code(outcome: Outcome) -> int:
    """Return how a command ended, as a shell would say it."""
    match outcome.limit:
        case Limit.DEADLINE:
            return 124
        case Limit.OOM:
            return 137
        case _:
            pass
    return outcome.exit_code if outcome.exit_code is not None else 128 + (outcome.signal or 0)


def _require_switch(line: bytes) -> None:
    if not line or json.loads(line).get("do") != "switch":
        raise TargetError("the deployment was given up before the new containers got traffic")


async def _all(*works: Any) -> None:  # noqa: ANN401 - awaitables
    """Wait for all, and then raise what the first of them raised."""
    for each in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(each, BaseException):
            raise each


async def _send(writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()


def main(folder: str, store: str) -> None:
    """Be the supervisor of a folder, if there is none yet."""
    os.umask(0o077)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with (Path(folder) / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        asyncio.run(_serve(Path(folder), Path(store)))


async def _serve(folder: Path, store: Path) -> None:
    await Supervisor(folder, store).serve()
