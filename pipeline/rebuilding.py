"""Build an image again from what lies beside it alone, as somebody else would, and sign what came out."""

import contextlib
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.images import Builder
from pipeline.build.leftovers import REBUILDS, remove_store, sweep_store
from pipeline.build.lock import Lock
from pipeline.build.locks import current_lock, fetcher_of
from pipeline.build.recipe import ASSEMBLY, KIND, lay_recipe
from pipeline.build.workshop import FORMAT
from pipeline.declare.errors import BuildError
from pipeline.declare.read import read_spec
from pipeline.declare.spec import EnvSpec
from pipeline.digests.differences import Explanation
from pipeline.digests.why import why_digest
from pipeline.preparation import TOOLS, Tell
from pipeline.release.bundle import signed_bundle
from pipeline.release.evidence import attach_evidence
from pipeline.release.rebuild import Rebuild
from pipeline.release.signing import AnySigner
from pipeline.report.events import Ended, Planned, Started, Step
from runtime.digest import Digest
from runtime.oci import temporary
from runtime.oci.attached import AttachedLayout
from runtime.oci.descriptor import Descriptor
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.platform import own_architecture
from runtime.oci.reference import find_image, parse_reference

Clock = Callable[[], int]
"""Gives the seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What came out of building an image again.

    Args:
        rebuild: what was signed.
        signer: id of the key that signed it.
        evidence: the artifact that has it, beside the image.
        explanation: why the digests differ; None where they do not.
    """

    rebuild: Rebuild
    signer: str
    evidence: Digest
    explanation: Explanation | None


def rebuild(name: str, store: Path, signer: AnySigner, tell: Tell, *, version: str, clock: Clock) -> Rebuilt:
    """Build an image again from the recipe that lies beside it, in an empty store, and sign what came out.

    Nothing that was downloaded or built before is used. The statement is put beside the image, whatever came out.

    Args:
        name: how the image is called: in the store, or ``oci:DIR``.
        store: its folder; the empty one is made in it, and removed.
        signer: of the statement.
        tell: is told what happens.
        version: of this program; empty where it is not installed.
        clock: gives the time.

    Raises:
        StoreError, ImageError, DigestError: there is no such image.
        BuildError: no recipe of it is there, or it cannot be built; the message says why.
        FetchError: a package cannot be had.
    """
    sweep_store(store)
    reference = parse_reference(name)
    layout = Layout.existing(reference.layout) if reference.layout else Layout(store / "oci")
    image = find_image(reference, layout, own_architecture())
    attached, architecture = AttachedLayout(layout), Image.open(layout, image).architecture
    recipe, started = _recipe(name, image, attached), clock()
    with _empty_store(store) as folder:
        (folder / "recipe").mkdir()
        spec = read_spec(lay_recipe(recipe, image, attached, folder / "recipe"))
        lock = current_lock(spec)
        tell(Planned(step=Step.BUILD, count=1))
        tell(Started(step=Step.BUILD, subject=spec.name))
        found = _built(spec, lock, folder, architecture)
        tell(Ended(step=Step.BUILD, subject=spec.name, result=found.short))
        explanation = None
        if found != image:
            explanation = why_digest(f"oci:{layout.root}@{image}", f"oci:{folder / 'oci'}@{found}", store)
    seen = Rebuild(
        name=spec.name,
        image=image,
        rebuilt=found,
        architecture=architecture,
        recipe=recipe.digest,
        lock=lock.digest,
        spec=lock.answers,
        started=started,
        finished=clock(),
        version=version,
        environment=_environment(),
        differences=_told(explanation),
    )
    statement = seen.statement()
    bundle = signed_bundle(statement, signer)
    kept = attach_evidence(bundle, statement.predicate_type, image, attached, at=seen.finished)
    return Rebuilt(rebuild=seen, signer=signer.public.id, evidence=kept.digest, explanation=explanation)


def _recipe(name: str, image: Digest, store: AttachedLayout) -> Descriptor:
    """Return the recipe of an image: several say the same, or what comes out is another image."""
    found = store.referrers(image, artifact_type=KIND)
    if not found:
        raise BuildError(
            f"{name}: beside {image.short} lies no recipe to build it from",
            hint="`seatrial build SPEC` puts one beside the image that it builds; images of others have none",
        )
    fitting = [each for each in found if each.annotations.get(ASSEMBLY) == str(FORMAT)]
    if not fitting:
        formats = ", ".join(sorted({each.annotations.get(ASSEMBLY, "unknown") for each in found}))
        raise BuildError(
            f"{name} was assembled in format {formats}, and this version assembles in format {FORMAT}, to other bytes",
            hint="rebuild it by the version of Seatrial that its provenance names",
        )
    return fitting[0]


@contextlib.contextmanager
def _empty_store(store: Path) -> Iterator[Path]:
    (store / REBUILDS).mkdir(parents=True, exist_ok=True)
    with temporary.new_folder(store / REBUILDS) as folder:
        try:
            folder.chmod(0o755)  # runs of other ids read what is in it
            yield folder
        finally:
            remove_store(folder)


def _built(spec: EnvSpec, lock: Lock, folder: Path, architecture: str) -> Digest:
    if architecture not in lock.platforms:
        raise BuildError(f"the recipe of {spec.name} is not for {architecture}, which the image is for")
    with fetcher_of(spec, folder, lock) as fetcher:
        return Builder(store=folder, fetcher=fetcher, tools=TOOLS).image(spec, lock, architecture)


def _environment() -> Mapping[str, str]:
    """Return what is known of this machine, without a name of it or of its user."""
    system = os.uname()
    user = "root" if os.geteuid() == 0 else "plain"
    return {"kernel": system.release, "machine": system.machine, "python": platform.python_version(), "user": user}


def _told(explanation: Explanation | None) -> Sequence[Mapping[str, str]]:
    found = explanation.differences if explanation else ()
    return tuple({"cause": each.cause.value, "where": each.where, "path": each.path} for each in found)
