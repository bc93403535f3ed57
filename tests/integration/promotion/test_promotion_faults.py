"""A promotion that is killed anywhere, or whose requests are cut, slow, refused or doubled: the old release or the new.

After the next run exactly one of the two is live, whole, with everything that is attached to it; nothing of the other
is lost; the journal has no promotion without an end; and no upload is left. What docker-registry alone knows of an
upload, whose answer was lost, nobody can delete: those uploads the proxy names, and no other may be left.
"""

import itertools
import os
import signal
import time
import uuid
from collections import Counter
from contextlib import contextmanager
from functools import partial

import pytest
from faulty_proxy import FAULTS
from release_world import Stores, attach_text, content_of, forked, machine_store, promote, write_image

from pipeline.registry.access import Access
from pipeline.registry.http import Connections
from pipeline.registry.retry import Patience
from pipeline.registry.tagging import Times
from pipeline.release import journal as journals
from pipeline.release.journal import Journal
from pipeline.release.stage_tags import LIVE
from runtime.canonical import to_canonical_json
from runtime.errors import SeatrialError

PART = 1 << 20
LAYER = 5 * PART // 2

REQUESTS = {
    "docker-registry": {
        "GET manifests": 16,
        "HEAD blobs": 10,
        "PUT manifests": 12,
        "GET tags": 7,
        "POST upload": 4,
        "PUT upload": 4,
        "PATCH upload": 3,
        "GET referrers": 1,
    },
    "simulated registry": {
        "HEAD blobs": 10,
        "GET manifests": 10,
        "PUT manifests": 8,
        "POST upload": 4,
        "PUT upload": 4,
        "GET tags": 2,
        "HEAD manifests": 2,
        "PATCH upload": 3,
        "GET referrers": 1,
    },
}
"""How often a promotion makes each request, where nothing goes wrong; a test below holds the numbers."""

LINES = ("begun", "reserved", "move", "suite", "keep", "live", "ended")
MOMENTS = ("before", "cut", "after")
WRITES = 30
"""How often a promotion into a layout waits for the disk, at least."""

FEWER = ("cut-answer", "half-answer", "duplicate-second", "500")
"""The faults that are tried on the simulated registry as well: it differs in what it knows of uploads."""


class World:
    """A stage in which one release is live, and another is to enter.

    Args:
        folder: for all files.
        address: of the registry, or of a proxy before it; empty for a layout.
    """

    def __init__(self, folder, address):
        self.here = machine_store(folder)
        self.old, self.new = self.release("old"), self.release("new")
        self.folder, self.address, self.name = folder, address, uuid.uuid4().hex

    def release(self, name):
        image = write_image(self.here.layout, name.encode() * (LAYER // len(name)), name.encode())
        attach_text(self.here, image.digest, f"evidence of {name}")
        return image

    @contextmanager
    def opened(self):
        """Open store and journal as a process does that begins."""
        connections = Connections(Access(), size=4)
        stores = Stores(self.folder, connections)
        try:
            if self.address:
                patience = Patience(pause=lambda seconds: time.sleep(min(seconds, 0.01)), chance=lambda: 0.5)
                store = stores.registry(self.address, self.name, patience=patience)
                store._times = Times(dead=0.5)
            else:
                store = stores.layout("dev")
            yield store, Journal(stores.data / "promotions", clock=lambda: 1_800_000_000)
        finally:
            connections.close()

    def promote(self, release):
        """Promote, and return what is live then."""
        with self.opened() as (store, journal):
            promote(journal, store, self.here, release)
            return store.tagged(LIVE).digest

    def live(self):
        with self.opened() as (store, _):
            return store.tagged(LIVE).digest

    def check(self, release):
        """Look at everything, after a promotion of a release that succeeded."""
        with self.opened() as (store, journal):
            assert store.tagged(LIVE).digest == release.digest
            assert journal.unfinished() == ()
            for each in (self.old, release):
                assert content_of(store, each.digest) == content_of(self.here, each.digest)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr("pipeline.registry.upload.PART", PART)


@pytest.fixture
def place(request, tmp_path, proxied):
    """Return a function that makes a stage in a place of a kind, in which the old release is live.

    It returns the world, the proxy before the registry, and what tells the uploads that the registry has.
    """

    def make(kind):
        if kind == "layout":
            world, proxy, uploads = World(tmp_path, ""), None, set
        elif kind == "docker-registry":
            debian = request.getfixturevalue("debian")
            proxy = proxied(debian.address, "", "", 0)
            world = World(tmp_path, proxy.address)
            uploads = partial(debian.uploads, f"stages/{world.name}/web")
        else:
            simulated = request.getfixturevalue("simulated")
            proxy = proxied(simulated.address, "", "", 0)
            world, uploads = World(tmp_path, proxy.address), partial(set, simulated.uploads)
        assert world.promote(world.old) == world.old.digest
        return world, proxy, uploads

    return make


def cases(kinds, faults):
    """Return every fault with every request of a promotion into each kind of registry."""
    return [
        pytest.param((kind, fault, step, turn), id=f"{kind} {step} {turn} {fault}")
        for kind in kinds
        for step, count in REQUESTS[kind].items()
        for turn, fault in itertools.product(range(1, count + 1), faults)
    ]


def next_of(world, turn):
    """Return what the next run promotes: the same release, or the old one again."""
    return world.new if turn % 2 else world.old


@pytest.mark.parametrize("kind", REQUESTS)
def test_promotion_makes_the_requests_that_are_tried(place, kind):
    world, proxy, uploads = place(kind)
    proxy.plan("", "", 0)
    world.promote(world.new)
    # The last one is this test's own: it looks what is live.
    assert Counter(proxy.seen) - Counter(["GET manifests"]) == Counter(REQUESTS[kind])
    assert uploads() == set()


@pytest.mark.bar("6 injected faults", slice=6)
@pytest.mark.parametrize("case", [*cases(["docker-registry"], FAULTS), *cases(["simulated registry"], FEWER)])
def test_promotion_through_a_fault_leaves_the_old_release_or_the_new(place, case):
    kind, *fault, turn = case
    world, proxy, uploads = place(kind)
    proxy.plan(*fault, turn)
    try:
        assert world.promote(world.new) == world.new.digest
    except SeatrialError:
        assert world.live() in {world.old.digest, world.new.digest}
    assert proxy.done == 1, proxy.seen
    harmed = proxy.harmed
    proxy.plan("", "", 0)
    following = next_of(world, turn)
    world.promote(following)
    world.check(following)
    assert uploads() <= (harmed if kind == "docker-registry" or fault[1] == "POST upload" else set())


@pytest.mark.bar("6 injected faults", slice=3)
@pytest.mark.parametrize("case", cases(REQUESTS, ["outage"]))
def test_outage_from_any_request_on_leaves_the_old_release_or_the_new(place, case):
    kind, *fault, turn = case
    world, proxy, uploads = place(kind)
    proxy.plan(*fault, turn)
    with pytest.raises(SeatrialError):
        world.promote(world.new)
    proxy.plan("", "", 0)
    assert world.live() in {world.old.digest, world.new.digest}
    following = next_of(world, turn)
    world.promote(following)
    world.check(following)
    assert uploads() == set()


@pytest.mark.bar("6 injected faults", slice=3)
@pytest.mark.parametrize("case", cases(REQUESTS, ["hold"]))
def test_promoter_that_is_killed_at_any_request_leaves_the_old_release_or_the_new(place, case):
    kind, *fault, turn = case
    world, proxy, uploads = place(kind)
    proxy.plan(*fault, turn)

    assert forked(lambda: world.promote(world.new), meanwhile=partial(killed_while_held, proxy)) == -signal.SIGKILL
    proxy.plan("", "", 0)
    assert world.live() in {world.old.digest, world.new.digest}
    following = next_of(world, turn)
    world.promote(following)
    world.check(following)
    assert uploads() == set()


def test_copy_that_was_killed_goes_on_where_it_was(place, simulated):
    world, proxy, _ = place("simulated registry")
    before = simulated.received
    proxy.plan("hold", "PATCH upload", 3)
    assert forked(lambda: world.promote(world.new), meanwhile=partial(killed_while_held, proxy)) == -signal.SIGKILL
    assert simulated.received - before >= 2 * PART
    proxy.plan("", "", 0)
    world.promote(world.new)
    _, blobs = content_of(world.here, world.new.digest)
    own = sum(len(each) for each in blobs.values()) - len(b"{}")  # which is there already
    # Beside the image the two promotions send nothing that has a size.
    assert simulated.received - before == own


def killed_while_held(proxy, process):
    proxy.wait_until_held()
    os.kill(process, signal.SIGKILL)


def killed_at(world, line, moment):
    """Promote, and be killed when a line of the journal is written."""
    append = journals._Lines.append

    def dying(lines, content):
        if content.get("name", content["event"]) != line:
            append(lines, content)
            return
        if moment == "after":
            append(lines, content)
        if moment == "cut":
            os.pwrite(lines._file.fileno(), to_canonical_json(content)[:20], lines._end)
        os.kill(os.getpid(), signal.SIGKILL)

    journals._Lines.append = dying
    world.promote(world.new)


@pytest.mark.bar("6 injected faults", slice=4)
@pytest.mark.parametrize("following", ["same", "old", "third"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("kind", ["layout", *REQUESTS])
def test_promoter_that_is_killed_at_any_line_of_its_journal(place, kind, line, moment, following):
    world, _, uploads = place(kind)
    assert forked(lambda: killed_at(world, line, moment)) == -signal.SIGKILL
    wanted = world.old if LINES.index(line) < LINES.index("ended") else world.new
    assert world.live() == wanted.digest
    release = {"same": world.new, "old": world.old, "third": world.release("third")}[following]
    assert world.promote(release) == release.digest
    world.check(release)
    assert uploads() == set()


def killed_at_write(world, count):
    """Promote, and be killed when a file is about to be made lasting."""
    fsync, left = os.fsync, itertools.count(1)

    def dying(descriptor):
        if next(left) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    os.fsync = dying
    world.promote(world.new)


@pytest.mark.bar("6 injected faults", slice=2)
@pytest.mark.parametrize("count", range(1, WRITES + 1))
def test_promoter_that_is_killed_at_any_write_of_a_layout(place, count):
    world, _, _ = place("layout")
    assert forked(lambda: killed_at_write(world, count)) == -signal.SIGKILL
    assert world.live() in {world.old.digest, world.new.digest}
    following = next_of(world, count)
    world.promote(following)
    world.check(following)
    with world.opened() as (store, _):
        assert store.layout.verify()
        assert not list(store.layout.root.glob("**/.new-*"))
