"""Rules about how programs find their libraries and each other.

Source: glibc's sysdeps/generic/dl-cache.h, ``struct cache_file_new``.
"""

import posixpath
import re
import struct
from collections.abc import Iterator

from pipeline.lint.contents import Contents
from pipeline.lint.rule import Found, Severity, rule
from runtime.oci.tar import Kind

_CACHE = "etc/ld.so.cache"
_MAGIC = b"glibc-ld.so.cache1.1"
_LIBRARY = re.compile(r"^(usr/)?lib(/[a-z0-9_]+-linux-gnu\w*|64|32)?/libc\.so\.6$")
_IMPORTANT = re.compile(
    r"^(usr/)?s?bin/[^/]+$|^etc/(localtime|os-release|mtab)$|^lib(64|32)?/ld-linux[^/]*$|^usr/local/bin/[^/]+$"
)
_BUILDERS = re.compile(r"/(home/[^/]+|Users/[^/]+|builds?|workspace|mnt/c|github/workspace|tmp)(/|$)")


@rule(
    "ld-so-cache-missing",
    Severity.WARNING,
    why="The loader looks through all folders at every start, and does not look into those of /etc/ld.so.conf.d.",
    fix="Run ldconfig as the last step of the build.",
)
def ld_so_cache_missing(contents: Contents) -> Iterator[Found]:
    """Find a C library whose cache was never made."""
    if not contents.has(_CACHE):
        for path in sorted(contents.tree):
            if _LIBRARY.match(path):
                yield Found.at(contents.tree[path], "is there, and /etc/ld.so.cache is not")
                return


@rule(
    "ld-so-cache-stale",
    Severity.WARNING,
    why="The loader is sent to a library that is not there, or misses one that is.",
    fix="Run ldconfig after the last change of libraries.",
    reads=f"^{re.escape(_CACHE)}$",
)
def ld_so_cache_stale(contents: Contents) -> Iterator[Found]:
    """Find libraries that the cache names and the image has not."""
    node = contents.tree.get(_CACHE)
    if node is not None:
        for path in sorted(_cached(node.content)):
            if not contents.has(path):
                yield Found.at(node, f"names {path[:100]}, which is not there")


@rule(
    "dangling-link",
    Severity.WARNING,
    why="A program that is asked for by this name does not start, or a setting is silently the default.",
    fix="Install what the link leads to, or delete the link.",
)
def dangling_link(contents: Contents) -> Iterator[Found]:
    """Find links of importance that lead nowhere in the image."""
    for path, node in sorted(contents.tree.items()):
        if node.entry.kind is Kind.SYMLINK and _IMPORTANT.search(path) and not _leads(contents, path):
            yield Found.at(node, f"leads to {node.target[:100]}, which is not there")


@rule(
    "link-above-root",
    Severity.WARNING,
    why="The link was right in another place; here it means another file, and hostile ones begin so.",
    fix="Make the link absolute, or relative to where it lies in the image.",
)
def link_above_root(contents: Contents) -> Iterator[Found]:
    """Find links with more ``..`` than there are folders above them."""
    for path, node in sorted(contents.tree.items()):
        if node.entry.kind is Kind.SYMLINK and not node.target.startswith("/") and _climbs(path, node.target):
            yield Found.at(node, f"leads to {node.target[:100]}, above the root")


@rule(
    "link-to-builder",
    Severity.WARNING,
    why="The link leads to a folder of the machine that built the image.",
    fix="Copy what it leads to, or link to a path of the image.",
)
def link_to_builder(contents: Contents) -> Iterator[Found]:
    """Find absolute links into folders that only a build has."""
    for path, node in sorted(contents.tree.items()):
        if node.entry.kind is Kind.SYMLINK and _BUILDERS.match(node.target) and not _leads(contents, path):
            yield Found.at(node, f"leads to {node.target[:100]}")


def _leads(contents: Contents, path: str) -> bool:
    """Tell whether a link leads to something; below /proc, /dev, /sys and /run the runtime decides."""
    real = contents.resolve(path)
    return contents.has(path) or (real or "").partition("/")[0] in ("proc", "dev", "sys", "run")


def _climbs(path: str, target: str) -> bool:
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return True
    return False


def _cached(content: bytes) -> set[str]:
    """Return the paths that a cache names; none where it has a form that is not known."""
    start = content.find(_MAGIC)
    if start < 0 or len(content) < start + 48:
        return set()
    count = struct.unpack_from("<I", content, start + 20)[0]
    found = set()
    for index in range(min(count, (len(content) - start - 48) // 24)):
        value = struct.unpack_from("<I", content, start + 48 + index * 24 + 8)[0]
        path = content[start + value : start + value + 4096].partition(b"\0")[0]
        found.add(path.decode("utf-8", "replace"))
    return {each for each in found if posixpath.isabs(each)}


RULES = (ld_so_cache_missing, ld_so_cache_stale, dangling_link, link_above_root, link_to_builder)
