"""``Difference``: one place where two images are not the same, with the cause that a digest changed for."""

from enum import StrEnum

from runtime.data import dataclass


class Cause(StrEnum):
    """The closed list of causes. The value is stable and may be matched by programs."""

    # documents
    INDEX = "index"
    PLATFORM = "platform"
    MEDIA_TYPE = "media-type"
    ANNOTATION = "annotation"
    MANIFEST_FIELD = "manifest-field"
    CONFIG_FIELD = "config-field"
    CONFIG_ORDER = "config-order"
    JSON_FORM = "json-form"
    # layers
    LAYER_COMPRESSION = "layer-compression"
    LAYER_ORDER = "layer-order"
    LAYER_SPLIT = "layer-split"
    LAYER_ADDED = "layer-added"
    LAYER_REMOVED = "layer-removed"
    # entries
    ENTRY_ADDED = "entry-added"
    ENTRY_REMOVED = "entry-removed"
    ENTRY_TYPE = "entry-type"
    ENTRY_CONTENT = "entry-content"
    ENTRY_MODE = "entry-mode"
    ENTRY_OWNER = "entry-owner"
    ENTRY_TIME = "entry-time"
    ENTRY_XATTRS = "entry-xattrs"
    ENTRY_TARGET = "entry-target"
    # the archive around the entries
    TAR_HEADER = "tar-header"
    TAR_ORDER = "tar-order"
    TAR_REPEATED = "tar-repeated"
    TAR_END = "tar-end"


OF_FILES = frozenset(each for each in Cause if each.startswith(("entry-", "layer-added", "layer-removed")))
"""The causes after which a program in the image may find other files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place.

    Args:
        cause: why the digest changed for it.
        where: the document or the layer: ``index``, ``manifest``, ``config``, ``layer 2``, after the platform and a
            slash where an index has several.
        path: in it: a JSON path such as ``history[1].created``, or a path of the image; empty for the whole.
        one: what the first image has there, as text; empty for nothing.
        two: what the second has.
        lines: what changed in short text, as a diff has it.
    """

    cause: Cause
    where: str
    path: str = ""
    one: str = ""
    two: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What ``why-digest`` found.

    Args:
        names: how the two images were called.
        digests: of their manifests or indexes; of an archive of ``docker save``, which has none, of the config.
        sentence: the verdict.
        differences: from the outside inwards; none if the two are equal.
    """

    names: tuple[str, str]
    digests: tuple[str, str]
    sentence: str
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences
