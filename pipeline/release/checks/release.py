"""Whether a release has one image for each platform that a stage names, and nothing in it is revoked."""

from collections.abc import Iterator

from pipeline.release.gate_refusal import Gate, GateRefusal
from pipeline.release.keyring import Keyring
from pipeline.release.policy import Policy
from pipeline.release.refusal import RefusedEvidenceError
from pipeline.release.released import Released
from runtime.oci.image import Image


def offered_images(policy: Policy, released: Released) -> tuple[Image, ...]:
    """Return the images that are asked about: the only one of each platform that the stage names."""
    found = released.offered(policy.platforms).values()
    return tuple(images[0] for images in found if len(images) == 1)


def release_refusals(policy: Policy, released: Released, keyring: Keyring) -> Iterator[GateRefusal]:
    """Yield what is wrong with a release before anything that was said of it is read."""
    for digest in released.digests:
        try:
            keyring.require_image(digest)
        except RefusedEvidenceError as error:
            what = error.message.removesuffix(f" [{error.reason}]")
            yield GateRefusal(code=str(error.reason), what=what, who="another release has to take its place")
    for architecture, images in released.offered(policy.platforms).items():
        if not images:
            yield _refusal(Gate.PLATFORM_MISSING, f"the release has no image for linux/{architecture}", policy)
        elif len(images) > 1:
            what = f"the release has {len(images)} images for linux/{architecture}, and a stage takes one"
            yield _refusal(Gate.PLATFORM_SEVERAL, what, policy)
        elif images[0].architecture != architecture:
            what = f"what the index offers for linux/{architecture} is for {images[0].architecture or 'nothing'}"
            yield _refusal(Gate.PLATFORM_OTHER, what, policy)


def _refusal(code: Gate, what: str, policy: Policy) -> GateRefusal:
    who = f"whoever builds it, or owns `platforms` in specs/stages/{policy.stage}.yaml, can mend that"
    return GateRefusal(code=code.value, what=what, who=who)
