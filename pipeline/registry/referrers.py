"""What is attached to an image in a registry: attestations and other artifacts whose subject it is.

Registries that list referrers themselves are asked. In others the list is an index under the tag of the subject's
digest, which every writer makes anew from the tags of single referrers until it finds all of them in it. A writer is
done when it has read a list that has every tag, so the last one to write leaves a whole list: without a lock, and
without requests under a condition, which such registries ignore.

Source: OCI distribution specification, spec.md, "Listing Referrers", "Pushing Manifests with Subject".
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.declare.errors import FetchError
from pipeline.registry.push import beside, blobs_of
from pipeline.registry.registry import Registry
from pipeline.registry.repository import PARALLEL, Repository
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.descriptor import INDEX, Descriptor
from runtime.oci.document import parse_document
from runtime.oci.referrers import (
    joined,
    list_tag,
    missing_tags,
    own_tag,
    parse_list,
    referrer_of,
    write_list,
)
from runtime.oci.refusal import RefusedError

_ROUNDS = 100
"""How often a list is written again, since others write it; 64 writers at once needed fewer than ten."""

_PAUSE = 0.05
"""Seconds before the list is looked at again, at most, times the rounds before this one: the first waits for nobody."""

_LONGEST_PAUSE = 2.0


def referrers_of(
    registry: Registry, subject: Digest, *, artifact_type: str = "", tags: Callable[[], tuple[str, ...]] | None = None
) -> tuple[Descriptor, ...]:
    """Return what is attached to an image, sorted by digest.

    Args:
        registry: the repository that has the image.
        subject: the digest of its manifest or index.
        artifact_type: of what is wanted; empty for all.
        tags: gives those of the repository, where they were read before; None reads them now.

    Raises:
        FetchError: the registry cannot be read.
        RefusedError: a list is malformed.
    """
    listed = registry.referrers(subject)
    if listed is None:
        listed = _by_tags(registry, subject, (tags or registry.tags)())
    return tuple(each for each in joined(listed) if artifact_type in ("", each.artifact_type))


def attach(repository: Repository, raw: bytes, subject: Digest) -> Descriptor:
    """Put an artifact beside the image that it is about, whose blobs are there already; nothing of others is lost.

    Putting it again changes nothing.

    Args:
        repository: has the image.
        raw: the artifact's manifest.
        subject: the digest of the image's manifest or index.

    Returns:
        The artifact, as lists have it.

    Raises:
        FetchError: the registry cannot be reached, or refuses.
        RefusedError: the artifact is about another subject, or the registry gives other bytes than were put.
    """
    return attach_all(repository, (raw,), subject)[0]


def attach_all(repository: Repository, raws: Sequence[bytes], subject: Digest) -> tuple[Descriptor, ...]:
    """Put artifacts beside the image that they are about, ``PARALLEL`` at a time; in everything else as ``attach``."""
    own = tuple(referrer_of(raw, subject) for raw in raws)
    if not own:
        return ()
    # The first tells whether the registry lists them itself.
    answer = repository.put_manifest(raws[0], own[0].media_type, name=own[0].digest.text)
    is_listed = answer.headers.get("OCI-Subject") == subject.text
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="attach") as threads:
        tags = ["" if is_listed else own_tag(subject, each.digest) for each in own]
        parts = list(zip(raws, own, tags, strict=True))[1 if is_listed else 0 :]
        for each in [threads.submit(_put, repository, *part) for part in parts]:
            each.result()
    if not is_listed:
        _complete(repository, subject, own)
    return own


def copy_attached(subject: Digest, source: Registry, target: Repository) -> tuple[Descriptor, ...]:
    """Attach what is attached to an image in one repository to the same image in another, byte for byte.

    The image need not be there yet: its tag can come last. What is attached there already stays.

    Args:
        subject: the digest of the image's manifest or index.
        source: has the image.
        target: gets what is attached to it.

    Returns:
        What was copied, sorted by digest.

    Raises:
        FetchError: a registry cannot be reached, or refuses.
        StoreError: the source lists an artifact that it does not have.
        RefusedError: an artifact is malformed, or is not the bytes that its digest says.
    """
    mount = beside(source, target.remote)
    found = referrers_of(source, subject)
    for each in found:
        raw = source.manifest(each.digest.text)
        document = parse_document(raw, f"manifest {each.digest}")
        target.put_blobs(blobs_of(document, each.digest), source, mount=mount)
        attach(target, raw, subject)
    return found


def _put(repository: Repository, raw: bytes, own: Descriptor, tag: str) -> None:
    """Put an artifact, under a tag of its own where there is one, and read it back by its digest."""
    repository.put_manifest(raw, own.media_type, name=tag or own.digest.text, is_read_back=False)
    repository.manifest(own.digest.text)


def _complete(repository: Repository, subject: Digest, own: tuple[Descriptor, ...]) -> None:
    """Write the list until it has every referrer that has a tag."""
    seen = own
    for count in range(1, _ROUNDS + 1):
        tags = repository.tags()
        listed = _listed(repository, subject)
        found, is_whole = _tagged(repository, missing_tags(tags, joined(listed, seen), subject), subject)
        # What was listed once stays: another writer may have dropped an entry that has no tag.
        seen = joined(seen, listed, found)
        is_listed = {each.digest for each in seen} == {each.digest for each in listed}
        if is_listed and is_whole:
            return
        if not is_listed:
            repository.put_manifest(write_list(seen), INDEX, name=list_tag(subject), is_read_back=False)
        repository.patience.pause(min(_PAUSE * (count - 1), _LONGEST_PAUSE) * repository.patience.chance())
    raise FetchError(
        f"the list of what is attached to {subject} was written {_ROUNDS} times, and others still change it",
        hint="run it again: what was attached is kept",
    )


def _by_tags(registry: Registry, subject: Digest, tags: tuple[str, ...]) -> tuple[Descriptor, ...]:
    """Return what the list has, and what has a tag without being in it: its writer may still be at work."""
    listed = _listed(registry, subject) if list_tag(subject) in tags else ()
    return joined(listed, _tagged(registry, missing_tags(tags, listed, subject), subject)[0])


def _listed(registry: Registry, subject: Digest) -> tuple[Descriptor, ...]:
    try:
        return parse_list(registry.manifest(list_tag(subject)), f"the list of what is attached to {subject}")
    except StoreError:
        return ()


def _tagged(registry: Registry, tags: Iterable[str], subject: Digest) -> tuple[tuple[Descriptor, ...], bool]:
    """Return the referrers of tags, and whether all could be read: a tag is listed before it can be (docker-registry).

    A tag of another form than its referrer's own, or of what is about another image, is nobody's of ours.
    """
    found, is_whole = [], True
    for tag in tags:
        try:
            each = referrer_of(registry.manifest(tag), subject)
        except StoreError:
            is_whole = False
        except RefusedError:
            continue
        else:
            found += [each] if own_tag(subject, each.digest) == tag else []
    return tuple(found), is_whole
