"""``NativeTarget``: the embedded target: containers by the kernel alone, kept running by a process of our own."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pipeline.declare.errors import TargetError
from pipeline.release.targets.masking import hidden
from pipeline.release.targets.supervisor.control import Conversation, connect, connect_or_start, is_alive, wait_for_end
from pipeline.release.targets.supervisor.task import Task, prepare_task, with_command
from pipeline.release.targets.target import Once, Replica, ReplicaState, Wanted
from runtime.backends.native.backend import NativeBackend
from runtime.digest import Digest
from runtime.errors import SeatrialError

FOLDER = "native"
"""Where a store has the supervisors' folders, as ``APP/STAGE``."""

T = TypeVar("T")

Check = Callable[[Sequence[Replica]], None]


class NativeTarget:
    """Satisfies ``Target``.

    Args:
        store: the folder of the store: supervisors, volumes and unpacked layers are in it.
    """

    def __init__(self, store: Path) -> None:
        self._store = store

    def unavailable(self) -> str:
        """Return why nothing can be run here; empty if all is well."""
        with NativeBackend(lambda _: ()) as backend:
            missing = backend.available()
        return "" if missing is None else f"{missing.reason}; {missing.hint}".removesuffix("; ")

    def prepare(self, wanted: Wanted) -> None:
        """Unpack the image's layers, once for all that have them."""
        _translated(lambda: prepare_task(Task.of(wanted), self._store, wanted.secrets))
        if wanted.deploy.port is not None and not (wanted.deploy.health or wanted.image.ports):
            raise TargetError(
                f"no port of the containers is known that port {wanted.deploy.port} could lead to",
                hint="write `health: {port: …}` in the stage, or `ports: […]` in the spec",
            )

    def run_once(
        self, wanted: Wanted, argv: Sequence[str], *, milliseconds: int, beside: Replica | None = None
    ) -> Once:
        """Run a command in the new image, in a container of its own; see ``Target.run_once``."""
        if beside is not None:
            with self._known(wanted.app, wanted.stage) as supervisor:
                found = supervisor.ask(do="once", beside=beside.id, argv=list(argv), milliseconds=milliseconds)
            return Once(exit=found["exit"], output=found["output"])
        return _translated(lambda: self._run_here(wanted, tuple(argv), milliseconds))

    def replace(self, wanted: Wanted, check: Check) -> tuple[Replica, ...]:
        """Start the new containers beside the old ones, give them the traffic, and end the old ones."""
        return self._change("replace", wanted, check)

    def scale(self, wanted: Wanted, check: Check) -> tuple[Replica, ...]:
        """Run as many containers as ``wanted`` says; those that stay are not disturbed."""
        if not is_alive(self._folder(wanted.app, wanted.stage)):
            raise _nothing(wanted.app, wanted.stage)
        are_more = wanted.deploy.replicas > len(self.observe(wanted.app, wanted.stage))
        return self._change("scale", wanted, check if are_more else lambda _: None)

    def observe(self, app: str, stage: str) -> tuple[Replica, ...]:
        """Return the containers of an app in a stage; none where no supervisor runs, as none runs without one."""
        found = connect(self._folder(app, stage))
        if found is None:
            return ()
        with found as supervisor:
            return _replicas(supervisor.ask(do="observe")["replicas"])

    def remove(self, app: str, stage: str) -> None:
        """End all containers of an app in a stage, and their supervisor; volumes stay."""
        folder = self._folder(app, stage)
        found = connect(folder)
        if found:
            with found as supervisor:
                supervisor.ask(do="remove")
        wait_for_end(folder)

    def _change(self, what: str, wanted: Wanted, check: Check) -> tuple[Replica, ...]:
        folder = self._folder(wanted.app, wanted.stage)
        with connect_or_start(folder, self._store) as supervisor:
            task = Task.of(wanted).to_json()
            ready = _replicas(supervisor.ask(do=what, task=task, secrets=dict(wanted.secrets))["ready"])
            try:
                check(ready)
            except BaseException:
                with suppress(TargetError):  # it says that nothing was switched, once the new ones have ended
                    supervisor.ask(do="undo")
                raise
            return _replicas(supervisor.ask(do="switch")["replicas"])

    def _run_here(self, wanted: Wanted, argv: tuple[str, ...], milliseconds: int) -> Once:
        from pipeline.release.targets.supervisor.service import SHOWN, exit_code  # noqa: PLC0415 - loads asyncio

        prepared, written = prepare_task(Task.of(wanted), self._store, wanted.secrets), bytearray()
        listeners = (written.extend, written.extend)
        with (
            NativeBackend(lambda _: prepared.layers) as backend,
            backend.start(
                with_command(prepared, argv, milliseconds),
                evidence=False,
                volumes=prepared.volumes,
                listeners=listeners,
            ) as running,
        ):
            outcome = running.wait()
        output = masked(bytes(written), wanted.secrets)[-SHOWN:]
        return Once(exit=exit_code(outcome), output=output.decode(errors="replace"))

    def _folder(self, app: str, stage: str) -> Path:
        return self._store / FOLDER / app / stage

    def _known(self, app: str, stage: str) -> Conversation:
        found = connect(self._folder(app, stage))
        if found is None:
            raise _nothing(app, stage)
        return found


def masked(content: bytes, secrets: Mapping[str, str]) -> bytes:
    """Return bytes in which no value of a secret is left."""
    from pipeline.release.targets.supervisor.journal import HIDDEN  # noqa: PLC0415 - as above

    for each in hidden(secrets.values()):
        content = content.replace(each.encode(), HIDDEN)
    return content


def _replicas(told: Sequence[Mapping[str, Any]]) -> tuple[Replica, ...]:
    return tuple(sorted((_replica(each) for each in told), key=lambda each: each.id))


def _replica(told: Mapping[str, Any]) -> Replica:
    return Replica(
        id=told["id"],
        state=ReplicaState(told["state"]),
        digests=frozenset(Digest(each) for each in told["digests"]),
        number=told["number"],
        configuration=Digest(told["configuration"]),
        facts=told["facts"],
    )


def _translated(function: Callable[[], T]) -> T:
    """Call a function whose errors of the runtime become the target's."""
    try:
        return function()
    except TargetError:
        raise
    except SeatrialError as error:
        raise TargetError(error.message, hint=error.hint) from error


def _nothing(app: str, stage: str) -> TargetError:
    return TargetError(f"nothing of {app} runs in {stage}", hint=f"`seatrial deploy {app} --stage {stage}` runs it")
