"""Lists of referrers: the artifacts that say that an image is their subject, and the tags under which they are found.

Where a registry has no interface for them, they are listed in an index whose tag is made from the subject's digest.
That one index has many writers and no lock, so each of our referrers has a tag of its own besides, from which the index
can be made again. All functions here are pure.

Source: OCI distribution specification, spec.md, "Listing Referrers" and "Referrers Tag Schema".
"""

import re
from collections.abc import Iterable, Mapping

from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.oci.descriptor import INDEX, MANIFEST, Descriptor
from runtime.oci.document import items, member, parse_document, text, text_map
from runtime.oci.refusal import Refusal, RefusedError

_OWN = ".seatrial-"
_DIGITS = 32  # of a digest: a tag has at most 128 characters
_MOST = 10_000
_LIST = re.compile(r"sha256-[0-9a-f]{64}([.-].*)?")


def list_tag(subject: Digest) -> str:
    """Return the tag of the index that lists a subject's referrers."""
    return f"sha256-{subject.hex}"


def is_list_tag(tag: str) -> bool:
    """Tell whether a tag is one by which attachments are found: of a list, of one of ours, or of other tools."""
    return _LIST.fullmatch(tag) is not None


def own_tag(subject: Digest, referrer: Digest) -> str:
    """Return the tag that one referrer of a subject has for itself."""
    return f"{list_tag(subject)}{_OWN}{referrer.hex[:_DIGITS]}"


def own_tags(tags: Iterable[str], subject: Digest) -> tuple[str, ...]:
    """Return those of a repository's tags that single referrers of a subject have, sorted."""
    form = re.compile(re.escape(f"{list_tag(subject)}{_OWN}") + f"[0-9a-f]{{{_DIGITS}}}")
    return tuple(sorted(each for each in tags if form.fullmatch(each)))


def referrer_of(raw: bytes, subject: Digest) -> Descriptor:
    """Return the descriptor of a referrer, as lists have it: with its artifact type and all of its annotations.

    Args:
        raw: the referrer's manifest, or index.
        subject: which it must be about.

    Raises:
        RefusedError: it is malformed, or about another subject.
    """
    digest = Digest.of(raw)
    document = parse_document(raw, f"manifest {digest}")
    about = document.get("subject")
    found = None if about is None else Descriptor.parse(about, f"subject of {digest}").digest
    if found != subject:
        raise RefusedError(Refusal.MANIFEST_SUBJECT, f"{digest} is about {found or 'no subject'}, not about {subject}")
    return Descriptor(
        media_type=text(document.get("mediaType", MANIFEST), f"mediaType of {digest}"),
        digest=digest,
        size=len(raw),
        annotations=text_map(document.get("annotations"), f"annotations of {digest}"),
        artifact_type=_kind(document, digest),
    )


def parse_list(raw: bytes, what: str) -> tuple[Descriptor, ...]:
    """Read the index that lists referrers, in its order.

    Raises:
        RefusedError: it is malformed, no index, or lists too many.
    """
    index = parse_document(raw, what)
    if index.get("mediaType", INDEX) != INDEX or index.get("schemaVersion") != 2:
        raise RefusedError(Refusal.MEDIA_TYPE, f"{what} is {index.get('mediaType')!r}, not an image index of schema 2")
    listed = items(index.get("manifests"), what)
    if len(listed) > _MOST:
        raise RefusedError(Refusal.MANIFEST_COUNT, f"{what} lists {len(listed)} manifests; at most {_MOST} are read")
    return tuple(Descriptor.parse(each, what) for each in listed)


def write_list(referrers: Iterable[Descriptor]) -> bytes:
    """Return the index that lists referrers, each once, in an order that depends on nothing but them."""
    listed = [each.to_json() for each in joined(referrers)]
    return to_canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})


def joined(*lists: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    """Return the referrers of several lists, each once, by digest; of two descriptors of one the later counts."""
    found = {each.digest: each for several in lists for each in several}
    return tuple(found[each] for each in sorted(found))


def missing_tags(tags: Iterable[str], listed: Iterable[Descriptor], subject: Digest) -> tuple[str, ...]:
    """Return the tags of single referrers that a list does not have."""
    there = {own_tag(subject, each.digest) for each in listed}
    return tuple(each for each in own_tags(tags, subject) if each not in there)


def _kind(document: Mapping[str, Json], digest: Digest) -> str:
    said = document.get("artifactType")
    if said is None and document.get("config") is not None:
        said = member(document["config"], "mediaType", f"config of {digest}")
    return text(said or "", f"artifactType of {digest}")
