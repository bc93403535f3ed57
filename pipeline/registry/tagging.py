"""``move_tag``: a tag from one image to another, where nobody else has moved it meanwhile.

Registries that honor conditions are sent one, and are taken to leave no gap between looking and writing. Others, such
as docker-registry, ignore them and answer 201. There, whoever moves a tag puts a claim first: a tag of its own, with a
number one above the highest that is there. Then it reads all claims again. Of two with one number, each that sees the
other gives up its own and takes a later one; whoever has a number alone waits until those before it are closed. That is
safe without a clock and without a settling time: both have put before they read, so at least one of two sees the other.
A claim whose owner died is passed over after a while; an owner that was stopped for long gives up its claim itself.

Source: RFC 9110, section 13.1; L. Lamport, "A new solution of Dijkstra's concurrent programming problem", 1974.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.declare.errors import BusyStageError, FetchError, TagMovedError
from pipeline.registry.answers import StatusError
from pipeline.registry.repository import CONDITION_FAILED, Repository
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.descriptor import MANIFEST, Descriptor
from runtime.oci.document import parse_document, text_map
from runtime.oci.memory import Memory
from runtime.oci.refusal import RefusedError

KIND = "application/vnd.seatrial.claim.v1"
"""The artifact type of a claim."""

OWNED = 10.0
"""Seconds after which whoever has a claim gives it up."""

DEAD = 30.0
"""Seconds after which others pass over a claim that stays open; longer than ``OWNED``, since requests take time."""

_STATE = "dev.seatrial.claim.state"
_OPEN, _DONE, _GIVEN_UP = "open", "done", "given-up"
_CLAIM = re.compile(r"(?P<name>.+)\.seatrial-(?P<number>[0-9]{6,9})-(?P<owner>[0-9a-f]{16})")
_EMPTY = "application/vnd.oci.empty.v1+json"
_NOTHING = '"sha256:0000000000000000000000000000000000000000000000000000000000000000"'
_ATTEMPTS = 50
_PAUSE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long claims count.

    Args:
        owned: seconds after which whoever has a claim gives it up.
        dead: seconds after which others pass over one that does not change.
        now: the time in seconds, from whenever.
    """

    owned: float = OWNED
    dead: float = DEAD
    now: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A tag that is to be moved.

    Args:
        name: the tag.
        raw: the manifest that it is to name; the repository has all of its blobs.
        media_type: of the manifest.
        expected: what it names now; None for nothing.
    """

    name: str
    raw: bytes
    media_type: str
    expected: Digest | None


def is_claim(tag: str) -> bool:
    """Tell whether a tag is a claim on another one."""
    return _CLAIM.fullmatch(tag) is not None


def move_tag(move: Move, repository: Repository, *, times: Times | None = None) -> None:
    """Let a tag name another manifest; where it names that one already, nothing is done.

    Args:
        move: what is wanted.
        repository: has the tag.
        times: how long claims count.

    Raises:
        TagMovedError: it names something else than was expected, or another moved it on amid this.
        BusyStageError: others move it without an end.
        FetchError: the registry cannot be reached, or refuses.
    """
    claims = _Claims(move.name, repository, times or Times())
    for _ in range(_ATTEMPTS):
        if not claims.take():
            _move_under_condition(move, repository)
            return
        state = _GIVEN_UP
        try:
            if claims.is_first():
                state = _DONE
                if _move_claimed(move, repository, claims):
                    return
        finally:
            with contextlib.suppress(FetchError):  # Others wait for it a little, and pass over it then.
                claims.close(state)
        repository.patience.pause(_PAUSE * (1 + 4 * repository.patience.chance()))
    raise BusyStageError(
        f"{repository.remote.text}: the tag {move.name} was claimed {_ATTEMPTS} times, and others claim it too",
        hint="run it again when nobody else promotes",
    )


def _is_there(move: Move, repository: Repository) -> bool:
    """Tell whether the tag names what it is to name; it must name what is expected otherwise."""
    found = repository.named(move.name)
    if found == Digest.of(move.raw):
        return True
    if found != move.expected:
        raise moved(repository.remote.text, move.name, found, move.expected)
    return False


def moved(place: str, name: str, found: Digest | None, expected: Digest | None) -> TagMovedError:
    """Return the error of a tag that another has moved.

    Args:
        place: what has the tag, for people.
        name: the tag.
        found: what it names.
        expected: what it named before.
    """
    return TagMovedError(
        f"{place}: the tag {name} names {found or 'nothing'} now, and {expected or 'nothing'} was expected",
        hint="another has promoted meanwhile; look at `seatrial status`, and decide anew",
    )


def _move_claimed(move: Move, repository: Repository, claims: "_Claims") -> bool:
    """Move a tag; tell False, and change nothing, where the claim on it was held for too long."""
    if _is_there(move, repository):
        return True
    if claims.is_late():
        return False
    repository.put_manifest(move.raw, move.media_type, name=move.name, is_read_back=False)
    found, wanted = repository.named(move.name), Digest.of(move.raw)
    if found != wanted:
        raise moved(repository.remote.text, move.name, found, wanted)
    return True


def _move_under_condition(move: Move, repository: Repository) -> None:
    # First what the condition is about, then whether it is what was expected: whatever happens later breaks it.
    tag = repository.entity_tag(move.name) if move.expected else ""
    if _is_there(move, repository):
        return
    condition = {"If-Match": tag or f'"{move.expected}"'} if move.expected else {"If-None-Match": "*"}
    try:
        repository.put_manifest(move.raw, move.media_type, name=move.name, is_read_back=False, condition=condition)
    except StatusError as error:
        if error.status != CONDITION_FAILED:
            raise
        if not _is_there(move, repository):
            raise FetchError(f"{repository.remote.text}: the registry refuses the condition {condition}") from error
        return
    # What it names now may be another's already, who has seen ours: then ours was moved to, and by now moved from. What
    # it named before it names where nothing happened, or where somebody moved it back at once.
    if repository.named(move.name) == move.expected:
        raise FetchError(f"{repository.remote.text}: the registry accepts {move.name}, and it is where it was")


class _Claims:
    """The claims on one tag, one of which is ours at a time."""

    def __init__(self, name: str, repository: Repository, times: Times) -> None:
        self._name = name
        self._repository = repository
        self._times = times
        self._owner = os.urandom(8).hex()
        self._number = 0
        self._since, self._passed = 0.0, 0

    def take(self) -> bool:
        """Put a claim of ours behind all others; tell False, and put none, where the registry honors conditions."""
        self._put_empty()
        self._number = 1 + max((number for number, _, _ in self._listed()), default=0)
        self._since, self._passed = self._times.now(), 0
        try:
            # No tag of that name is there, so whoever honors conditions refuses.
            self._put(_OPEN, {"If-Match": _NOTHING})
        except StatusError as error:
            if error.status == CONDITION_FAILED:
                return False
            raise
        return True

    def is_first(self) -> bool:
        """Tell whether the number is ours alone, once all claims before it are closed or dead."""
        before = [each for each in self._listed() if each[0] <= self._number and each[1] != self._owner]
        if any(number == self._number for number, _, _ in before):
            return False
        for tag in reversed(self._unclosed(tag for _, _, tag in sorted(before, reverse=True))):
            self._wait(tag)
        return True

    def is_late(self) -> bool:
        """Tell whether others may take our claim for dead soon."""
        return self._times.now() > self._since + self._times.dead * self._passed + self._times.owned

    def close(self, state: str) -> None:
        """Let others pass."""
        self._put(state, {})

    def _unclosed(self, tags: Iterable[str]) -> list[str]:
        """Return the claims that are open, of those from the latest on back to one whose owner waited for the rest."""
        found = []
        for each in tags:
            state = self._state(each)
            if state == _DONE:
                break
            found += [each] if state == _OPEN else []
        return found

    def _wait(self, tag: str) -> None:
        """Wait until a claim is closed, or its owner is taken for dead.

        Whoever comes behind us waits for the same claims, and then for ours, so what counts is the time since ours was
        put, or since one before it was seen open last: never a time that a stop of this process would move.
        """
        until, seen = self._since + self._times.dead * (self._passed + 1), None
        while (now := self._times.now()) < until:
            if self._state(tag) != _OPEN:
                self._since, self._passed = (self._since, self._passed) if seen is None else (seen, 0)
                return
            seen = now
            self._repository.patience.pause(_PAUSE)
        self._passed += 1

    def _state(self, tag: str) -> str:
        """Return the state of a claim; one that is listed and cannot be read yet is open."""
        try:
            document = parse_document(self._repository.manifest(tag), f"claim {tag}")
            return text_map(document.get("annotations"), f"claim {tag}").get(_STATE, _GIVEN_UP)
        except StoreError:
            return _OPEN
        except RefusedError:
            return _GIVEN_UP

    def _listed(self) -> Iterator[tuple[int, str, str]]:
        yield from _claims_on(self._name, self._repository.tags())

    def _put(self, state: str, condition: Mapping[str, str]) -> None:
        empty = _empty().to_json()
        manifest: dict[str, Json] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": KIND,
            "config": empty,
            "layers": [empty],
            "annotations": {_STATE: state, "dev.seatrial.claim.owner": self._owner},
        }
        tag = f"{self._name}.seatrial-{self._number:06d}-{self._owner}"
        raw = to_canonical_json(manifest)
        self._repository.put_manifest(raw, MANIFEST, name=tag, is_read_back=False, condition=condition)

    def _put_empty(self) -> None:
        self._repository.put_blob(_empty(), Memory([b"{}"]))


def _claims_on(name: str, tags: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    for each in tags:
        found = _CLAIM.fullmatch(each)
        if found is not None and found["name"] == name:
            yield int(found["number"]), found["owner"], each


def _empty() -> Descriptor:
    return Descriptor(media_type=_EMPTY, digest=Digest.of(b"{}"), size=2)
