"""What is attached to an image is found again, by whomever it was attached, and however many do so at once."""

import json
import multiprocessing
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.declare.errors import FetchError
from pipeline.registry.access import Access
from pipeline.registry.http import Connections
from pipeline.registry.referrers import attach, copy_attached, referrers_of
from pipeline.registry.repository import Repository
from pipeline.registry.retry import Patience
from runtime.digest import Digest
from runtime.oci.descriptor import INDEX, MANIFEST, Descriptor
from runtime.oci.referrers import list_tag, own_tag, own_tags, parse_list, referrer_of, write_list
from runtime.oci.refusal import RefusedError
from runtime.oci.remote import parse_remote

SUBJECT = Digest.of(b"subject")
KIND = "application/vnd.dev.sigstore.bundle.v0.3+json"
PROCESSES = 4


@pytest.fixture
def repository(debian, hands):
    """A repository of docker-registry, which lists no referrers and knows no conditions."""
    return hands.repository(debian.address, f"referrers/{uuid.uuid4().hex}")


@pytest.fixture
def listing(simulated, hands):
    """A repository of a registry that lists referrers."""
    return hands.repository(simulated.address, "app")


@pytest.mark.parametrize("kind", ["repository", "listing"])
def test_what_is_attached_is_found_with_its_type_and_annotations(kind, request, statement):
    there = request.getfixturevalue(kind)
    own = [attach(there, statement(SUBJECT, number), SUBJECT) for number in range(3)]
    attach(there, statement(Digest.of(b"other"), 0), Digest.of(b"other"))
    found = referrers_of(there, SUBJECT)
    assert sorted(found, key=lambda each: each.annotations["number"]) == own
    assert {each.artifact_type for each in found} == {KIND}
    assert referrers_of(there, SUBJECT, artifact_type=KIND) == found
    assert referrers_of(there, SUBJECT, artifact_type="another") == ()
    assert referrers_of(there, Digest.of(b"nobody")) == ()
    assert there.manifest(found[0].digest.text) in {statement(SUBJECT, number) for number in range(3)}


def test_registry_that_lists_referrers_gets_no_tags(simulated, listing, statement):
    attach(listing, statement(SUBJECT, 1), SUBJECT)
    assert listing.tags() == ()
    assert [path for verb, path in simulated.asked if verb == "PUT" and "manifests" in path] == [
        f"/v2/app/manifests/{Digest.of(statement(SUBJECT, 1))}"
    ]


def test_lists_that_come_in_pages_are_read_to_their_end(simulated, listing, statement):
    simulated.page = 2
    for number in range(5):
        attach(listing, statement(SUBJECT, number), SUBJECT)
    assert len(referrers_of(listing, SUBJECT)) == 5
    simulated.has_referrers = False
    for number in range(5):
        attach(listing, statement(SUBJECT, number), SUBJECT)
    assert len(own_tags(listing.tags(), SUBJECT)) == 5
    assert len(referrers_of(listing, SUBJECT)) == 5


def test_list_that_goes_on_at_another_server_is_not_followed(simulated, listing, statement, monkeypatch):
    attach(listing, statement(SUBJECT, 1), SUBJECT)
    attach(listing, statement(SUBJECT, 2), SUBJECT)
    simulated.page, simulated.elsewhere = 1, "http://127.0.0.1:1"
    with pytest.raises(FetchError, match="goes on at another server"):
        referrers_of(listing, SUBJECT)


def test_list_without_an_end_is_not_read_for_ever(simulated, listing, monkeypatch):
    monkeypatch.setattr("pipeline.registry.registry._PAGES", 5)
    simulated.endless = True
    with pytest.raises(FetchError, match="more than the 5 pages"):
        referrers_of(listing, SUBJECT)


def test_attaching_again_changes_nothing(repository, statement):
    attach(repository, statement(SUBJECT, 1), SUBJECT)
    before = repository.manifest(list_tag(SUBJECT)), repository.tags()
    attach(repository, statement(SUBJECT, 1), SUBJECT)
    assert (repository.manifest(list_tag(SUBJECT)), repository.tags()) == before


def test_entries_of_other_tools_stay(repository, statement):
    raw = statement(SUBJECT, "theirs")
    repository.put_manifest(raw, MANIFEST, name=Digest.of(raw).text)
    theirs = referrer_of(raw, SUBJECT)
    repository.put_manifest(write_list([theirs]), INDEX, name=list_tag(SUBJECT))
    own = attach(repository, statement(SUBJECT, 1), SUBJECT)
    assert {each.digest for each in referrers_of(repository, SUBJECT)} == {theirs.digest, own.digest}


def test_entry_that_another_tool_dropped_is_found_by_its_tag_and_comes_back(repository, statement):
    dropped = attach(repository, statement(SUBJECT, 1), SUBJECT)
    repository.put_manifest(write_list([]), INDEX, name=list_tag(SUBJECT))
    assert referrers_of(repository, SUBJECT) == (dropped,)
    own = attach(repository, statement(SUBJECT, 2), SUBJECT)
    listed = parse_list(repository.manifest(list_tag(SUBJECT)), "list")
    assert {each.digest for each in listed} == {dropped.digest, own.digest}


def test_tag_of_ours_on_what_is_about_another_image_is_passed_over(repository, statement):
    stranger = statement(Digest.of(b"other"), 1)
    repository.put_manifest(stranger, MANIFEST, name=own_tag(SUBJECT, Digest.of(stranger)))
    moved = statement(SUBJECT, 1)
    repository.put_manifest(moved, MANIFEST, name=own_tag(SUBJECT, Digest.of(b"wrong")))
    own = attach(repository, statement(SUBJECT, 2), SUBJECT)
    assert referrers_of(repository, SUBJECT) == (own,)


def test_artifact_about_another_image_is_not_attached(repository, statement):
    with pytest.raises(RefusedError):
        attach(repository, statement(Digest.of(b"other"), 1), SUBJECT)
    assert repository.tags() == ()


def test_malformed_list_is_refused(simulated, listing):
    simulated.has_referrers = False
    raw = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"digest": "x"}]}).encode()
    listing.put_manifest(raw, INDEX, name=list_tag(SUBJECT))
    with pytest.raises(RefusedError):
        referrers_of(listing, SUBJECT)


@pytest.mark.parametrize("target", ["debian", "simulated"])
def test_what_is_attached_goes_along_into_another_repository(target, request, repository, statement, hands):
    raws = [statement(SUBJECT, number) for number in range(3)]
    for each in raws:
        attach(repository, each, SUBJECT)
    place = request.getfixturevalue(target)
    other = Repository(parse_remote(f"{place.address}/copied/{uuid.uuid4().hex}"), hands.connections)
    copied = copy_attached(SUBJECT, repository, other)
    assert referrers_of(other, SUBJECT) == copied == referrers_of(repository, SUBJECT)
    assert {other.manifest(each.digest.text) for each in copied} == set(raws)
    assert copy_attached(SUBJECT, repository, other) == copied


@pytest.mark.bar("6.6 writers of attestations")
@pytest.mark.parametrize(
    "trial",
    [
        pytest.param((count, trial), marks=[] if (count, trial) == (16, 1) else pytest.mark.slow, id=f"{count}-{trial}")
        for count in (16, 64, 256)
        for trial in (1, 2, 3, 4, 5)
    ],
)
def test_all_attestations_of_many_writers_at_once_survive(debian, repository, statement, trial, capsys):
    """Writers are threads of a few processes, so that they share neither connections nor what they know."""
    writers, turn = trial
    raws = [statement(SUBJECT, number) for number in range(writers)]
    address = f"{debian.address}/{repository.remote.repository}"
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as processes:
        puts = processes.starmap(write, [(address, raws[start::PROCESSES]) for start in range(PROCESSES)], chunksize=1)
    wanted = {Digest.of(each) for each in raws}
    listed = parse_list(repository.manifest(list_tag(SUBJECT)), "list")
    assert {each.digest for each in listed} == wanted
    assert {each.digest for each in referrers_of(repository, SUBJECT)} == wanted
    with capsys.disabled():
        print(f"\n{writers} writers at once, trial {turn}: all survive, {sum(puts)} lists written")


def write(address, raws):
    """Attach all artifacts at once, and return how often the list was written."""
    count = []
    with ThreadPoolExecutor(len(raws)) as threads:
        for each in [threads.submit(write_one, address, raw, count) for raw in raws]:
            each.result()
    return len(count)


def write_one(address, raw, count):
    class Counting(Repository):
        def put_manifest(self, content, media_type, **options):
            count.extend([1] if options.get("name") == list_tag(SUBJECT) else [])
            return super().put_manifest(content, media_type, **options)

    connections = Connections(Access(), size=1)
    try:
        attach(Counting(parse_remote(address), connections, patience=Patience(pauses=(0.5,) * 8)), raw, SUBJECT)
    finally:
        connections.close()


def test_descriptor_of_what_is_attached_is_that_of_its_manifest(repository, statement):
    raw = statement(SUBJECT, 1)
    own = attach(repository, raw, SUBJECT)
    assert own == Descriptor(
        media_type=MANIFEST,
        digest=Digest.of(raw),
        size=len(raw),
        artifact_type=KIND,
        annotations={"number": "1"},
    )
