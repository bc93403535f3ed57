"""``move``: a release from one store into another, byte for byte, with everything that is attached to it.

Blobs go first, then manifests, what is attached to them, the index, and what is attached to that: where a document is,
all that it names is. No tag is moved. Nothing is transformed, so no digest changes; every byte is verified on its way,
every document is read back, and of every blob the target says how long it is. Doing it again moves what is missing.

Source: OCI distribution specification, spec.md, "Push"; OCI image specification, image-index.md.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipeline.declare.errors import PromotionError
from pipeline.registry.repository import PARALLEL
from pipeline.release.stage_store import StageStore
from pipeline.release.survey import Document, LeftOut, Survey, survey
from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.attached import Attachable
from runtime.oci.descriptor import Descriptor
from runtime.oci.document import DOCUMENT_LIMIT
from runtime.oci.refusal import RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What was moved.

    Args:
        release: the descriptor of its manifest or index.
        documents: how many manifests and indexes there are, attached ones among them.
        attached: how many of them are attached.
        bytes: of all documents and blobs, each once; how many were sent is less where some were there already.
        left_out: what is attached and could not be moved.
    """

    release: Descriptor
    documents: int
    attached: int
    bytes: int
    left_out: tuple[LeftOut, ...]


def move(source: Attachable, target: StageStore, release: Digest) -> Moved:
    """Move a release.

    Args:
        source: has it.
        target: gets it; what is there already stays.
        release: the digest of its manifest or index.

    Raises:
        StoreError: a part of the release is missing, or the target cannot be written.
        RefusedError, DigestError: a part is malformed, or not the bytes that its descriptor says.
        FetchError: a registry cannot be reached, or refuses.
        PromotionError: the target gives back something else than was put.
    """
    found = survey(release, source)
    own = tuple(each for each in found.documents if each.subject is None)
    attached, left_out = _take(own, found, source, target)
    documents = (*own, *attached)
    _put(own, attached, target)
    _read_back(documents, target)
    return Moved(
        release=found.release,
        documents=len(documents),
        attached=len(attached),
        bytes=sum(each.size for each in (*_blobs_of(documents), *(each.descriptor for each in documents))),
        left_out=(*found.left_out, *left_out),
    )


def _take(
    own: Sequence[Document], found: Survey, source: Attachable, target: StageStore
) -> tuple[tuple[Document, ...], tuple[LeftOut, ...]]:
    """Have all blobs; return what is attached and has all of its own now, and what has not.

    All are taken at once. Only if that fails, it is found out of whom: the release's own have to be there, and what is
    attached is left out where it is not whole.
    """
    attached = tuple(each for each in found.documents if each.subject is not None)
    with contextlib.suppress(RefusedError, StoreError, DigestError):
        target.take(_blobs_of((*own, *attached)), source)
        target.check(_blobs_of(attached))
        return attached, ()
    target.take(_blobs_of(own), source)
    taken, left_out = [], []
    for each in attached:
        try:
            target.take(each.blobs, source)
            target.check(each.blobs)
        except (RefusedError, StoreError, DigestError) as error:
            left_out.append(LeftOut(artifact=each.descriptor, problem=error.message))
        else:
            taken.append(each)
    return tuple(taken), tuple(left_out)


def _put(own: Iterable[Document], attached: Iterable[Document], target: StageStore) -> None:
    """Put documents, each after what it names, and before what is attached to it."""
    beside = _by_subject(attached)
    for each in own:
        described = each.descriptor
        target.write(each.raw, described.media_type, expected=described.digest)
        _attach(described.digest, beside, target)


def _attach(subject: Digest, beside: Mapping[Digest, list[Document]], target: StageStore) -> None:
    listed = beside.get(subject, [])
    if listed:
        target.attach_all([each.raw for each in listed], subject)
    for each in listed:
        _attach(each.descriptor.digest, beside, target)


def _read_back(documents: Sequence[Document], target: StageStore) -> None:
    """Compare what the target has with what was put; blobs of what is attached were looked at before."""
    target.check(_blobs_of(each for each in documents if each.subject is None))
    digests = [each.descriptor.digest for each in documents]
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="read-back") as threads:
        for each, raw in zip(
            documents, threads.map(lambda digest: target.read(digest, DOCUMENT_LIMIT), digests), strict=True
        ):
            if raw != each.raw:
                raise PromotionError(f"{target.place} gives back another manifest for {each.descriptor.digest}")
    for subject, put in _by_subject(documents).items():
        missing = {each.descriptor.digest for each in put} - {each.digest for each in target.referrers(subject)}
        if missing:
            raise PromotionError(
                f"{target.place} does not list {min(missing)}, which was attached to {subject}",
                hint="run it again; if it stays so, another tool writes the list of what is attached without a lock",
            )


def _by_subject(documents: Iterable[Document]) -> Mapping[Digest, list[Document]]:
    found = defaultdict[Digest, list[Document]](list)
    for each in documents:
        if each.subject is not None:
            found[each.subject].append(each)
    return found


def _blobs_of(documents: Iterable[Document]) -> tuple[Descriptor, ...]:
    """Return every blob, once."""
    return tuple({blob.digest: blob for each in documents for blob in each.blobs}.values())
