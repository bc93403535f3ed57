"""Lists of referrers as data: what is joined keeps every entry, and what is written is read as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.digest import Digest
from runtime.oci.descriptor import INDEX, MANIFEST, Descriptor
from runtime.oci.referrers import (
    joined,
    list_tag,
    missing_tags,
    own_tag,
    own_tags,
    parse_list,
    referrer_of,
    write_list,
)
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.remote import parse_remote

SUBJECT = Digest.of(b"subject")
OTHER = Digest.of(b"other")
KIND = "application/vnd.dev.sigstore.bundle.v0.3+json"

referrers = st.builds(
    Descriptor,
    media_type=st.sampled_from([MANIFEST, INDEX]),
    digest=st.binary(max_size=1).map(Digest.of),
    size=st.integers(0, 1 << 40),
    artifact_type=st.text(max_size=5),
    annotations=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)
lists = st.lists(referrers, max_size=6)


@given(lists)
def test_list_that_is_written_and_read_is_the_same(listed):
    assert parse_list(write_list(listed), "list") == joined(listed)


@given(lists, lists)
def test_joined_lists_have_every_referrer_of_both_once_and_in_one_order(first, second):
    found = [each.digest for each in joined(first, second)]
    assert found == sorted({each.digest for each in (*first, *second)})
    assert write_list(joined(first, second)) == write_list([*first, *second])


@given(lists)
def test_joining_a_list_with_itself_changes_nothing(listed):
    assert joined(joined(listed), joined(listed)) == joined(listed)


def test_list_is_the_same_in_whatever_order_it_was_joined():
    first, second = (Descriptor(media_type=MANIFEST, digest=each, size=1) for each in (SUBJECT, OTHER))
    assert write_list([first, second]) == write_list([second, first])


def test_tags_are_ones_that_a_registry_takes():
    assert list_tag(SUBJECT) == f"sha256-{SUBJECT.hex}"
    for tag in (list_tag(SUBJECT), own_tag(SUBJECT, OTHER)):
        assert parse_remote(f"localhost/app:{tag}").tag == tag


def test_own_tags_are_those_of_the_subject_and_of_no_other_tool():
    own = own_tag(SUBJECT, OTHER)
    tags = [list_tag(SUBJECT), f"{list_tag(SUBJECT)}.att", own_tag(OTHER, SUBJECT), f"{own}0", own[:-1], "latest", own]
    assert own_tags(tags, SUBJECT) == (own,)


def test_missing_tags_are_those_that_a_list_has_not():
    tags = [own_tag(SUBJECT, each) for each in (SUBJECT, OTHER)]
    listed = [Descriptor(media_type=MANIFEST, digest=OTHER, size=1)]
    assert missing_tags(tags, listed, SUBJECT) == (own_tag(SUBJECT, SUBJECT),)


def raw(**change):
    whole = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": KIND, "annotations": {"a": "b"}}
    about = {"mediaType": MANIFEST, "digest": SUBJECT.text, "size": 1}
    return json.dumps({**whole, "subject": about, "config": {"mediaType": "x/config"}, **change}).encode()


def test_referrer_has_its_artifact_type_and_all_of_its_annotations():
    found = referrer_of(raw(), SUBJECT)
    assert found == Descriptor(
        media_type=MANIFEST,
        digest=Digest.of(raw()),
        size=len(raw()),
        artifact_type=KIND,
        annotations={"a": "b"},
    )


def test_referrer_without_an_artifact_type_has_that_of_its_config():
    assert referrer_of(raw(artifactType=None), SUBJECT).artifact_type == "x/config"


def test_referrer_of_another_subject_is_refused():
    with pytest.raises(RefusedError) as caught:
        referrer_of(raw(), OTHER)
    assert caught.value.reason is Refusal.MANIFEST_SUBJECT
