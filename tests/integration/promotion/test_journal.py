"""A promotion that is killed, refused, doubled or overtaken leaves exactly the old release or the new one."""

import json
import os
import signal
import threading

import pytest
from release_world import forked, machine_store, promote, write_image

from pipeline.declare.errors import BusyStageError, PromotionError, TagMovedError
from pipeline.release.journal import Journal, Outcome
from pipeline.release.move import move
from pipeline.release.reservation import LEASE, Reservation, find_reservation
from pipeline.release.stage_tags import LIVE, RECORD, release_tag
from runtime.digest import Digest
from runtime.oci.descriptor import MANIFEST
from runtime.oci.refusal import RefusedError


class Clock:
    """Seconds since 1970 that a test sets."""

    def __init__(self):
        self.now = 1_800_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def here(tmp_path):
    return machine_store(tmp_path)


@pytest.fixture(params=["layout", "docker-registry", "simulated registry"])
def store(request, stores, debian, simulated):
    match request.param:
        case "layout":
            return stores.layout()
        case "docker-registry":
            return stores.registry(debian.address)
        case _:
            return stores.registry(simulated.address)


@pytest.fixture
def journal(stores, clock):
    return Journal(stores.data / "promotions", clock=clock)


@pytest.fixture
def other_machine(tmp_path, clock):
    return Journal(tmp_path / "other" / "promotions", clock=clock)


def fail(_):
    raise ValueError("mismatch on the host locale-c")


def killed(journal, store, here, release, *, after):
    """Promote in a process that kills itself once a step is done; return what the journal has of it."""

    def act():
        if store.folder is None:
            store.repository._connections.close()  # the parent's are its own
        kill_after(journal, store, here, release, after)

    assert forked(act) == -signal.SIGKILL
    return journal.promotions("dev", "web")[-1]


def kill_after(journal, store, here, release, after):
    with journal.begin(store, "dev", "web", release.digest) as intent:
        if after != "begun":
            intent.step("move")
            moved = move(here, store, release.digest)
            intent.step("suite")
        if after == "live":
            intent._end = lambda: os.kill(os.getpid(), signal.SIGKILL)
            intent.make_live(moved.release)
        os.kill(os.getpid(), signal.SIGKILL)


def test_release_is_live_with_a_number_and_a_tag_of_its_own(journal, store, here):
    first, second = write_image(here.layout, b"first"), write_image(here.layout, b"second")
    assert promote(journal, store, here, first).number == 1
    assert store.tagged(LIVE).digest == first.digest
    intent = promote(journal, store, here, second)
    assert (intent.number, intent.previous) == (2, first.digest)
    assert store.tagged(LIVE).digest == second.digest
    assert store.tags() == tuple(sorted((LIVE, release_tag(first.digest), release_tag(second.digest))))
    found = journal.promotions("dev", "web")
    assert [(each.number, each.release, each.outcome) for each in found] == [
        (1, first.digest, Outcome.LIVE),
        (2, second.digest, Outcome.LIVE),
    ]
    assert found[1].steps == ("move", "suite", "keep", "live")
    assert journal.unfinished() == ()


def test_rollback_is_a_promotion_with_a_higher_number(journal, store, here):
    first, second = write_image(here.layout, b"first"), write_image(here.layout, b"second")
    for each in (first, second):
        promote(journal, store, here, each)
    with journal.begin(store, "dev", "web", first.digest) as intent:
        intent.make_live(store.tagged(release_tag(first.digest)))
    assert intent.number == 3
    assert store.tagged(LIVE).digest == first.digest


def test_number_is_higher_than_what_is_known_otherwise(journal, store, here):
    release = write_image(here.layout, b"release")
    with journal.begin(store, "dev", "web", release.digest, least=41) as intent:
        assert intent.number == 42
        intent.make_live(move(here, store, release.digest).release)


def test_refusal_leaves_what_was_live_and_says_why(journal, store, here):
    first, second = write_image(here.layout, b"first"), write_image(here.layout, b"second")
    promote(journal, store, here, first)
    with pytest.raises(ValueError, match="mismatch"):
        promote(journal, store, here, second, suite=fail)
    assert store.tagged(LIVE).digest == first.digest
    last = journal.promotions("dev", "web")[-1]
    assert last.steps == ("move", "suite")
    assert (last.outcome, last.reason) == (Outcome.UNDONE, "mismatch on the host locale-c")
    assert promote(journal, store, here, second).number == 3


def test_block_that_ends_before_the_release_is_live_is_an_error(journal, store, here):
    release = write_image(here.layout, b"release")
    with pytest.raises(PromotionError, match="before it was live"), journal.begin(store, "dev", "web", release.digest):
        pass
    assert journal.promotions("dev", "web")[-1].outcome is Outcome.UNDONE


@pytest.mark.parametrize("after", ["begun", "moved"])
def test_killed_promotion_is_gone_on_with_under_its_number(journal, store, here, after):
    first, second = write_image(here.layout, b"first"), write_image(here.layout, b"second")
    promote(journal, store, here, first)
    left = killed(journal, store, here, second, after=after)
    assert journal.unfinished() == (left,)
    assert store.tagged(LIVE).digest == first.digest
    intent = promote(journal, store, here, second)
    assert (intent.number, intent.promotion.id) == (left.number, left.id)
    assert store.tagged(LIVE).digest == second.digest
    assert journal.unfinished() == ()


@pytest.mark.parametrize("after", ["begun", "moved"])
def test_killed_promotion_is_undone_by_that_of_another_release(journal, store, here, after):
    first, second, third = (write_image(here.layout, each) for each in (b"first", b"second", b"third"))
    promote(journal, store, here, first)
    killed(journal, store, here, second, after=after)
    assert promote(journal, store, here, third).number == 3
    assert [each.outcome for each in journal.promotions("dev", "web")] == [Outcome.LIVE, Outcome.UNDONE, Outcome.LIVE]
    assert store.tagged(LIVE).digest == third.digest


@pytest.mark.parametrize("is_same", [True, False])
def test_promotion_that_was_killed_after_the_tag_is_found_done(journal, store, here, is_same):
    first, second, third = (write_image(here.layout, each) for each in (b"first", b"second", b"third"))
    promote(journal, store, here, first)
    killed(journal, store, here, second, after="live")
    promote(journal, store, here, second if is_same else third)
    assert [each.outcome for each in journal.promotions("dev", "web")] == [Outcome.LIVE] * 3


@pytest.mark.parametrize(("after", "outcome"), [("live", Outcome.LIVE), ("moved", Outcome.UNDONE)])
def test_killed_promotion_is_settled_where_nothing_is_to_be_promoted(journal, store, here, after, outcome):
    first, second = write_image(here.layout, b"first"), write_image(here.layout, b"second")
    promote(journal, store, here, first)
    killed(journal, store, here, second, after=after)
    journal.settle(store, "dev", "web")
    journal.settle(store, "dev", "web")
    assert journal.promotions("dev", "web")[-1].outcome is outcome
    assert journal.unfinished() == ()
    assert promote(journal, store, here, second).number == 3


def test_steps_that_a_killed_process_had_done_are_known(journal, store, here):
    release, done = write_image(here.layout, b"release"), []

    def ask(intent):
        done.extend(each for each in ("move", "suite", "keep") if intent.was_done(each))

    killed(journal, store, here, release, after="moved")
    promote(journal, store, here, release, suite=ask)
    promote(journal, store, here, release, suite=ask)
    assert done == ["move"]


def test_two_processes_of_one_machine_do_not_promote_at_once(journal, store, here):
    release = write_image(here.layout, b"release")
    with journal.begin(store, "dev", "web", release.digest) as intent:
        with pytest.raises(BusyStageError, match="on this machine"):
            promote(journal, store, here, release)
        intent.make_live(move(here, store, release.digest).release)


def test_two_machines_do_not_promote_at_once(journal, other_machine, store, here, clock):
    first, second = write_image(here.layout, b"first"), write_image(here.layout, b"second")
    with journal.begin(store, "dev", "web", first.digest) as intent:
        clock.now += 60
        with pytest.raises(BusyStageError, match=r"promotion 1 .* is under way since 60 s"):
            promote(other_machine, store, here, second)
        intent.make_live(move(here, store, first.digest).release)
    assert promote(other_machine, store, here, second).number == 2


def test_refusal_of_one_machine_lets_the_other_promote_at_once(journal, other_machine, store, here):
    release = write_image(here.layout, b"release")
    with pytest.raises(ValueError, match="mismatch"):
        promote(journal, store, here, release, suite=fail)
    assert promote(other_machine, store, here, release).number == 2


@pytest.mark.parametrize("way", ["later", "take over"])
def test_promoter_that_vanished_is_passed_over_and_refused_when_it_comes_back(
    journal, other_machine, store, here, way
):
    first, second = write_image(here.layout, b"first"), write_image(here.layout, b"second")

    def overtake(_):
        journal._clock.now += LEASE if way == "later" else 0
        assert promote(other_machine, store, here, second, take_over=way == "take over").number == 2

    with pytest.raises(BusyStageError, match="was passed over"):
        promote(journal, store, here, first, suite=overtake)
    assert store.tagged(LIVE).digest == second.digest
    assert find_reservation(store)[0].number == 2
    assert journal.promotions("dev", "web")[-1].outcome is Outcome.UNDONE


def test_tag_that_another_tool_moved_is_not_moved_back(journal, store, here):
    first, second, third = (write_image(here.layout, each) for each in (b"first", b"second", b"third"))
    promote(journal, store, here, first)
    foreign = move(here, store, third.digest).release
    with pytest.raises(TagMovedError):
        promote(journal, store, here, second, suite=lambda _: store.tag(LIVE, foreign, first.digest))
    assert store.tagged(LIVE).digest == third.digest
    # Of the record before this machine knows that it ended, though its release is not live.
    assert promote(journal, store, here, second).number == 3


def test_tag_that_another_tool_moved_is_seen_by_the_next_promotion(journal, store, here):
    first, second, third = (write_image(here.layout, each) for each in (b"first", b"second", b"third"))
    promote(journal, store, here, first)
    store.tag(LIVE, move(here, store, third.digest).release, first.digest)
    assert promote(journal, store, here, second).previous == third.digest


def race(journal, store, here, release, barrier):
    try:
        barrier.wait()
        promote(journal, store, here, release)
    except (BusyStageError, TagMovedError):
        return None
    return release.digest


def test_one_of_many_machines_at_once_wins_and_the_others_are_told(tmp_path, store, here, clock):
    count = 4
    releases = [write_image(here.layout, f"release {each}".encode()) for each in range(count)]
    journals = [Journal(tmp_path / f"machine {each}", clock=clock) for each in range(count)]
    barrier, won = threading.Barrier(count), []
    threads = [
        threading.Thread(target=lambda pair: won.append(race(pair[0], store, here, pair[1], barrier)), args=(pair,))
        for pair in zip(journals, releases, strict=True)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    winners = [each for each in won if each]
    assert winners
    # Whoever came after the first was done has won too: each of them is told of its number in the journal.
    numbers = [each.promotions("dev", "web")[-1] for each in journals]
    last = max((each for each in numbers if each.outcome is Outcome.LIVE), key=lambda each: each.number)
    assert store.tagged(LIVE).digest == last.release
    assert len({each.number for each in numbers if each.outcome is Outcome.LIVE}) == len(winners)


def test_last_line_that_was_cut_is_as_if_it_were_not_there(journal, stores, store, here):
    first, second = write_image(here.layout, b"first"), write_image(here.layout, b"second")
    promote(journal, store, here, first)
    path = stores.data / "promotions" / "dev" / "web" / "journal"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event":"beg')
    assert len(journal.promotions("dev", "web")) == 1
    promote(journal, store, here, second)
    assert path.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


@pytest.mark.parametrize(
    "line", ["rubbish", "{}", '{"event":"step","name":"first"}', '{"event":"ended","outcome":"?","reason":""}', "[]"]
)
def test_damaged_journal_is_told_with_its_line(journal, stores, store, here, line):
    path = stores.data / "promotions" / "dev" / "web" / "journal"
    path.parent.mkdir(parents=True)
    path.write_text(f"{line}\n")
    with pytest.raises(PromotionError, match="journal:1 is no line of a journal"):
        promote(journal, store, here, write_image(here.layout, b"release"))


def test_number_rises_where_the_record_was_lost(journal, stores, here):
    store, again = stores.layout(), stores.layout()
    release = write_image(here.layout, b"release")
    assert [promote(journal, store, here, release).number for _ in range(2)] == [1, 2]
    assert promote(journal, again, here, release).number == 3


RECORDS = {
    "another artifact": {"artifactType": "application/x"},
    "no number": {"number": None},
    "a number below zero": {"number": "-1"},
    "a number of many digits": {"number": "1" * 16},
    "no time": {"at": ""},
    "a release of another form": {"release": "sha512:00"},
    "a number that is no text": {"number": 5},
}


@pytest.mark.parametrize("what", RECORDS)
def test_record_that_is_none_is_refused(journal, stores, here, what):
    store, release = stores.layout(), write_image(here.layout, b"release")
    record = json.loads(Reservation(id="x", number=1, release=release.digest, at=1).to_manifest())
    for key, value in RECORDS[what].items():
        if key in record:
            record[key] = value
        else:
            record["annotations"][f"dev.seatrial.promotion.{key}"] = value
    record["annotations"] = {key: value for key, value in record["annotations"].items() if value is not None}
    store.tag(RECORD, store.write(json.dumps(record).encode(), MANIFEST), None)
    with pytest.raises(RefusedError):
        promote(journal, store, here, release)
    assert store.tagged(LIVE) is None


def test_record_is_read_as_it_was_written():
    own = Reservation(id="x", number=7, release=Digest.of(b"release"), at=5, is_ended=True)
    assert Reservation.parse(own.to_manifest()) == own


def test_record_of_a_promotion_is_no_image_of_a_layout(stores, journal, here):
    store = stores.layout()
    promote(journal, store, here, write_image(here.layout, b"release"))
    assert RECORD not in store.tags()
    assert {each.artifact_type for each in store.layout.manifests()} == {"", "application/vnd.seatrial.promotion.v1"}
