"""``Cell``: one run, named; the cache of what cells gave; the runner that makes the rest."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.declare.errors import VerifyError
from pipeline.verify.observe import Observation, SuiteFacts, observe
from pipeline.verify.stored import from_json, to_json
from runtime.backend import Backend
from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.errors import BackendError, SeatrialError
from runtime.host import Host
from runtime.oci.temporary import write_whole
from runtime.outcome import Limit
from runtime.plan import Plan

FORMAT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run. Equal cells on machines with equal ambient facts are the same run, and need not be made twice.

    Args:
        plan: the plan with the host applied.
        host: the host, for its digest and its name.
        index: counts the reruns of a plan, from 0.
        series: what the run is interleaved with; reruns for two comparisons are not each other's.
    """

    plan: Plan
    host: Host
    index: int = 0
    series: str = ""

    def key(self, suite: Digest, ambient: Digest) -> Digest:
        """Return the name of the run: of its plan, its host, its number, its suite and the machine's facts."""
        return Digest.of_json(
            {
                "format": FORMAT,
                "plan": self.plan.digest.text,
                "host": self.host.digest.text,
                "index": self.index,
                "series": self.series,
                "suite": suite.text,
                "ambient": ambient.text,
            }
        )


class LostRunError(VerifyError):
    """A run was lost: what happened in it cannot be known."""


class StoppedError(VerifyError):
    """The verification was interrupted; nothing more is run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a cell gave.

    Args:
        observation: what was seen.
        is_cached: whether it was seen earlier.
    """

    observation: Observation
    is_cached: bool


class Runner(Protocol):
    """Something that makes runs. It may be called from several threads."""

    def run(self, cell: Cell) -> Run:
        """Return what the cell gives.

        Raises:
            LostRunError: what happened cannot be known.
            StoppedError: nothing more is run.
        """


class ResultCache:
    """Observations on disk, one file each, written whole or not at all.

    Args:
        directory: made when first written to.
        is_fresh: True reads nothing.
    """

    def __init__(self, directory: Path, *, is_fresh: bool = False) -> None:
        self._directory = directory
        self._is_fresh = is_fresh

    def get(self, key: Digest) -> Observation | None:
        """Return what was kept under ``key``; None if nothing was, or it cannot be read (it is then made again)."""
        if self._is_fresh:
            return None
        try:
            return from_json(json.loads(self._path(key).read_bytes()))
        except (OSError, KeyError, TypeError, ValueError, RecursionError, SeatrialError):
            return None

    def put(self, key: Digest, observation: Observation) -> None:
        """Keep an observation under ``key``.

        Raises:
            VerifyError: the directory cannot be written.
        """
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = to_canonical_json(to_json(observation))
            # What a machine loses with its power can be run again; nobody should wait for the disk after every run.
            write_whole(path, content, beside=self._directory, is_lasting=False)
        except OSError as error:
            raise VerifyError(f"cannot keep a result in {path.parent}: {error.strerror}") from error

    def _path(self, key: Digest) -> Path:
        return self._directory / key.hex[:2] / f"{key.hex}.json"


class BackendRunner:
    """Runs cells on a backend, at most ``jobs`` at once, and keeps what they gave.

    Args:
        backend: where runs are started.
        suite: how to read them.
        cache: where results are kept.
        ambient: facts of the machine that a plan would run on; a result of a machine with others is another result.
        jobs: how many runs may be under way.
        stop: when it is set, nothing more is started.
    """

    def __init__(
        self,
        *,
        backend: Backend,
        suite: SuiteFacts,
        cache: ResultCache,
        ambient: Callable[[Plan], Mapping[str, str]],
        jobs: threading.Semaphore,
        stop: threading.Event,
    ) -> None:
        self._backend = backend
        self._suite = suite
        self._cache = cache
        self._ambient = ambient
        self._jobs = jobs
        self._stop = stop

    def run(self, cell: Cell) -> Run:
        """Return what the cell gives, from the cache if it was run before."""
        key = self._key(cell)
        kept = self._cache.get(key)
        if kept is not None:
            return Run(observation=kept, is_cached=True)
        with self._jobs:
            observation = self._observe(cell)
        if is_repeatable(observation):
            self._cache.put(key, observation)
        return Run(observation=observation, is_cached=False)

    def known(self, cell: Cell) -> Observation | None:
        """Return what a cell gave in an earlier verification; None if it was not run, or that is left aside."""
        return self._cache.get(self._key(cell))

    def _key(self, cell: Cell) -> Digest:
        return cell.key(self._suite.digest, Digest.of_json(dict(self._ambient(cell.plan))))

    def _observe(self, cell: Cell) -> Observation:
        if self._stop.is_set():
            raise StoppedError("interrupted")
        try:
            with self._backend.start(cell.plan) as running:
                outcome = running.wait()
        except BackendError as error:
            if self._stop.is_set():
                raise StoppedError("interrupted") from error
            raise LostRunError(f"a run on {cell.host.name} was lost: {error.message}", hint=error.hint) from error
        if self._stop.is_set():  # the backend ends what is under way; that is no behavior
            raise StoppedError("interrupted")
        return observe(outcome, self._suite)


def is_repeatable(observation: Observation) -> bool:
    """Tell whether a run is worth keeping: not if a level did not hold, or a deadline that load can cause ended it."""
    held = all(each.holds for each in observation.evidence.values())
    return held and observation.exit.limit is not Limit.DEADLINE
