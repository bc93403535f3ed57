"""``Journal``: what this machine is about to do to promote, written down before it does it.

A promotion is a line that it begins, a line before each of its steps, and a line that it ended. Each line is on the
disk before what it announces is done. A process that is killed leaves a promotion without an end. The next one looks
what is live in the stage: if it is the release, the promotion is done; if not, nothing of it is to be seen, and it is
gone on with where the same release is wanted, and ended as undone otherwise. Every step may be done twice.

Lines are canonical JSON; the last one may be cut, and is then as if it had not been written.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from pipeline.declare.errors import BusyStageError, PromotionError
from pipeline.release.documents import parse_object
from pipeline.release.refusal import RefusedEvidenceError
from pipeline.release.reservation import Reservation, end, holds, reserve
from pipeline.release.stage_store import StageStore
from pipeline.release.stage_tags import LIVE
from runtime.canonical import Json, to_canonical_json
from runtime.data import dataclass, replace
from runtime.digest import Digest
from runtime.errors import DigestError, SeatrialError
from runtime.oci.descriptor import Descriptor
from runtime.oci.temporary import sync_folder

_LAST = "live"
"""The step with which a promotion takes effect."""

_LIMIT = 64 << 20  # bytes of one journal

_AWAY = "move the file away: what is live is in the stage's store"


class Outcome(StrEnum):
    """How a promotion ended."""

    LIVE = "live"
    """The release is what the stage has."""
    UNDONE = "undone"
    """The stage has what it had before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A promotion, as a journal has it.

    Args:
        stage: the name of the stage.
        app: the name of the app.
        id: of the promotion.
        number: 0 as long as it has none.
        release: what is promoted.
        previous: what was live before; None for nothing.
        at: when it began, seconds since 1970.
        steps: the names of the steps that were begun, in order; all but the last are done.
        outcome: how it ended; None where it has not.
        reason: why it was undone; empty where nobody could say.
    """

    stage: str
    app: str
    id: str
    number: int = 0
    release: Digest
    previous: Digest | None = None
    at: int
    steps: tuple[str, ...] = ()
    outcome: Outcome | None = None
    reason: str = ""


class Journal:
    """The promotions of this machine.

    Args:
        folder: has a folder for each stage, with one for each app; it is made when something is promoted.
        clock: gives the seconds since 1970.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], int]) -> None:
        self._folder = folder
        self._clock = clock

    @contextlib.contextmanager
    def begin(
        self, store: StageStore, stage: str, app: str, release: Digest, *, least: int = 0, take_over: bool = False
    ) -> Iterator["Intent"]:
        """Yield the promotion of a release, once what killed ones left is settled; nobody else promotes meanwhile.

        The one that a killed process left is gone on with where it is of the same release. When the block ends with the
        release live the promotion is done; otherwise it is undone, and the exception passes on.

        Args:
            store: of the stage.
            stage: the name of the stage.
            app: the name of the app.
            release: what is to be promoted.
            least: the highest number that is known otherwise, as from acceptances.
            take_over: whether a promotion of another machine that has not ended is passed over.

        Raises:
            BusyStageError: another promotion is under way.
            PromotionError: the journal cannot be read or written.
            StoreError, FetchError: the store cannot be read or written.
        """
        with self._opened(stage, app) as file:
            lines = _Lines(file, self._path(stage, app), stage, app)
            left = _settle(lines, store, release)
            intent = Intent(lines, store, left or self._new(lines, store, release))
            try:
                intent.reserve(least=least, take_over=take_over)
                yield intent
                intent.require_live()
            except BaseException as error:
                intent.undo(error)
                raise

    def settle(self, store: StageStore, stage: str, app: str) -> None:
        """End what a killed process left, where nothing is to be promoted; it raises as ``begin``."""
        with self._opened(stage, app) as file:
            _settle(_Lines(file, self._path(stage, app), stage, app), store, None)

    def promotions(self, stage: str, app: str) -> tuple[Promotion, ...]:
        """Return the promotions into a stage that began on this machine, the oldest first.

        Raises:
            PromotionError: the journal cannot be read.
        """
        path = self._path(stage, app)
        try:
            with path.open("rb") as file:
                return _Lines(file, path, stage, app).promotions
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _unusable(path, error) from error

    def unfinished(self) -> tuple[Promotion, ...]:
        """Return the promotions that have not ended, of all stages and apps: under way now, or killed."""
        found = (self.promotions(path.parent.parent.name, path.parent.name) for path in self._paths())
        return tuple(several[-1] for several in found if several and several[-1].outcome is None)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*/*/journal"))

    def _path(self, stage: str, app: str) -> Path:
        return self._folder / stage / app / "journal"

    def _new(self, lines: "_Lines", store: StageStore, release: Digest) -> Promotion:
        live = store.tagged(LIVE)
        promotion = Promotion(
            stage=lines.stage,
            app=lines.app,
            id=os.urandom(8).hex(),
            release=release,
            previous=live.digest if live else None,
            at=self._clock(),
        )
        lines.append(_beginning(promotion))
        return promotion

    @contextlib.contextmanager
    def _opened(self, stage: str, app: str) -> Iterator[BinaryIO]:
        path = self._path(stage, app)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+b")
            sync_folder(path.parent)
        except OSError as error:
            raise _unusable(path, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BusyStageError(
                    f"another promotion of {app} into {stage} is under way on this machine",
                    hint="wait for it; `seatrial status` shows it",
                ) from None
            yield file


class Intent:
    """A promotion under way, of which this process alone writes.

    Args:
        lines: of the journal.
        store: of the stage.
        promotion: what is promoted.
    """

    def __init__(self, lines: "_Lines", store: StageStore, promotion: Promotion) -> None:
        self._lines = lines
        self._store = store
        self._earlier = promotion.steps[:-1]
        self.promotion = promotion
        self.is_live = False

    @property
    def number(self) -> int:
        """The number of the promotion: higher than that of every one before it into this stage."""
        return self.promotion.number

    @property
    def previous(self) -> Digest | None:
        """What was live when it began."""
        return self.promotion.previous

    def step(self, name: str) -> None:
        """Write down that a step begins; what was begun before is done."""
        self._lines.append({"event": "step", "name": name})
        self.promotion = replace(self.promotion, steps=(*self.promotion.steps, name))

    def was_done(self, name: str) -> bool:
        """Tell whether a process that was killed had done a step of this promotion before."""
        return name in self._earlier

    def reserve(self, *, least: int, take_over: bool) -> None:
        """Have the number of the promotion; see ``reservation.reserve``."""
        known = self._lines.promotions
        reserved = reserve(
            self._store,
            self._reservation,
            least=max([least, *(each.number for each in known)]),
            take_over=take_over,
            ended={each.id for each in known if each.outcome is not None},
        )
        self._lines.append({"event": "reserved", "number": reserved.number})
        self.promotion = replace(self.promotion, number=reserved.number)

    def make_live(self, release: Descriptor) -> None:
        """Let the stage have the release, as the last step of all; everything of it is there and was read back.

        Raises:
            BusyStageError: another promotion has begun meanwhile, with a higher number.
            TagMovedError: the stage has another release by now than when this one began.
            StoreError, FetchError: the store cannot be written.
        """
        self.step("keep")
        self._store.keep(release)
        if not holds(self._store, self._reservation):
            raise BusyStageError(
                f"promotion {self.number} of {release.digest} was passed over: a later one has begun",
                hint="look at `seatrial status`, and decide anew",
            )
        self.step(_LAST)
        self._store.tag(LIVE, release, self.previous)
        self._end()

    def _end(self) -> None:
        self.is_live = True
        self._lines.append(_ending(Outcome.LIVE, ""))
        with contextlib.suppress(SeatrialError):  # The next one does it then.
            self._store.sweep()

    def require_live(self) -> None:
        """Refuse to end before the release is live.

        Raises:
            PromotionError: it is not.
        """
        if not self.is_live:
            message = f"the promotion of {self.promotion.release} into {self.promotion.stage} ended before it was live"
            raise PromotionError(message)

    def undo(self, error: BaseException) -> None:
        """Write down that the promotion ended without effect; nothing is done where the release is live.

        Where the store cannot be asked, the next one that promotes settles it.
        """
        if self.is_live:
            return
        with contextlib.suppress(SeatrialError):
            _end(self._lines, self._store, self.promotion, str(error).partition("\n")[0] or type(error).__name__)

    @property
    def _reservation(self) -> Reservation:
        return _reservation_of(self.promotion)


def _settle(lines: "_Lines", store: StageStore, release: Digest | None) -> Promotion | None:
    """End what a killed process left, or return it where the same release is to be promoted."""
    left = lines.promotions[-1] if lines.promotions else None
    if left is None or left.outcome is not None:
        return None
    live = store.tagged(LIVE)
    if left.release == release and left.previous == (live.digest if live else None):
        return left
    _end(lines, store, left, "its process was killed")
    return None


def _end(lines: "_Lines", store: StageStore, promotion: Promotion, reason: str) -> None:
    """Write down how a promotion ended, which the store alone says."""
    live = store.tagged(LIVE)
    if _LAST in promotion.steps and live is not None and live.digest == promotion.release:
        lines.append(_ending(Outcome.LIVE, ""))
        return
    end(store, _reservation_of(promotion))
    lines.append(_ending(Outcome.UNDONE, reason))


def _reservation_of(own: Promotion) -> Reservation:
    return Reservation(id=own.id, number=own.number, release=own.release, at=own.at)


def _beginning(promotion: Promotion) -> Mapping[str, Json]:
    return {
        "event": "begun",
        "id": promotion.id,
        "release": promotion.release.text,
        "previous": promotion.previous.text if promotion.previous else None,
        "at": promotion.at,
    }


def _ending(outcome: Outcome, reason: str) -> Mapping[str, Json]:
    return {"event": "ended", "outcome": outcome.value, "reason": reason}


class _Lines:
    """The lines of one journal.

    Args:
        file: open; whoever appends has the lock on it.
        path: of it.
        stage: of the journal.
        app: likewise.

    Raises:
        PromotionError: a line is no line of a journal, or there are too many.
    """

    def __init__(self, file: BinaryIO, path: Path, stage: str, app: str) -> None:
        self._file = file
        self._path = path
        self.stage = stage
        self.app = app
        file.seek(0)
        raw = file.read(_LIMIT + 1)
        if len(raw) > _LIMIT:  # The next line would be written over those that were not read.
            raise PromotionError(f"{path} has more than {_LIMIT >> 20} MiB", hint=_AWAY)
        # What is behind the last end of a line was not written whole, so nothing was done that it announces.
        self._end = raw.rfind(b"\n") + 1
        self.promotions: tuple[Promotion, ...] = ()
        for number, line in enumerate(raw[: self._end].splitlines(), 1):
            self._add(line, number)

    def append(self, line: Mapping[str, Json]) -> None:
        """Write a line; the disk has it when this returns."""
        content = to_canonical_json(line) + b"\n"
        try:
            descriptor = self._file.fileno()
            os.ftruncate(descriptor, self._end)
            _write_all(descriptor, content, self._end)
            os.fsync(descriptor)
        except OSError as error:
            raise _unusable(self._path, error) from error
        self._end += len(content)

    def _add(self, line: bytes, number: int) -> None:
        place = f"{self._path}:{number}"
        try:
            self.promotions = _with(self.promotions, parse_object(line, place), self.stage, self.app)
        except (RefusedEvidenceError, DigestError, ValueError, IndexError) as error:
            raise PromotionError(f"{place} is no line of a journal", hint=_AWAY) from error


def _write_all(descriptor: int, content: bytes, at: int) -> None:
    """Write all of it: a disk that is nearly full takes a part, and says so when it is asked for the rest."""
    while content:
        written = os.pwrite(descriptor, content, at)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        content, at = content[written:], at + written


def _with(before: tuple[Promotion, ...], line: Mapping[str, Json], stage: str, app: str) -> tuple[Promotion, ...]:
    """Return the promotions with what a line says of the last one."""
    match line:
        case {"event": "begun", "id": str(name), "release": str(release), "previous": previous, "at": int(at)}:
            found = None if previous is None else Digest(str(previous))
            begun = Promotion(stage=stage, app=app, id=name, release=Digest(release), previous=found, at=at)
            return (*before, begun)
        case {"event": "reserved", "number": int(number)}:
            return (*before[:-1], replace(before[-1], number=number))
        case {"event": "step", "name": str(name)}:
            return (*before[:-1], replace(before[-1], steps=(*before[-1].steps, name)))
        case {"event": "ended", "outcome": str(outcome), "reason": str(reason)}:
            return (*before[:-1], replace(before[-1], outcome=Outcome(outcome), reason=reason))
        case _:
            raise ValueError("no line of a journal")


def _unusable(path: Path, error: OSError) -> PromotionError:
    return PromotionError(f"{path} cannot be used: {error.strerror}")
