"""Progress on stderr: two lines that stay in place on a terminal, one line an event in a log."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol, Self, TextIO

from pipeline.report.events import Ended, Event, Planned, Reader, Started, Step
from pipeline.report.text import Ink, listed, pad, seconds, visible

QUIET = 0.5
"""Seconds before anything is shown on a terminal: what is faster needs no progress."""

HEARTBEAT = 30.0
"""Seconds without a word after which a log is told what still runs: services kill jobs that are silent."""

_TICK = 0.1
_SUBJECT, _RESULT = 28, 26


class Progress(AbstractContextManager["Progress"], Protocol):
    """Something that is told events, from any thread."""

    def tell(self, event: object) -> None:
        """Show an event, of this stage or of verify; one of another kind is passed over."""


@dataclass(slots=True)
class Tally:
    """What the events said so far.

    Args:
        planned: step → how many pieces were announced.
        done: step → how many ended.
        spent: step → milliseconds of the pieces that ended.
        running: (step, subject) → when it began and its note.
    """

    planned: dict[Step, int] = field(default_factory=dict)
    done: dict[Step, int] = field(default_factory=dict)
    spent: dict[Step, int] = field(default_factory=dict)
    running: dict[tuple[Step, str], tuple[float, str]] = field(default_factory=dict)

    def timed(self, event: Event, now: float) -> Event:
        """Return an event with how long its piece took, where only its beginning is known."""
        if not isinstance(event, Ended) or event.duration:
            return event
        began, _ = self.running.get((event.step, event.subject), (now, ""))
        return replace(event, duration=round((now - began) * 1000))

    def add(self, event: Event, now: float) -> None:
        """Count an event."""
        match event:
            case Planned():
                self.planned[event.step] = self.planned.get(event.step, 0) + event.count
            case Started():
                self.running[event.step, event.subject] = (now, event.note)
            case Ended():
                self.running.pop((event.step, event.subject), None)
                self.done[event.step] = self.done.get(event.step, 0) + 1
                self.spent[event.step] = self.spent.get(event.step, 0) + event.duration


def progress(stream: TextIO, environment: Mapping[str, str], *, silent: bool) -> Progress:
    """Return the progress that suits a stream: none, two lines in place, or a log."""
    if silent:
        return Silent()
    ink = Ink.of(stream, environment)
    if stream.isatty() and environment.get("TERM") != "dumb":
        return Pane(stream, ink)
    return Log(stream, ink)


class Silent:
    """Shows nothing."""

    def tell(self, event: object) -> None:
        """Show nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""


class _Ticking:
    """A tally under a lock, and a thread that looks at it now and then while the context is open."""

    def __init__(self, stream: TextIO, ink: Ink, tick: float) -> None:
        self.stream, self.ink, self.tally = stream, ink, Tally()
        self.lock = threading.Lock()
        self._tick = tick
        self._reader = Reader()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.close()

    def tell(self, event: object) -> None:
        """Count an event and show it."""
        now = time.monotonic()
        with self.lock:
            for each in self._reader.read(event):
                timed = self.tally.timed(each, now)
                self.tally.add(timed, now)
                self.show(timed)

    def show(self, event: Event) -> None:
        """Show an event; the lock is held."""

    def tick(self) -> None:
        """Look at the tally; the lock is held."""

    def close(self) -> None:
        """Remove what must not stay."""

    def _look(self) -> None:
        while not self._stop.wait(self._tick):
            with self.lock:
                self.tick()


class Log(_Ticking):
    """One line an event, never rewritten; and what still runs, where nothing ended for 30 s.

    Args:
        stream: where to write.
        ink: what it can show.
        clock: the time of day as ``HH:MM:SS``.
        heartbeat: seconds of silence.
    """

    def __init__(
        self,
        stream: TextIO,
        ink: Ink,
        *,
        clock: Callable[[], str] = lambda: time.strftime("%H:%M:%S", time.gmtime()),
        heartbeat: float = HEARTBEAT,
    ) -> None:
        super().__init__(stream, ink, min(1.0, heartbeat / 4))
        self._clock, self._heartbeat, self._last = clock, heartbeat, time.monotonic()

    def show(self, event: Event) -> None:
        """Write a line for a piece that ended."""
        if isinstance(event, Ended):
            mark = self.ink.symbol(event.mark) + " " if event.mark else ""
            result = self.ink.cut(mark + visible(event.result), _RESULT - 1)
            self._line(event.step, event.subject, result, seconds(event.duration))

    def tick(self) -> None:
        """Write what runs, if nothing was written for long."""
        now = time.monotonic()
        if now - self._last < self._heartbeat:
            return
        if not self.tally.running:
            self._line("working", "", f"{round(now - self._last)} s", "")
        for (step, subject), (began, note) in list(self.tally.running.items())[:2]:
            lasted = f"{round(now - began)} s" + (f"; {visible(note)}" if note else "")
            self._line("running", subject if step is Step.RUN else f"{step} {subject}", lasted, "")

    def _line(self, word: str, subject: str, result: str, duration: str) -> None:
        name = pad(self.ink.cut(visible(subject), _SUBJECT - 2), _SUBJECT - 1)
        self.stream.write(f"{self._clock()}  {word:<10}{name}{pad(result, _RESULT)}{duration:>7}".rstrip() + "\n")
        self.stream.flush()
        self._last = time.monotonic()


class Pane(_Ticking):
    """Two lines that stay in place and are erased at the end.

    Args:
        stream: a terminal.
        ink: what it can show.
    """

    def __init__(self, stream: TextIO, ink: Ink) -> None:
        super().__init__(stream, ink, _TICK)
        self._began = time.monotonic()
        self._live: _Live | None = None

    def tick(self) -> None:
        """Draw both lines anew, half a second after the beginning at the earliest."""
        if time.monotonic() - self._began < QUIET or not (self.tally.planned or self.tally.running):
            return
        if self._live is None:
            self._live = _open(self.stream, self.ink)
        self._live.update(two_lines(self.tally, self.ink), refresh=True)

    def close(self) -> None:
        """Erase both lines."""
        if self._live is not None:
            self._live.stop()


def two_lines(tally: Tally, ink: Ink) -> str:
    """Return the steps with their counts, and a bar with what runs now."""
    steps = [_step(tally, step, ink) for step in Step if step in tally.planned or step in tally.done]
    steps = [text for text in steps if text] or [str(step) for step, _ in list(tally.running)[:1]]
    total, done = sum(tally.planned.values()), sum(tally.done.values())
    filled = 40 * min(done, total) // total if total else 0
    bar = ink.symbol("━") * filled + (ink.symbol("─") if ink.symbols else " ") * (40 - filled)
    now = [visible(subject) for _, subject in list(tally.running)[:2]]
    said = f" now: {listed(now, ',')}" if now else ""
    return f"  {'   '.join(steps)}"[: ink.width - 1] + "\n  " + bar + ink.cut(said, ink.width - 44)


def _step(tally: Tally, step: Step, ink: Ink) -> str:
    done, planned = tally.done.get(step, 0), max(tally.planned.get(step, 0), tally.done.get(step, 0))
    if done == planned and not any(each is step for each, _ in tally.running):
        return f"{step} {ink.symbol('✓')} {seconds(tally.spent.get(step, 0))}" if done else ""
    return f"{step} {done} of {planned}"


class _Live(Protocol):
    def update(self, renderable: str, *, refresh: bool = False) -> None: ...

    def stop(self) -> None: ...


def _open(stream: TextIO, ink: Ink) -> _Live:
    from rich.console import Console  # noqa: PLC0415 - loaded once there is something to show
    from rich.live import Live  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    # FORCE_COLOR makes rich animate into pipes: only a real terminal may.
    console = Console(
        file=stream, force_interactive=stream.isatty(), no_color=not ink.color, highlight=False, emoji=False
    )
    live = Live(console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    live.start()

    class Plain:
        def update(self, renderable: str, *, refresh: bool = False) -> None:
            live.update(Text(renderable, no_wrap=True, overflow="crop"), refresh=refresh)

        def stop(self) -> None:
            live.stop()

    return Plain()
