"""Each check that a promotion counts on, and what gets through where that one check is disabled."""

import pytest
from mutant import disabled
from release_world import attach_text, machine_store, promote, write_image

from pipeline.declare.errors import BusyStageError, FetchError, PromotionError, TagMovedError
from pipeline.registry.retry import Patience
from pipeline.registry.tagging import Times, _Claims
from pipeline.release.journal import Journal
from pipeline.release.move import move
from pipeline.release.stage_tags import LIVE
from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.errors import DigestError
from runtime.oci.descriptor import INDEX
from runtime.oci.refusal import RefusedError


@pytest.fixture
def here(tmp_path):
    return machine_store(tmp_path)


def two_releases(here):
    return write_image(here.layout, b"first"), write_image(here.layout, b"second")


def tagged_in_spite_of_another(store, here):
    """Move a tag that names something else than was expected."""
    first, second = two_releases(here)
    for each in (first, second):
        move(here, store, each.digest)
    store.tag(LIVE, first, None)
    store.tag(LIVE, second, Digest.of(b"what was live before"))
    return store.tagged(LIVE).digest == second.digest


def test_tag_of_a_layout_that_was_moved_meanwhile(stores, here):
    with pytest.raises(TagMovedError):
        tagged_in_spite_of_another(stores.layout(), here)
    with disabled("pipeline.release.layout_stage", "if found != expected:", "if False:"):
        assert tagged_in_spite_of_another(stores.layout(), here)


def test_tag_of_a_registry_that_was_moved_meanwhile(stores, debian, here):
    with pytest.raises(TagMovedError):
        tagged_in_spite_of_another(stores.registry(debian.address), here)
    with disabled("pipeline.registry.tagging", "if found != move.expected:", "if False:"):
        assert tagged_in_spite_of_another(stores.registry(debian.address), here)


@pytest.fixture
def conditional(stores, simulated, here):
    """Return a store that honors conditions, and two releases in it, of which the first is live."""
    releases = two_releases(here)
    store = stores.registry(simulated.address)
    for each in releases:
        move(here, store, each.digest)
    store.tag(LIVE, releases[0], None)
    return store, *releases


def test_tag_is_moved_under_a_condition_where_that_is_honored(conditional, monkeypatch):
    """Another moves the tag between the last look and the request."""
    store, first, second = conditional
    put = store.repository.put_manifest

    def late(raw, media_type, **options):
        if options.get("name") == LIVE:
            put(store.read(first.digest, 1 << 20) + b" ", media_type, name=LIVE)
        return put(raw, media_type, **options)

    monkeypatch.setattr(store.repository, "put_manifest", late)
    with pytest.raises(TagMovedError):
        store.tag(LIVE, second, first.digest)
    assert store.tagged(LIVE).digest != second.digest
    live = store.tagged(LIVE).digest
    old = '{"If-Match": tag or f\'"{move.expected}"\'} if move.expected else {"If-None-Match": "*"}'
    with disabled("pipeline.registry.tagging", old, "{}"):
        store.tag(LIVE, second, live)
    assert store.tagged(LIVE).digest == second.digest


def test_tag_that_another_moves_on_at_once_was_moved(conditional, monkeypatch):
    """Whoever is told that nothing was changed would move it once more, over the one who came next."""
    store, first, second = conditional
    put, later = store.repository.put_manifest, store.read(first.digest, 1 << 20) + b" "

    def overtaken(raw, media_type, **options):
        answer = put(raw, media_type, **options)
        if options.get("name") == LIVE:
            put(later, media_type, name=LIVE)
        return answer

    monkeypatch.setattr(store.repository, "put_manifest", overtaken)
    store.tag(LIVE, second, first.digest)
    assert store.tagged(LIVE).digest == Digest.of(later)


def test_registry_that_accepts_a_tag_and_leaves_it(conditional, monkeypatch):
    store, first, second = conditional
    put = store.repository.put_manifest

    def forgotten(raw, media_type, **options):
        return None if options.get("name") == LIVE else put(raw, media_type, **options)

    monkeypatch.setattr(store.repository, "put_manifest", forgotten)
    with pytest.raises(FetchError):
        store.tag(LIVE, second, first.digest)
    with disabled("pipeline.registry.tagging", "if repository.named(move.name) == move.expected:", "if False:"):
        store.tag(LIVE, second, first.digest)


class Late(_Claims):
    """A claim whose number was chosen before another's was there."""

    def _listed(self):
        return () if not self._number else super()._listed()


def who_are_first(store):
    claims = [Late(LIVE, store.repository, Times(dead=0.0)) for _ in range(2)]
    assert all(each.take() for each in claims)
    return [each.is_first() for each in claims]


def test_two_claims_with_one_number_give_way_to_each_other(stores, debian):
    assert who_are_first(stores.registry(debian.address)) == [False, False]
    with disabled("pipeline.registry.tagging", "if any(number == self._number for", "if any(False for"):
        assert who_are_first(stores.registry(debian.address)) == [True, True]


def moved_by_a_sleeper(store, here):
    """Move a tag with a claim that all others take for dead."""
    first = write_image(here.layout, b"first")
    move(here, store, first.digest)
    store._times = Times(owned=-1.0)
    store.repository.patience = Patience(pause=lambda _: None)
    store.tag(LIVE, first, None)
    return store.tagged(LIVE) is not None


def test_claim_that_was_held_for_too_long_is_given_up(stores, debian, here):
    with pytest.raises(BusyStageError):
        moved_by_a_sleeper(stores.registry(debian.address), here)
    with disabled("pipeline.registry.tagging", "if claims.is_late():", "if False:"):
        assert moved_by_a_sleeper(stores.registry(debian.address), here)


class Machines:
    """Two machines with journals of their own."""

    def __init__(self, folder):
        self.one, self.other = (Journal(folder / each, clock=lambda: 1_800_000_000) for each in ("one", "other"))


@pytest.fixture
def machines(tmp_path):
    return Machines(tmp_path)


def promoted_beside_another(machines, store, here, suite=lambda _: None):
    first, second = two_releases(here)
    with machines.one.begin(store, "dev", "web", first.digest) as intent:
        promote(machines.other, store, here, second, suite=suite)
        intent.make_live(move(here, store, first.digest).release)


def test_second_promoter_is_told(machines, stores, here):
    with pytest.raises(BusyStageError, match="is under way"):
        promoted_beside_another(machines, stores.layout(), here)
    with (
        disabled("pipeline.release.reservation", "is_known = before", "is_known = True or before"),
        pytest.raises(BusyStageError, match="was passed over"),
    ):
        promoted_beside_another(machines, stores.layout(), here)


def test_promoter_that_was_passed_over_does_not_go_live(machines, stores, here):
    """The later one has not moved the tag yet, so that nothing but the number speaks against the earlier one."""

    def live_beside_another(store):
        first, second = two_releases(here)

        def overtake(_):
            manager = machines.other.begin(store, "dev", "web", second.digest, take_over=True)
            under_way.append((manager, manager.__enter__()))

        under_way = []
        try:
            promote(machines.one, store, here, first, suite=overtake)
        finally:
            with pytest.raises(PromotionError, match="before it was live"):
                under_way[0][0].__exit__(None, None, None)
        return store.tagged(LIVE).digest == first.digest

    with pytest.raises(BusyStageError, match="was passed over"):
        live_beside_another(stores.layout())
    with disabled("pipeline.release.journal", "if not holds(self._store, self._reservation):", "if False:"):
        assert live_beside_another(stores.layout())


def test_attachment_that_the_target_lost_is_told(stores, here, monkeypatch):
    release = write_image(here.layout, b"release")
    attach_text(here, release.digest, "evidence")
    target = stores.layout()
    monkeypatch.setattr(target, "referrers", lambda _: ())
    with pytest.raises(PromotionError, match="does not list"):
        move(here, target, release.digest)
    with disabled("pipeline.release.move", "if missing:", "if False:"):
        move(here, target, release.digest)


HOSTILE = {
    "size": ("if size not in (None, len(raw)):", "if False:"),
    "both": ('if {"config", "layers"} & set(index):', "if False:"),
    "depth": ('if depth >= _DEPTH:\n            raise RefusedError(Refusal.MANIFEST_COUNT, f"indexes', None),
}


def hostile(here, name):
    image = write_image(here.layout, b"layer")
    if name == "depth":
        for _ in range(9):
            document = {"mediaType": INDEX, "schemaVersion": 2, "manifests": [image.to_json()]}
            image = here.write(to_canonical_json(document), INDEX)
        return image.digest
    listed = {**image.to_json(), "size": image.size + (name == "size")}
    document = {"mediaType": INDEX, "schemaVersion": 2, "manifests": [listed]}
    return here.write(to_canonical_json({**document, **({"layers": []} if name == "both" else {})}), INDEX).digest


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_release_is_moved_where_nobody_looks(stores, here, name):
    release = hostile(here, name)
    with pytest.raises(RefusedError):
        move(here, stores.layout(), release)
    old, new = HOSTILE[name]
    with disabled("pipeline.release.survey", old, new or old.replace("if depth >= _DEPTH", "if False")):
        move(here, stores.layout(), release)


def changed_afterwards(here, store):
    """Change the source's file, as whoever may write it, once the blob was taken."""
    blob = here.write(b"blob", "text/plain")
    here.layout.path(blob.digest).chmod(0o666)
    store.take([blob], here)
    here.layout.path(blob.digest).write_bytes(b"evil")
    return store.layout.path(blob.digest).read_bytes() == b"evil"


def test_file_that_others_may_write_is_not_linked(stores, here):
    assert not changed_afterwards(here, stores.layout())
    here.layout.path(Digest.of(b"blob")).unlink()
    with disabled("runtime.oci.layout", "or status.st_mode & 0o022:", "or False:"):
        assert changed_afterwards(here, stores.layout())


def test_damaged_file_is_not_linked(stores, here):
    blob = here.write(b"blob", "text/plain")
    here.layout.path(blob.digest).write_bytes(b"evil")
    with pytest.raises(DigestError):
        stores.layout().take([blob], here)
    with disabled("runtime.oci.layout", "if (found, size) != (blob.digest, blob.size):", "if False:"):
        store = stores.layout()
        store.take([blob], here)
    assert store.layout.path(blob.digest).read_bytes() == b"evil"
