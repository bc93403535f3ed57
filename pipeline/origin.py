"""What a build leaves beside its image: where it came from and what it holds, signed, and the recipe to build it again.

The bills are predicates under the names without a version, by which `cosign` knows them (``cyclonedx``, ``spdxjson``).

Source: in-toto attestation framework, spec/predicates/cyclonedx.md and spdx.md.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.attested import is_remembered, remember
from pipeline.build.recipe import KIND, attach_recipe, is_of
from pipeline.preparation import Built
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.oci.attached import AttachedLayout
from runtime.oci.layout import Layout
from runtime.plan import Variant

if TYPE_CHECKING:
    from pipeline.bills.bill import Bill
    from pipeline.release.attest import Statement
    from pipeline.release.signing import AnySigner

CYCLONEDX = "https://cyclonedx.org/bom"
SPDX = "https://spdx.dev/Document"


def keep_origin(
    path: Path,
    built: Built,
    store: Path,
    signer: Callable[[], "AnySigner"],
    *,
    key: Digest | None,
    version: Callable[[], str],
    clock: Callable[[], int],
) -> None:
    """Put signed provenance, the bills and the recipe beside each image that was built from a spec.

    Where the image has a recipe with the same lock already, nothing is done, and nothing is signed: the recipe is put
    there last. But a key that somebody has named signs what others have signed before: a stage may count on it alone.

    Args:
        path: the spec; its lock is current.
        built: what was built from it.
        store: its folder.
        signer: gives the key to sign with.
        key: the digest of what names it, where somebody has named one; None for this machine's own.
        version: gives that of this program; empty where it is not installed.
        clock: gives the seconds since 1970.

    Raises:
        KeysError: there is no key that can sign.
        StoreError: the store cannot be written.
    """
    if built.lock is None:
        return  # the image exists already: where it came from is not ours to say
    attached = AttachedLayout(Layout(store / "oci"))
    for each in built.variants:
        facts: Json = {"origin": built.lock.text, "image": each.image.text, "key": key.text if key else None}
        recipes = attached.referrers(each.image, artifact_type=KIND)
        if any(is_of(recipe, built.lock) for recipe in recipes) and (
            key is None or is_remembered(facts, each.image, store)
        ):
            continue
        _keep(path, built, each, attached, signer, is_named=key is not None, version=version(), at=clock())
        if key is not None:
            remember(facts, each.image, store)


def _keep(
    path: Path,
    built: Built,
    variant: Variant,
    store: AttachedLayout,
    signer: Callable[[], "AnySigner"],
    *,
    is_named: bool,
    version: str,
    at: int,
) -> None:
    # Loaded here: a build of what is built already signs nothing.
    from pipeline.bills.trees import Tree  # noqa: PLC0415
    from pipeline.build.locks import current_lock  # noqa: PLC0415
    from pipeline.declare.read import read_spec  # noqa: PLC0415

    spec = read_spec(path)
    bill = Tree.find(spec, "image", variant.architecture).bill(spec, current_lock(spec), built.variants, built.services)
    for each in statements(bill, version):
        if each.to_bytes() not in _said(variant.image, store, each.predicate_type, signer() if is_named else None):
            _sign(each, variant.image, store, signer(), at)
    attach_recipe(spec, bill.lock, variant.image, store)


def statements(bill: "Bill", version: str) -> "Iterator[Statement]":
    """Yield what is said of an image when it is built: its provenance, and what it holds, in both usual forms.

    Args:
        bill: what was built, and from what.
        version: of this program; empty where it is not installed.
    """
    from pipeline.bills import cyclonedx, provenance, spdx  # noqa: PLC0415 - likewise
    from pipeline.release.attest import Statement, Subject  # noqa: PLC0415 - likewise
    from runtime.canonical import to_canonical_json  # noqa: PLC0415 - likewise

    yield Statement.parse(to_canonical_json(provenance.document(bill, version)))
    subject = Subject(name=bill.subject.name, digest=bill.subject.manifest)
    for kind, document in ((CYCLONEDX, cyclonedx.document(bill)), (SPDX, spdx.document(bill))):
        yield Statement(subjects=(subject,), predicate_type=kind, predicate=document)


def _sign(statement: "Statement", image: Digest, store: AttachedLayout, signer: "AnySigner", at: int) -> None:
    from pipeline.release.bundle import signed_bundle  # noqa: PLC0415 - likewise
    from pipeline.release.evidence import attach_evidence  # noqa: PLC0415 - likewise

    attach_evidence(signed_bundle(statement, signer), statement.predicate_type, image, store, at=at)


def _said(image: Digest, store: AttachedLayout, predicate_type: str, signer: "AnySigner | None") -> set[bytes]:
    """Return the payloads of a kind that a signer has signed, or anybody if it is None; nothing is verified."""
    from pipeline.release.bundle import parse_bundle  # noqa: PLC0415 - likewise
    from pipeline.release.evidence import find_evidence  # noqa: PLC0415 - likewise
    from pipeline.release.refusal import RefusedEvidenceError  # noqa: PLC0415 - likewise
    from pipeline.release.signing import Certifying  # noqa: PLC0415 - likewise

    # Whoever is known by a certificate leaves no hint: one of them is as good as another here.
    wanted = None if signer is None else "" if isinstance(signer, Certifying) else signer.public.id
    found = set()
    for each in find_evidence(image, store, predicate_type):
        with contextlib.suppress(RefusedEvidenceError):
            envelope = parse_bundle(each.bundle)
            if wanted in (None, envelope.hint):
                found.add(envelope.payload)
    return found
