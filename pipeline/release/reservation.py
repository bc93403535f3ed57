"""``Reservation``: the number of a promotion, and the sole right to promote with it, kept in the stage's own store.

The tag ``promotion`` names the record of the newest promotion: an artifact without content, whose annotations say what
it is. Whoever begins one puts a record with the next number in place of the one that was seen, so of two at once one is
told. Whoever is about to move the live tag looks whether the record is still the own one. A promoter that vanished is
passed over after a while; what it does later is refused, here and by all that compare numbers.
"""

import re
from collections.abc import Collection

from pipeline.declare.errors import BusyStageError, TagMovedError
from pipeline.release.stage_store import StageStore
from pipeline.release.stage_tags import LIVE, RECORD
from runtime.canonical import Json, to_canonical_json
from runtime.data import dataclass, replace
from runtime.digest import Digest
from runtime.oci.attached import EMPTY
from runtime.oci.descriptor import MANIFEST, Descriptor, parse_digest
from runtime.oci.document import DOCUMENT_LIMIT, parse_document, text_map
from runtime.oci.refusal import Refusal, RefusedError

KIND = "application/vnd.seatrial.promotion.v1"
"""The artifact type of a record."""

LEASE = 3_600
"""Seconds for which a promotion that does not end keeps others out."""

_PREFIX = "dev.seatrial.promotion."
_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A promotion, as its record in the stage's store says.

    Args:
        id: of the promotion; nobody else has it.
        number: one above that of the promotion before.
        release: what is promoted.
        at: when it began, seconds since 1970, by the clock of who promotes.
        is_ended: whether it came to an end, in whatever way.
    """

    id: str
    number: int
    release: Digest
    at: int
    is_ended: bool = False

    def to_manifest(self) -> bytes:
        """Return the record: the manifest of an artifact without content."""
        empty = Descriptor(media_type=EMPTY, digest=Digest.of(b"{}"), size=2).to_json()
        facts = {"id": self.id, "number": str(self.number), "release": self.release.text, "at": str(self.at)}
        manifest: dict[str, Json] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": KIND,
            "config": empty,
            "layers": [empty],
            "annotations": {f"{_PREFIX}{key}": value for key, value in facts.items()}
            | ({f"{_PREFIX}ended": "true"} if self.is_ended else {}),
        }
        return to_canonical_json(manifest)

    @classmethod
    def parse(cls, raw: bytes) -> "Reservation":
        """Read a record.

        Raises:
            RefusedError: it is none.
        """
        document = parse_document(raw, "the record of a promotion")
        if document.get("artifactType") != KIND:
            raise RefusedError(Refusal.MEDIA_TYPE, f"the tag {RECORD} names {document.get('artifactType')!r}")
        said = text_map(document.get("annotations"), "the record of a promotion")
        facts = {key.removeprefix(_PREFIX): value for key, value in said.items() if key.startswith(_PREFIX)}
        if not all(_NUMBER.fullmatch(facts.get(key, "")) for key in ("number", "at")):
            raise RefusedError(Refusal.JSON_NUMBER, "the record of a promotion has no number or no time")
        return cls(
            id=facts.get("id", ""),
            number=int(facts["number"]),
            release=parse_digest(facts.get("release"), "the release of a promotion"),
            at=int(facts["at"]),
            is_ended=facts.get("ended") == "true",
        )


def find_reservation(store: StageStore) -> tuple[Reservation, Digest] | None:
    """Return the newest promotion into a store, and the digest of its record; None before the first.

    Raises:
        StoreError, FetchError: the store cannot be read.
        RefusedError: the record is malformed.
    """
    found = store.tagged(RECORD)
    if found is None:
        return None
    return Reservation.parse(store.read(found.digest, DOCUMENT_LIMIT)), found.digest


def reserve(
    store: StageStore, wanted: Reservation, *, least: int, take_over: bool, ended: Collection[str] = ()
) -> Reservation:
    """Have the next number.

    Args:
        store: of the stage.
        wanted: what is to be promoted; its number is not looked at.
        least: the highest number that is known otherwise, as from acceptances.
        take_over: whether another promotion that has not ended is passed over at once.
        ended: the ids of promotions that are known to have ended.

    Returns:
        The promotion with its number; the one that is there, where it has the same id.

    Raises:
        BusyStageError: another promotion is under way.
        StoreError, FetchError: the store cannot be read or written.
        RefusedError: the record that is there is malformed.
    """
    found = find_reservation(store)
    if found is not None and found[0].id == wanted.id:
        return found[0]
    before = found[0] if found else None
    is_known = before is None or take_over or before.id in ended
    if before is not None and not is_known and _is_under_way(before, store, wanted.at):
        raise _busy(before, store, wanted.at)
    number = 1 + max(least, before.number if before else 0)
    reserved = replace(wanted, number=number, is_ended=False)
    try:
        _put(reserved, store, found[1] if found else None)
    except TagMovedError as error:
        raise BusyStageError(
            f"another promotion into {store.place} began at this moment", hint="look at `seatrial status`"
        ) from error
    return reserved


def holds(store: StageStore, own: Reservation) -> bool:
    """Tell whether a promotion is still the newest one."""
    found = find_reservation(store)
    return found is not None and found[0].id == own.id


def end(store: StageStore, own: Reservation) -> None:
    """Let others promote; nothing is done where another does already."""
    found = find_reservation(store)
    if found is not None and found[0].id == own.id:
        _put(replace(own, is_ended=True), store, found[1])


def _put(own: Reservation, store: StageStore, expected: Digest | None) -> None:
    store.write(b"{}", EMPTY)
    record = store.write(own.to_manifest(), MANIFEST)
    store.tag(RECORD, replace(record, artifact_type=KIND), expected)


def _is_under_way(before: Reservation, store: StageStore, now: int) -> bool:
    """Tell whether a promotion may still move the live tag: not if it has done so, has ended, or is too old."""
    if before.is_ended or now >= before.at + LEASE:
        return False
    live = store.tagged(LIVE)
    return live is None or live.digest != before.release


def _busy(before: Reservation, store: StageStore, now: int) -> BusyStageError:
    since, left = max(0, now - before.at), before.at + LEASE - now
    return BusyStageError(
        f"promotion {before.number} into {store.place}, of {before.release}, is under way since {since} s",
        hint=f"wait for it; if it was killed on another machine, `--take-over` passes over it, or {left} s of time do",
    )
