"""``Refusal``: why something that came with an image is not accepted; every check has its own code."""

from enum import StrEnum

from runtime.errors import ImageError


class Refusal(StrEnum):
    """The closed list of reasons. The value is stable and may be matched by programs."""

    # documents
    JSON_SYNTAX = "json-syntax"
    JSON_DUPLICATE_KEY = "json-duplicate-key"
    JSON_DEPTH = "json-depth"
    JSON_NUMBER = "json-number"
    JSON_TYPE = "json-type"
    DOCUMENT_SIZE = "document-size"
    MEDIA_TYPE = "media-type"
    MANIFEST_AMBIGUOUS = "manifest-ambiguous"
    FOREIGN_LAYER = "foreign-layer"
    LAYER_COUNT = "layer-count"
    DIFF_IDS = "diff-ids"
    DIGEST_FORM = "digest-form"
    MANIFEST_COUNT = "manifest-count"
    MANIFEST_SUBJECT = "manifest-subject"
    # the compressed stream
    BLOB_DIGEST = "blob-digest"
    BLOB_SIZE = "blob-size"
    DIFF_ID = "diff-id"
    COMPRESSION = "compression"
    COMPRESSION_TRAILING = "compression-trailing"
    COMPRESSION_RATIO = "compression-ratio"
    TOTAL_SIZE = "total-size"
    # the archive
    TAR_TRUNCATED = "tar-truncated"
    TAR_CHECKSUM = "tar-checksum"
    TAR_MAGIC = "tar-magic"
    TAR_NUMBER = "tar-number"
    TAR_PADDING = "tar-padding"
    TAR_TRAILING = "tar-trailing"
    TAR_TYPE = "tar-type"
    TAR_SPARSE = "tar-sparse"
    TAR_LINK_SIZE = "tar-link-size"
    PAX_SYNTAX = "pax-syntax"
    PAX_SIZE = "pax-size"
    PAX_KEY = "pax-key"
    PAX_DUPLICATE = "pax-duplicate"
    PAX_GLOBAL = "pax-global"
    PAX_DISAGREES = "pax-disagrees"
    PAX_LOST = "pax-lost"
    ENTRY_COUNT = "entry-count"
    FILE_SIZE = "file-size"
    METADATA_SIZE = "metadata-size"
    # names
    NAME_EMPTY = "name-empty"
    NAME_ABSOLUTE = "name-absolute"
    NAME_PARENT = "name-parent"
    NAME_DOT = "name-dot"
    NAME_NUL = "name-nul"
    NAME_LENGTH = "name-length"
    PATH_LENGTH = "path-length"
    PATH_DEPTH = "path-depth"
    NAME_DUPLICATE = "name-duplicate"
    NAME_SLASH = "name-slash"
    THROUGH_LINK = "through-link"
    THROUGH_FILE = "through-file"
    ROOT_TYPE = "root-type"
    # what an entry is
    LINK_TARGET = "link-target"
    HARDLINK_ABSENT = "hardlink-absent"
    HARDLINK_TYPE = "hardlink-type"
    DEVICE = "device"
    FIFO = "fifo"
    MODE = "mode"
    OWNER = "owner"
    TIME = "time"
    XATTR_NAME = "xattr-name"
    XATTR_OVERLAY = "xattr-overlay"
    XATTR_OWNER = "xattr-owner"
    XATTR_SIZE = "xattr-size"
    XATTR_ON_LINK = "xattr-on-link"
    CAPABILITY = "capability"
    # whiteouts
    WHITEOUT_NAME = "whiteout-name"
    WHITEOUT_TYPE = "whiteout-type"
    WHITEOUT_RESERVED = "whiteout-reserved"
    WHITEOUT_ROOT = "whiteout-root"
    WHITEOUT_CONFLICT = "whiteout-conflict"


class RefusedError(ImageError):
    """An image, a manifest or a layer holds something that is not accepted.

    Args:
        reason: which check refused it.
        message: what, where, got and want.
    """

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(f"{message} [{reason}]")
        self.reason = reason
