"""``EngineRunning``: one container of an engine, from its making to its removal."""

import io
import json
import os
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime.backends.engines.archive import REPOSITORY, files_archive
from runtime.backends.engines.connection import ChunkFile, Told, distribute
from runtime.backends.engines.container import Folders, configuration, laid_files, mounted_files
from runtime.backends.engines.engine import Engine, with_owner
from runtime.backends.native.cgroups import Usage, usage_of
from runtime.backends.native.collector import Findings, pattern_of
from runtime.backends.native.entry import probe_all
from runtime.backends.native.order import Report
from runtime.backends.native.reading import to_outcome
from runtime.backends.native.streams import MOST, Allowance, Listener, Pump
from runtime.backends.oci.bundle import MOST_STATUS, environment_of, parse_status, questions_of
from runtime.backends.oci.profile import seccomp_of
from runtime.backends.texts import Texts
from runtime.canonical import to_text
from runtime.digest import Digest
from runtime.errors import BackendError
from runtime.factors.questions import parse_answers
from runtime.outcome import Outcome
from runtime.plan import MIB, OUT, FirstProcess, Plan, RootFilesystem

_SETUP_TIME = 60.0  # seconds
_PAUSE = 0.002
_MOST_RESULTS = 64 * MIB
_MOST_ANSWERS = 16 * MIB
_MOST_CHANGES = 10_000
_SIGNALS = 65


class EngineRunning:
    """One run under way; satisfies ``runtime.backend.Running``.

    Args:
        engine: where the container is made.
        plan: what is run.
        image: the tag of the loaded image.
        folder: an empty folder of this run's own, readable by the engine.
        evidence: False asks no probes.
        listeners: called with each chunk of stdout and of stderr, in threads of their own.

    Raises:
        BackendError: it could not be started; nothing is left behind.
    """

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        image: str,
        folder: Path,
        *,
        evidence: bool = True,
        listeners: tuple[Listener | None, Listener | None] = (None, None),
    ) -> None:
        self._engine, self._plan, self._folder = engine, plan, folder
        self._questions = questions_of(plan) if evidence else ()
        self._flooded = self._late = self._closed = False
        self._outcome: Outcome | None = None
        self._lock = threading.Lock()
        self._usage = Usage()
        self._container = self._make(image)
        try:
            self._before = frozenset(self._changes())
            self._pumps = self._attach(listeners)
            self._start()
        except BaseException:
            self.close()
            raise
        self._began = time.monotonic()
        self._timer = threading.Timer(plan.deadline / 1000, self._end_late)
        self._timer.daemon = True
        self._timer.start()

    def wait(self) -> Outcome:
        """Wait until the run has ended and return what was reported; a second call returns the same.

        Raises:
            BackendError: the run was lost or closed.
        """
        if self._outcome:
            return self._outcome
        with self._told():
            ended = self._engine.client.wait(self._container)
            self._timer.cancel()
            duration = round((time.monotonic() - self._began) * 1000)
            streams = tuple(each.stream() for each in self._pumps)
            state = self._engine.client.inspect_container(self._container)["State"]
        if self._closed:
            raise BackendError("the run was closed before it ended")
        told = parse_status(self._read_out(".status", MOST_STATUS))
        used = told.used if told else {}
        report = Report(
            status=told.status if told else _status_of(int(ended["StatusCode"])),
            deadline=self._late,
            duration=duration,
            cpu_time=max(used.get("nanoseconds", -1) // 1_000_000, used.get("microseconds", -1) // 1000),
            usage=Usage(
                memory=used.get("memory", -1),
                processes=used.get("processes", -1),
                oom_kills=max(int(bool(state.get("OOMKilled"))), used.get("oom_kills", 0)),
                in_effect=self._usage.in_effect,
            ),
            evidence=self._evidence(),
        )
        texts = Texts()
        findings = Findings(
            results=self._results(),
            artifacts=dict(self._artifacts(texts)) if self._plan.artifacts else {},
            texts=texts.kept,
            changed=self._changed(),
        )
        self._outcome = to_outcome(
            self._plan, report, findings, (streams[0], streams[1]), self._engine.ambient, flooded=self._flooded
        )
        return self._outcome

    def signal(self, number: int) -> None:
        """Send a signal to the program; nothing happens if it has ended."""
        with suppress(self._errors()):
            self._engine.client.kill(self._container, number)

    def close(self) -> None:
        """End every process of the run and remove the container; idempotent."""
        with self._lock:
            container, self._container = self._container, ""
        if not container:
            return
        self._closed = self._outcome is None
        if hasattr(self, "_timer"):
            self._timer.cancel()
        with suppress(self._errors()):
            self._engine.client.remove_container(container, force=True, v=True)
        for each in getattr(self, "_pumps", ()):
            each.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _make(self, image: str) -> str:
        """Make the container, with the plan's files in its tree."""
        folders, client, plan = self._lay_folders(), self._engine.client, self._plan
        laid = files_archive(laid_files(plan))

        def create(image: str, *, read_only: bool) -> str:
            body = configuration(plan, self._engine.machine, folders, image=image, read_only=read_only)
            return str(client.create_container_from_config(with_owner(body, self._engine))["Id"])

        image = f"{REPOSITORY}:{image}"
        with self._told():
            container = create(image, read_only=False)
            client.put_archive(container, "/", laid)
            if plan.root_filesystem is RootFilesystem.WRITABLE:
                return container
            # Nothing can be laid into a read-only tree: the writable one becomes an image.
            try:
                return create(client.commit(container)["Id"], read_only=True)
            finally:
                client.remove_container(container, force=True)

    def _lay_folders(self) -> Folders:
        out, launch = self._folder / "out", self._folder / "launch"
        out.mkdir()
        out.chmod(0o1777)
        launch.mkdir()
        (launch / "launcher").write_bytes(self._engine.launcher)
        (launch / "launcher").chmod(0o755)
        (launch / "questions").write_text("".join(f"{each}\n" for each in self._questions))
        (launch / "environment").write_bytes(environment_of(self._plan))
        sources = {}
        for number, (path, content) in enumerate(mounted_files(self._plan, self._engine.machine).items()):
            source = self._folder / f"file-{number}"
            source.write_bytes(content)
            sources[path] = str(source)
        for each in (launch, *self._folder.glob("*/*"), *self._folder.glob("file-*")):
            each.chmod(each.stat().st_mode | 0o555 if each.is_dir() or each.name == "launcher" else 0o644)
        return Folders(out=str(out), launch=str(launch), sources=sources, profile=self._profile())

    def _profile(self) -> str:
        """Return the profile of system calls as the engine takes it."""
        seccomp = seccomp_of(self._plan, self._engine.machine.name)
        if seccomp is None:
            return "unconfined"
        if self._engine.name != "podman":
            return json.dumps(seccomp)
        path = self._folder / "seccomp.json"
        path.write_text(json.dumps(seccomp))
        return str(path)

    def _attach(self, listeners: tuple[Listener | None, Listener | None]) -> tuple[Pump, Pump]:
        """Read the streams from before the start, each through a pipe of its own."""
        with self._told():
            wanted = {"stdout": 1, "stderr": 1, "stream": 1}
            connection = self._engine.client.attach_socket(self._container, params=wanted)
        readers, writers = zip(*(os.pipe() for _ in range(2)), strict=True)
        allowance = Allowance(MOST, self._flood)
        pumps = (Pump(readers[0], allowance, listeners[0]), Pump(readers[1], allowance, listeners[1]))
        for each in pumps:
            each.start()
        threading.Thread(target=distribute, args=(connection, writers), name="seatrial-attach", daemon=True).start()
        return pumps

    def _start(self) -> None:
        """Start the container, and let its program go when its limits have been read back."""
        client = self._engine.client
        with self._told():
            client.start(self._container)
        answers = self._folder / "out/.answers"
        end = time.monotonic() + _SETUP_TIME
        while not answers.exists():
            if time.monotonic() > end:
                raise BackendError(f"{self._engine.name} did not start the launcher in {_SETUP_TIME:.0f} s")
            if round(time.monotonic() / _PAUSE) % 50 == 0:
                with self._told():
                    state = client.inspect_container(self._container)["State"]
                if not state["Running"] and not answers.exists():
                    raise BackendError(f"{self._engine.name} ended the run at its start: {state.get('Error') or state}")
            time.sleep(_PAUSE)
        with self._told():
            pid = int(client.inspect_container(self._container)["State"]["Pid"])
        self._usage = usage_of(pid)
        (self._folder / "launch/go").touch()

    def _evidence(self) -> Mapping[str, str]:
        first = "app" if self._plan.first_process is FirstProcess.APP else "init"
        always = {"pid1": first, "runtime": self._engine.name}
        if not self._questions:
            return always
        try:
            answers = parse_answers(self._questions, self._read_out(".answers", _MOST_ANSWERS) or b"")
        except ValueError as error:
            raise BackendError(f"the launcher's answers cannot be read: {error}") from error
        return probe_all(self._plan, answers) | always

    def _read_out(self, name: str, most: int) -> bytes | None:
        """Read a regular file from the results' folder; the program may have put anything there."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._folder / "out" / name, flags)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read(most)

    def _results(self) -> bytes | None:
        """Bring the results out: from their folder, or by the engine where this user may not read them."""
        path = self._plan.results
        if not path:
            return None
        name = path.removeprefix(f"{OUT}/")
        if "/" not in name:
            place = self._folder / "out" / name
            if place.is_symlink() or not place.exists():
                return None
            found = self._read_out(name, _MOST_RESULTS)
            if found is not None:
                return found
        return next((content for _, content in self._files(path)), None)

    def _artifacts(self, texts: Texts) -> Iterator[tuple[str, str]]:
        patterns = [pattern_of(each) for each in self._plan.artifacts]
        for path, content in self._files(f"{self._plan.workdir}/."):
            name = path.removeprefix("./")
            if any(each.fullmatch(name) for each in patterns):
                if content is None:
                    raise BackendError(f"the artifact {name} has more than {_MOST_RESULTS:,} bytes, too many here")
                shown = to_text(os.fsencode(name))
                texts.add(shown, content)
                yield shown, Digest.of(content).text

    def _files(self, path: str) -> Iterator[tuple[str, bytes | None]]:
        """Yield the regular files below a path of the container, without the content of one that is too large."""
        from docker.errors import NotFound  # noqa: PLC0415 - the SDK is large

        with self._told():
            try:
                chunks, _ = self._engine.client.get_archive(self._container, path)
            except NotFound:
                return
        with tarfile.open(fileobj=io.BufferedReader(ChunkFile(chunks)), mode="r|") as archive:
            for entry in archive:
                if content := archive.extractfile(entry) if entry.isfile() else None:
                    yield entry.name, content.read() if entry.size <= _MOST_RESULTS else None

    def _changes(self) -> Iterator[str]:
        with self._told():
            for each in self._engine.client.diff(self._container) or ():
                yield each["Path"]

    def _changed(self) -> tuple[str, ...]:
        found = set(self._changes()) - self._before
        # An engine lists each folder above a change, and the folders that it made for its own mounts.
        above = {str(parent) for each in found | self._before for parent in Path(each).parents}
        own = {each for each in found if each.startswith(("/.seatrial", "/dev", "/proc", "/sys"))}
        return tuple(sorted(found - above - own)[:_MOST_CHANGES])

    def _end_late(self) -> None:
        self._late = True
        self.signal(9)

    def _flood(self) -> None:
        self._flooded = True
        self.signal(9)

    @staticmethod
    def _errors() -> type[Exception]:
        from docker.errors import DockerException  # noqa: PLC0415 - the SDK is large

        return DockerException

    def _told(self) -> Told:
        return Told(self._engine.name)


def _status_of(code: int) -> int:
    """Return a wait status for what an engine says, which adds 128 to the number of a signal."""
    return code - 128 if 128 < code < 128 + _SIGNALS else code << 8
