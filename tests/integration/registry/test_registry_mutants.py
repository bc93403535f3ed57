"""Each promise of the client, without the line that keeps it: what the other tests look at is then not so."""

import pytest
from mutant import disabled

from pipeline.declare.errors import FetchError
from pipeline.registry.referrers import attach
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.referrers import list_tag, parse_list
from runtime.oci.refusal import RefusedError

pytestmark = pytest.mark.usefixtures("small_parts")

SUBJECT = Digest.of(b"subject")


def test_upload_that_fails_is_left_behind_where_it_is_not_deleted(simulated, hands):
    large = max(hands.there.digests(), key=lambda each: hands.there.path(each).stat().st_size)
    hands.there.path(large).write_bytes(hands.there.path(large).read_bytes()[:-1])
    with (
        disabled("pipeline.registry.repository", "upload.cancel()\n                raise", "raise"),
        pytest.raises(RefusedError),
    ):
        hands.push(simulated.address, "app")
    assert simulated.uploads  # that of another blob too, where it was under way


def test_busy_registry_is_given_up_at_once_where_nothing_is_tried_again(simulated, hands, proxied):
    proxy = proxied(simulated.address, "429", "PATCH upload", 2)
    with (
        disabled("pipeline.registry.retry", "if tried > len(self.pauses) or self._is_stopped():", "if True:"),
        pytest.raises(FetchError, match="HTTP 429"),
    ):
        hands.push(proxy.address, "app")


def test_part_that_was_cut_is_sent_from_its_start_where_the_registry_is_not_asked(simulated, hands, proxied):
    proxy = proxied(simulated.address, "cut-request", "PATCH upload", 2)
    with disabled("pipeline.registry.upload", "has = _count(answer) or 0", "has = start"):
        hands.push(proxy.address, "app")
    # The registry refuses the place, the upload is begun anew, and more is sent than the image has.
    assert simulated.received > hands.size + (1 << 20)


def test_list_lacks_what_is_attached_where_it_is_not_completed(simulated, hands, statement):
    simulated.has_referrers = False
    repository = hands.repository(simulated.address, "app")
    with disabled("pipeline.registry.referrers", "if is_listed and is_whole:", "if True:"):
        attach(repository, statement(SUBJECT, 1), SUBJECT)
    with pytest.raises(StoreError):
        repository.manifest(list_tag(SUBJECT))


def test_others_are_dropped_where_what_was_listed_is_not_kept(simulated, hands, statement):
    simulated.has_referrers = False
    repository = hands.repository(simulated.address, "app")
    attach(repository, statement(SUBJECT, 1), SUBJECT)
    del simulated.manifests["app"][next(each for each in simulated.manifests["app"] if ".seatrial-" in each)]
    with disabled("pipeline.registry.referrers", "seen = joined(seen, listed, found)", "seen = joined(seen, found)"):
        own = attach(repository, statement(SUBJECT, 2), SUBJECT)
    assert parse_list(repository.manifest(list_tag(SUBJECT)), "list") == (own,)
