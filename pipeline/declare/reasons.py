"""``Reason``: the closed list of why what a mirror or a package gives is refused."""

from enum import StrEnum


class Reason(StrEnum):
    """Which check refused it: in brackets at the end of the message. The value is stable; programs may match it."""

    # what a file is
    FILE_HASH = "file-hash"
    FILE_SHA256 = "file-sha256"
    FILE_LONG = "file-long"
    FILE_SHORT = "file-short"
    # how an answer comes
    ANSWER_LONG = "answer-long"
    ANSWER_SLOW = "answer-slow"
    ANSWER_CUT = "answer-cut"
    REDIRECT_PLAIN = "redirect-plain"
    REDIRECT_SCHEME = "redirect-scheme"
    REDIRECT_COUNT = "redirect-count"
    CERTIFICATE = "certificate"
    ACCESS = "access"
    PROXY = "proxy"
    WEB_PAGE = "web-page"
    # the signed index of an archive
    RELEASE_SIGNATURE = "release-signature"
    RELEASE_SUITE = "release-suite"
    RELEASE_DATE = "release-date"
    RELEASE_EXPIRED = "release-expired"
    RELEASE_AHEAD = "release-ahead"
    RELEASE_OLDER = "release-older"
    # its lists of packages
    INDEX_WEAK = "index-weak"
    INDEX_SIZE = "index-size"
    INDEX_LISTED = "index-listed"
    INDEX_HASH = "index-hash"
    # a Debian package
    DEB_FORMAT = "deb-format"
    DEB_DAMAGED = "deb-damaged"
    DEB_CONTROL = "deb-control"
    DEB_KIND = "deb-kind"
    DEB_SPARSE = "deb-sparse"
    UNPACKED_SIZE = "unpacked-size"
    # a wheel
    WHEEL_FORMAT = "wheel-format"
    WHEEL_DAMAGED = "wheel-damaged"
    WHEEL_SIZE = "wheel-size"
    WHEEL_KIND = "wheel-kind"
    WHEEL_TWICE = "wheel-twice"
    WHEEL_ENCRYPTED = "wheel-encrypted"
    WHEEL_RECORD = "wheel-record"
    WHEEL_HASH = "wheel-hash"
    WHEEL_PROGRAM = "wheel-program"
    # what is laid into a tree
    PATH = "path"
    PATH_LINK = "path-link"
    PATH_TAKEN = "path-taken"
