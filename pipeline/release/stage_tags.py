"""The tags in a stage's store: of the live release, of every release that entered, and of the newest promotion."""

from runtime.digest import Digest
from runtime.oci.referrers import is_list_tag

LIVE = "current"
"""The tag of the release that is live in a stage."""

RECORD = "promotion"
"""The tag of the record of the newest promotion, which has its number; see ``pipeline.release.reservation``."""

_DIGITS = 12


def release_tag(release: Digest) -> str:
    """Return the tag that a release has for itself: registries collect what has none."""
    return f"release-{release.hex[:_DIGITS]}"


def is_image_tag(tag: str) -> bool:
    """Tell whether a tag names an image; those by which attachments are found, claims and the record name none."""
    from pipeline.registry.tagging import is_claim  # noqa: PLC0415 - who reads no list of tags loads no registry

    return tag != RECORD and not is_list_tag(tag) and not is_claim(tag)
