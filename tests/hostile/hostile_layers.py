"""Crafted layers, each with the reason for which it is refused, and the tools to craft them."""

import gzip
import io
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from runtime.digest import Digest
from runtime.oci.archive import Limits
from runtime.oci.descriptor import LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, Descriptor
from runtime.oci.refusal import Refusal
from runtime.oci.unpack import unpack_layer

UID, GID = os.getuid(), os.getgid()
END = bytes(1024)
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)


def block(
    name=b"a", *, flag=b"0", size=0, target=b"", mode=0o644, uid=UID, gid=GID, mtime=0, magic=b"ustar\x0000", **raw
):
    """Return one header block; ``raw`` replaces the bytes of a field, ``checksum=False`` leaves the checksum wrong."""
    data = bytearray(512)
    data[0 : len(name[:100])] = name[:100]
    fields = {
        "mode": (100, 8, mode),
        "uid": (108, 8, uid),
        "gid": (116, 8, gid),
        "size": (124, 12, size),
        "mtime": (136, 12, mtime),
    }
    for key, (start, width, value) in fields.items():
        data[start : start + width] = raw[key + "_raw"] if key + "_raw" in raw else b"%0*o\0" % (width - 1, value)
    data[156:157] = flag
    data[157 : 157 + len(target)] = target
    data[257:265] = magic
    for start, content in raw.get("at", {}).items():
        data[start : start + len(content)] = content
    total = sum(data) + 8 * 0x20 - sum(data[148:156]) + (0 if raw.get("checksum", True) else 1)
    data[148:156] = b"%06o\0 " % total
    return bytes(data)


def file(name=b"a", content=b"", **more):
    return block(name, size=len(content), **more) + content + bytes(-len(content) % 512)


def folder(name, **more):
    return block(name + b"/", flag=b"5", mode=0o755, **more)


def link(name, target, **more):
    return block(name, flag=b"2", target=target, **more)


def hard(name, target, **more):
    return block(name, flag=b"1", target=target, **more)


def pax(records, *, flag=b"x", raw=None):
    content = raw if raw is not None else b"".join(record(key, value) for key, value in records.items())
    return file(b"././@PaxHeader", content, flag=flag)


def record(key, value):
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length += 1
    return str(length).encode() + rest


def xattr(name, value=b"v"):
    return pax({b"SCHILY.xattr." + name: value})


def unpack(archive: bytes, root: Path, *, media=LAYER_TAR, blob=None, limits=None, **lies):
    blob = archive if blob is None else blob
    descriptor = Descriptor(
        media_type=media, digest=lies.get("digest", Digest.of(blob)), size=lies.get("size", len(blob))
    )
    folder_of_root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        unpack_layer(io.BytesIO(blob), descriptor, lies.get("diff_id", Digest.of(archive)), folder_of_root, limits)
    finally:
        os.close(folder_of_root)


def unpack_into(folder_of_root: int, archive: bytes) -> None:
    """Unpack an honest layer into an open folder."""
    described = Descriptor(media_type=LAYER_TAR, digest=Digest.of(archive), size=len(archive))
    unpack_layer(io.BytesIO(archive), described, Digest.of(archive), folder_of_root, None)


LONG = b"x" * 256
HOSTILE = {
    # names
    "name_goes_up": (file(b"../a"), Refusal.NAME_PARENT),
    "name_goes_up_inside": (folder(b"d") + file(b"d/../../a"), Refusal.NAME_PARENT),
    "name_goes_up_by_pax": (pax({b"path": b"d/../../etc/passwd"}) + file(b"harmless"), Refusal.NAME_PARENT),
    "name_goes_up_by_gnu": (file(b"././@LongLink", b"../a\0", flag=b"L") + file(b"harmless"), Refusal.NAME_PARENT),
    "name_is_absolute": (file(b"/etc/passwd"), Refusal.NAME_ABSOLUTE),
    "name_is_absolute_after_dot": (file(b".//etc/passwd"), Refusal.NAME_DOT),
    "name_is_empty": (file(b""), Refusal.NAME_EMPTY),
    "name_has_dot_inside": (folder(b"d") + file(b"d/./a"), Refusal.NAME_DOT),
    "name_has_two_slashes": (folder(b"d") + file(b"d//a"), Refusal.NAME_DOT),
    "name_has_nul_by_pax": (pax({b"path": b"a\0b"}) + file(b"a"), Refusal.NAME_NUL),
    "name_hides_bytes_after_nul": (block(b"a", at={3: b"hidden"}), Refusal.NAME_NUL),
    "name_is_too_long": (pax({b"path": LONG}) + file(b"x"), Refusal.NAME_LENGTH),
    "path_is_too_long": (pax({b"path": b"/".join([b"y" * 200] * 21)}) + file(b"x"), Refusal.PATH_LENGTH),
    "path_is_too_deep": (pax({b"path": b"/".join([b"d"] * 129)}) + file(b"x"), Refusal.PATH_DEPTH),
    "file_ends_with_slash": (file(b"a/"), Refusal.NAME_SLASH),
    "root_is_a_link": (link(b".", b"/etc"), Refusal.ROOT_TYPE),
    "root_is_a_file": (file(b"."), Refusal.ROOT_TYPE),
    "name_is_parent_alone": (folder(b".."), Refusal.NAME_PARENT),
    "name_is_absolute_by_pax": (pax({b"path": b"/etc/passwd"}) + file(b"harmless"), Refusal.NAME_ABSOLUTE),
    "name_is_absolute_by_prefix": (block(b"passwd", at={345: b"/etc"}), Refusal.NAME_ABSOLUTE),
    "name_goes_up_by_prefix": (block(b"passwd", at={345: b"../../etc"}), Refusal.NAME_PARENT),
    "name_is_empty_by_pax": (pax({b"path": b""}) + file(b"a"), Refusal.NAME_EMPTY),
    "name_hides_bytes_in_prefix": (block(b"a", at={345: b"d\0hidden"}), Refusal.NAME_NUL),
    "name_is_too_long_in_the_middle": (
        file(b"././@LongLink", b"d/" + LONG + b"/a\0", flag=b"L") + file(b"x"),
        Refusal.NAME_LENGTH,
    ),
    "root_is_a_slash": (block(b"/", flag=b"5", mode=0o755), Refusal.NAME_ABSOLUTE),
    "root_is_a_hardlink": (file(b"a") + hard(b"./", b"a"), Refusal.NAME_SLASH),
    # through something
    "write_through_link": (link(b"a", b"/etc") + file(b"a/passwd", b"root"), Refusal.THROUGH_LINK),
    "write_through_relative_link": (link(b"a", b"../../etc") + file(b"a/passwd", b"root"), Refusal.THROUGH_LINK),
    "write_through_link_to_link": (link(b"a", b"b") + link(b"b", b"/etc") + file(b"a/passwd"), Refusal.THROUGH_LINK),
    "write_through_link_to_own_folder": (folder(b"d") + link(b"a", b"d") + file(b"a/x"), Refusal.THROUGH_LINK),
    "folder_below_link": (link(b"a", b"/tmp") + folder(b"a/d"), Refusal.THROUGH_LINK),
    "write_below_file": (file(b"a") + file(b"a/b"), Refusal.THROUGH_FILE),
    "write_below_hardlink": (file(b"a") + hard(b"b", b"a") + file(b"b/c"), Refusal.THROUGH_FILE),
    "write_through_link_by_pax": (
        link(b"a", b"/etc") + pax({b"path": b"a/passwd"}) + file(b"harmless", b"root"),
        Refusal.THROUGH_LINK,
    ),
    "link_below_link": (link(b"a", b"/etc") + link(b"a/passwd", b"x"), Refusal.THROUGH_LINK),
    "hardlink_below_link": (file(b"f") + link(b"a", b"/etc") + hard(b"a/passwd", b"f"), Refusal.THROUGH_LINK),
    "write_through_link_to_proc": (link(b"a", b"/proc/self/root") + file(b"a/etc/passwd"), Refusal.THROUGH_LINK),
    "folder_below_file": (file(b"a") + folder(b"a/d"), Refusal.THROUGH_FILE),
    # twice
    "file_twice": (file(b"a", b"1") + file(b"a", b"2"), Refusal.NAME_DUPLICATE),
    "file_twice_spelled_differently": (file(b"a", b"1") + file(b"./a", b"2"), Refusal.NAME_DUPLICATE),
    "folder_becomes_link": (folder(b"d") + link(b"d", b"/etc") + file(b"d/passwd"), Refusal.NAME_DUPLICATE),
    "implied_folder_becomes_link": (file(b"d/x") + link(b"d", b"/etc"), Refusal.NAME_DUPLICATE),
    "link_becomes_folder": (link(b"d", b"/etc") + folder(b"d"), Refusal.NAME_DUPLICATE),
    "link_becomes_file": (link(b"a", b"/etc/passwd") + file(b"a", b"x"), Refusal.NAME_DUPLICATE),
    "folder_becomes_file": (folder(b"d") + file(b"d"), Refusal.NAME_DUPLICATE),
    "file_becomes_hardlink": (file(b"b") + file(b"a") + hard(b"a", b"b"), Refusal.NAME_DUPLICATE),
    "link_is_written_through_by_its_own_name": (
        link(b"a", b"/etc/passwd") + pax({b"path": b"./a"}) + file(b"b", b"root"),
        Refusal.NAME_DUPLICATE,
    ),
    # links
    "link_to_nothing": (link(b"a", b""), Refusal.LINK_TARGET),
    "link_target_has_nul": (pax({b"linkpath": b"a\0b"}) + link(b"a", b"x"), Refusal.LINK_TARGET),
    "link_target_too_long": (pax({b"linkpath": b"x" * 4096}) + link(b"a", b"x"), Refusal.LINK_TARGET),
    "link_with_content": (block(b"a", flag=b"2", target=b"b", size=1) + bytes(512), Refusal.TAR_LINK_SIZE),
    "folder_with_content": (block(b"a/", flag=b"5", size=512) + bytes(512), Refusal.TAR_LINK_SIZE),
    "hardlink_goes_up": (hard(b"a", b"../../etc/passwd"), Refusal.NAME_PARENT),
    "hardlink_is_absolute": (hard(b"a", b"/etc/passwd"), Refusal.NAME_ABSOLUTE),
    "hardlink_to_nothing": (hard(b"a", b"b"), Refusal.HARDLINK_ABSENT),
    "hardlink_to_later": (hard(b"a", b"b") + file(b"b"), Refusal.HARDLINK_ABSENT),
    "hardlink_to_itself": (hard(b"a", b"a"), Refusal.HARDLINK_ABSENT),
    "hardlink_to_symlink": (link(b"s", b"/etc/passwd") + hard(b"a", b"s"), Refusal.HARDLINK_TYPE),
    "hardlink_to_folder": (folder(b"d") + hard(b"a", b"d"), Refusal.HARDLINK_TYPE),
    "hardlink_through_link": (link(b"s", b"/etc") + hard(b"a", b"s/passwd"), Refusal.HARDLINK_ABSENT),
    "hardlink_goes_up_by_pax": (pax({b"linkpath": b"d/../../etc/shadow"}) + hard(b"a", b"b"), Refusal.NAME_PARENT),
    "hardlink_to_file_of_a_lower_layer": (hard(b"shadow", b"etc/shadow"), Refusal.HARDLINK_ABSENT),
    "hardlink_to_implied_folder": (file(b"d/x") + hard(b"a", b"d"), Refusal.HARDLINK_TYPE),
    "hardlink_to_nothing_named": (hard(b"a", b""), Refusal.LINK_TARGET),
    "hardlink_with_content": (
        file(b"b") + block(b"a", flag=b"1", target=b"b", size=512) + bytes(512),
        Refusal.TAR_LINK_SIZE,
    ),
    # kinds
    "character_device": (block(b"null", flag=b"3", at={329: b"0000001\x000000003\0"}), Refusal.DEVICE),
    "overlay_whiteout_as_device": (block(b"passwd", flag=b"3"), Refusal.DEVICE),
    "block_device": (block(b"sda", flag=b"4"), Refusal.DEVICE),
    "pipe": (block(b"p", flag=b"6"), Refusal.FIFO),
    "gnu_sparse": (block(b"s", flag=b"S"), Refusal.TAR_SPARSE),
    "unknown_type": (block(b"a", flag=b"Z"), Refusal.TAR_TYPE),
    "contiguous_file": (block(b"a", flag=b"7"), Refusal.TAR_TYPE),
    "character_device_of_the_disk": (block(b"kmsg", flag=b"3", at={329: b"0000001\x000000013\0"}), Refusal.DEVICE),
    "pax_sparse_by_name": (
        pax({b"GNU.sparse.name": b"../a", b"GNU.sparse.realsize": b"9"}) + file(b"a"),
        Refusal.PAX_KEY,
    ),
    "star_sparse": (pax({b"SCHILY.realsize": b"1099511627776"}) + file(b"a"), Refusal.PAX_KEY),
    "charset_of_names": (pax({b"hdrcharset": b"BINARY"}) + file(b"a"), Refusal.PAX_KEY),
    "volume_label": (block(b"a", flag=b"V"), Refusal.TAR_TYPE),
    "part_of_a_volume": (block(b"a", flag=b"M"), Refusal.TAR_TYPE),
    "solaris_extension": (file(b"a", record(b"path", b"b"), flag=b"X") + file(b"c"), Refusal.TAR_TYPE),
    # attributes of entries
    "mode_says_folder": (block(b"a", mode=0o40644), Refusal.MODE),
    "mode_says_device": (block(b"a", mode=0o20644), Refusal.MODE),
    "owner_outside_of_map": (block(b"a", uid=65535), Refusal.OWNER),
    "group_outside_of_map": (block(b"a", gid=2000000), Refusal.OWNER),
    "owner_huge_by_pax": (pax({b"uid": b"4294967295"}) + file(b"a"), Refusal.OWNER),
    "owner_huge_base_256": (block(b"a", uid_raw=b"\x80\0\0\0\xff\xff\xff\xff"), Refusal.OWNER),
    "owner_negative": (block(b"a", uid_raw=b"\xff" * 8), Refusal.TAR_NUMBER),
    "owner_is_too_long": (pax({b"uid": b"1" * 20}) + file(b"a"), Refusal.PAX_SYNTAX),
    "owner_negative_by_pax": (pax({b"uid": b"-1"}) + file(b"a"), Refusal.PAX_SYNTAX),
    "mode_has_bits_beyond_a_kind": (block(b"a", mode=0o1000644), Refusal.MODE),
    "time_negative": (block(b"a", mtime_raw=b"\xff" * 12), Refusal.TAR_NUMBER),
    "time_in_the_year_10000": (pax({b"mtime": b"253402300800"}) + file(b"a"), Refusal.TIME),
    "time_with_exponent": (pax({b"mtime": b"1e9"}) + file(b"a"), Refusal.PAX_SYNTAX),
    "time_with_underscore": (pax({b"mtime": b"1_0"}) + file(b"a"), Refusal.PAX_SYNTAX),
    "time_negative_by_pax": (pax({b"mtime": b"-1"}) + file(b"a"), Refusal.TIME),
    "time_huge": (block(b"a", mtime_raw=b"\x80" + b"\x7f" * 11), Refusal.TIME),
    "time_is_nan": (pax({b"mtime": b"nan"}) + file(b"a"), Refusal.PAX_SYNTAX),
    "time_is_text": (pax({b"mtime": b"now"}) + file(b"a"), Refusal.PAX_SYNTAX),
    "overlay_opaque_attribute": (xattr(b"user.overlay.opaque", b"y") + folder(b"d"), Refusal.XATTR_OVERLAY),
    "forged_owner_record": (xattr(b"user.seatrial.owner", b"0:0") + file(b"a"), Refusal.XATTR_OWNER),
    "overlay_redirect_attribute": (xattr(b"trusted.overlay.redirect", b"/etc") + folder(b"d"), Refusal.XATTR_OVERLAY),
    "overlay_metacopy_attribute": (xattr(b"user.overlay.metacopy", b"") + file(b"a"), Refusal.XATTR_OVERLAY),
    "overlay_opaque_attribute_of_root": (xattr(b"trusted.overlay.opaque", b"y") + folder(b"d"), Refusal.XATTR_OVERLAY),
    "overlay_whiteout_attribute": (xattr(b"user.overlay.whiteout", b"") + file(b"a"), Refusal.XATTR_OVERLAY),
    "overlay_origin_attribute": (xattr(b"trusted.overlay.origin", b"\0\xfb") + file(b"a"), Refusal.XATTR_OVERLAY),
    "overlay_attribute_escaped": (xattr(b"user.overlay.overlay.redirect", b"/") + folder(b"d"), Refusal.XATTR_OVERLAY),
    "attribute_without_name": (xattr(b"") + file(b"a"), Refusal.XATTR_NAME),
    "attribute_in_capitals": (xattr(b"TRUSTED.overlay.opaque") + folder(b"a"), Refusal.XATTR_NAME),
    "attribute_name_too_long": (xattr(b"user." + b"x" * 251) + file(b"a"), Refusal.XATTR_NAME),
    "trusted_attribute": (xattr(b"trusted.x") + file(b"a"), Refusal.XATTR_NAME),
    "security_label": (xattr(b"security.selinux") + file(b"a"), Refusal.XATTR_NAME),
    "access_list": (xattr(b"system.posix_acl_access") + file(b"a"), Refusal.XATTR_NAME),
    "attributes_too_large": (xattr(b"user.x", b"v" * 65536) + file(b"a"), Refusal.XATTR_SIZE),
    "attribute_on_link": (xattr(b"user.x") + link(b"a", b"b"), Refusal.XATTR_ON_LINK),
    "attribute_on_hardlink": (file(b"b") + xattr(b"user.x") + hard(b"a", b"b"), Refusal.XATTR_ON_LINK),
    "capability_with_root_id": (
        xattr(b"security.capability", struct.pack("<6I", 0x03000001, 1, 0, 0, 0, 0)) + file(b"a"),
        Refusal.CAPABILITY,
    ),
    "capability_truncated": (xattr(b"security.capability", CAPABILITY[:12]) + file(b"a"), Refusal.CAPABILITY),
    # whiteouts
    "whiteout_of_no_name": (folder(b"d") + file(b"d/.wh."), Refusal.WHITEOUT_NAME),
    "whiteout_of_dot": (folder(b"d") + file(b"d/.wh.."), Refusal.WHITEOUT_NAME),
    "whiteout_of_parent": (folder(b"d") + file(b"d/.wh..."), Refusal.WHITEOUT_NAME),
    "whiteout_of_root": (file(b".wh."), Refusal.WHITEOUT_ROOT),
    "whiteout_of_above_root": (file(b".wh..."), Refusal.WHITEOUT_ROOT),
    "whiteout_reserved_plink": (folder(b".wh..wh.plnk"), Refusal.WHITEOUT_TYPE),
    "whiteout_reserved_aufs": (file(b".wh..wh.aufs"), Refusal.WHITEOUT_RESERVED),
    "whiteout_is_link": (link(b".wh.a", b"b"), Refusal.WHITEOUT_TYPE),
    "whiteout_has_content": (file(b".wh.a", b"x"), Refusal.WHITEOUT_TYPE),
    "whiteout_opaque_is_folder": (folder(b"d") + folder(b"d/.wh..wh..opq"), Refusal.WHITEOUT_TYPE),
    "whiteout_and_file": (file(b".wh.a") + file(b"a"), Refusal.WHITEOUT_CONFLICT),
    "file_and_whiteout": (file(b"a") + file(b".wh.a"), Refusal.WHITEOUT_CONFLICT),
    "whiteout_twice": (file(b".wh.a") + file(b".wh.a"), Refusal.WHITEOUT_CONFLICT),
    "whiteout_of_implied_folder": (file(b"d/a") + file(b".wh.d"), Refusal.WHITEOUT_CONFLICT),
    "whiteout_through_link": (link(b"a", b"/etc") + file(b"a/.wh.passwd"), Refusal.THROUGH_LINK),
    "opaque_through_link": (link(b"a", b"/etc") + file(b"a/.wh..wh..opq"), Refusal.THROUGH_LINK),
    "file_below_whiteout": (file(b".wh.d/.wh.x"), Refusal.WHITEOUT_NAME),
    "whiteout_is_folder": (folder(b".wh."), Refusal.WHITEOUT_TYPE),
    "whiteout_is_hardlink": (file(b"a") + hard(b".wh.b", b"a"), Refusal.WHITEOUT_TYPE),
    "whiteout_of_root_after_dot": (file(b"./.wh.."), Refusal.WHITEOUT_ROOT),
    "whiteout_of_reserved_name": (folder(b"d") + file(b"d/.wh..wh..opq.wh"), Refusal.WHITEOUT_RESERVED),
    "whiteout_below_file": (file(b"a") + file(b"a/.wh.b"), Refusal.THROUGH_FILE),
    "whiteout_below_own_whiteout": (file(b".wh.d") + file(b"d/.wh.x"), Refusal.THROUGH_FILE),
    "opaque_and_whiteout": (file(b".wh.d") + file(b"d/.wh..wh..opq"), Refusal.THROUGH_FILE),
    "whiteout_goes_up": (file(b"../.wh.etc"), Refusal.NAME_PARENT),
    # the archive
    "checksum_wrong": (block(b"a", checksum=False), Refusal.TAR_CHECKSUM),
    "magic_of_v7": (block(b"a", magic=bytes(8)), Refusal.TAR_MAGIC),
    "size_is_text": (block(b"a", size_raw=b"12 34       "), Refusal.TAR_NUMBER),
    "size_is_decimal": (block(b"a", size_raw=b"00000000099\0"), Refusal.TAR_NUMBER),
    "size_negative": (block(b"a", size_raw=b"\xff" * 12), Refusal.TAR_NUMBER),
    "size_huge": (block(b"a", size_raw=b"\x80" + b"\x7f" * 11), Refusal.FILE_SIZE),
    "checksum_is_text": (block(b"a")[:148] + b"zzzzzzzz" + block(b"a")[156:], Refusal.TAR_NUMBER),
    "padding_after_pax_holds_something": (
        block(b"x", flag=b"x", size=9) + b"9 path=b\n" + b"y" * 503 + file(b"a"),
        Refusal.TAR_PADDING,
    ),
    "pax_key_is_empty": (pax({}, raw=b"5 =a\n") + file(b"a"), Refusal.PAX_SYNTAX),
    "pax_length_beyond_the_header": (pax({}, raw=b"999 path=a\n") + file(b"a"), Refusal.PAX_SYNTAX),
    "pax_global_changes_size": (pax({b"size": b"0"}, flag=b"g") + file(b"b", b"x"), Refusal.PAX_GLOBAL),
    "gnu_name_twice": (
        file(b"L", b"a\0", flag=b"L") + file(b"L", b"b\0", flag=b"L") + file(b"c"),
        Refusal.PAX_DUPLICATE,
    ),
    "gnu_target_belongs_to_nothing": (file(b"a") + file(b"K", b"b\0", flag=b"K"), Refusal.PAX_LOST),
    "pax_size_of_a_folder": (pax({b"size": b"512"}) + folder(b"d"), Refusal.PAX_DISAGREES),
    "padding_holds_something": (block(b"a", size=1) + b"x" + b"y" * 511, Refusal.TAR_PADDING),
    "pax_length_wrong": (pax({}, raw=b"99 path=a\n") + file(b"a"), Refusal.PAX_SYNTAX),
    "pax_length_leading_zero": (pax({}, raw=b"011 path=a\n") + file(b"a"), Refusal.PAX_SYNTAX),
    "pax_without_equals": (pax({}, raw=b"7 path\n") + file(b"a"), Refusal.PAX_SYNTAX),
    "pax_key_twice": (pax({}, raw=record(b"path", b"a") + record(b"path", b"b")) + file(b"a"), Refusal.PAX_DUPLICATE),
    "pax_header_twice": (pax({b"path": b"a"}) + pax({b"path": b"b"}) + file(b"c"), Refusal.PAX_DUPLICATE),
    "pax_and_gnu_name": (pax({b"path": b"a"}) + file(b"L", b"b\0", flag=b"L") + file(b"c"), Refusal.PAX_DUPLICATE),
    "pax_size_disagrees": (pax({b"size": b"1024"}) + file(b"a"), Refusal.PAX_DISAGREES),
    "pax_size_smuggles": (pax({b"size": b"0"}) + file(b"a", file(b"smuggled")), Refusal.PAX_DISAGREES),
    "pax_size_is_text": (pax({b"size": b"0x10"}) + file(b"a"), Refusal.PAX_SYNTAX),
    "pax_key_unknown": (pax({b"GNU.sparse.major": b"1"}) + file(b"a"), Refusal.PAX_KEY),
    "pax_belongs_to_nothing": (file(b"a") + pax({b"path": b"b"}), Refusal.PAX_LOST),
    "pax_too_large": (block(b"x", flag=b"x", size=1 << 21), Refusal.PAX_SIZE),
    "gnu_name_too_large": (block(b"x", flag=b"L", size=1 << 30), Refusal.PAX_SIZE),
    "pax_global_changes_names": (pax({b"path": b"a"}, flag=b"g") + file(b"b"), Refusal.PAX_GLOBAL),
}
GOOD = folder(b"d") + file(b"d/a", b"content") + END
ENDINGS = {
    "no_end": (file(b"a"), Refusal.TAR_TRUNCATED),
    "one_block_of_end": (file(b"a") + bytes(512), Refusal.TAR_TRUNCATED),
    "half_a_header": (block(b"a")[:200], Refusal.TAR_TRUNCATED),
    "content_cut": (block(b"a", size=2048) + bytes(512), Refusal.TAR_TRUNCATED),
    "entry_after_one_zero_block": (file(b"a") + bytes(512) + file(b"b") + END, Refusal.TAR_TRAILING),
    "entry_after_the_end": (file(b"a") + END + file(b"b") + END, Refusal.TAR_TRAILING),
    "text_after_the_end": (file(b"a") + END + b"more", Refusal.TAR_TRAILING),
    "nothing": (b"", Refusal.TAR_TRUNCATED),
}
COMPRESSED = gzip.compress(GOOD, mtime=0)
ZSTD = zstandard.ZstdCompressor().compress(GOOD)
BLOBS = {
    "gzip_is_text": ({"media": LAYER_GZIP, "blob": b"not compressed"}, Refusal.COMPRESSION),
    "gzip_is_zstd": ({"media": LAYER_GZIP, "blob": ZSTD}, Refusal.COMPRESSION),
    "gzip_cut": ({"media": LAYER_GZIP, "blob": COMPRESSED[:-9]}, Refusal.COMPRESSION),
    "gzip_bit_flipped": (
        {"media": LAYER_GZIP, "blob": COMPRESSED[:-6] + b"\0\0" + COMPRESSED[-4:]},
        Refusal.COMPRESSION,
    ),
    "gzip_then_text": ({"media": LAYER_GZIP, "blob": COMPRESSED + b"trailing"}, Refusal.COMPRESSION_TRAILING),
    "gzip_then_zeros": ({"media": LAYER_GZIP, "blob": COMPRESSED + bytes(512)}, Refusal.COMPRESSION_TRAILING),
    "gzip_then_another_archive": ({"media": LAYER_GZIP, "blob": COMPRESSED * 2}, Refusal.TAR_TRAILING),
    "zstd_cut": ({"media": LAYER_ZSTD, "blob": ZSTD[:-3]}, Refusal.COMPRESSION),
    "zstd_then_text": ({"media": LAYER_ZSTD, "blob": ZSTD + b"trailing"}, Refusal.COMPRESSION_TRAILING),
    "zstd_window_huge": (
        {"media": LAYER_ZSTD, "blob": b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00"},
        Refusal.COMPRESSION,
    ),
    "gzip_in_gzip": ({"media": LAYER_GZIP, "blob": gzip.compress(COMPRESSED, mtime=0)}, Refusal.TAR_TRUNCATED),
    "zstd_is_gzip": ({"media": LAYER_ZSTD, "blob": COMPRESSED}, Refusal.COMPRESSION),
    "tar_is_gzip": ({"media": LAYER_TAR, "blob": COMPRESSED}, Refusal.TAR_TRUNCATED),
    "zstd_skips_then_gzip": ({"media": LAYER_ZSTD, "blob": ZSTD + COMPRESSED}, Refusal.COMPRESSION_TRAILING),
    "digest_of_blob_wrong": ({"digest": Digest.of(b"other")}, Refusal.BLOB_DIGEST),
    "diff_id_wrong": ({"diff_id": Digest.of(b"other")}, Refusal.DIFF_ID),
    "size_too_small": ({"size": 100}, Refusal.BLOB_SIZE),
    "size_too_large": ({"size": len(GOOD) + 1}, Refusal.BLOB_SIZE),
    "media_type_unknown": ({"media": "application/x-tar"}, Refusal.MEDIA_TYPE),
    "media_type_foreign": ({"media": "application/vnd.oci.image.layer.nondistributable.v1.tar"}, Refusal.MEDIA_TYPE),
}
BOMB = file(b"a", bytes(1 << 20)) + END
SMALL = Limits(total=1 << 19, ratio_from=1 << 30)


def chain(depth: int, count: int) -> bytes:
    """Return entries that each imply many folders."""
    return b"".join(pax({b"path": b"%d/" % each + b"d/" * depth + b"x"}) + file(b"x") for each in range(count))


BOMBS = {
    "total": (file(b"a", bytes(1 << 20)) + END, {"limits": SMALL}, Refusal.TOTAL_SIZE),
    "total_of_small_files": (
        b"".join(file(b"%d" % each, bytes(512)) for each in range(600)) + END,
        {"limits": SMALL},
        Refusal.TOTAL_SIZE,
    ),
    "total_after_the_end": (file(b"a") + bytes(1 << 20), {"limits": SMALL}, Refusal.TOTAL_SIZE),
    "ratio_gzip": (
        BOMB,
        {"media": LAYER_GZIP, "blob": gzip.compress(BOMB), "limits": Limits(ratio_from=1 << 16)},
        Refusal.COMPRESSION_RATIO,
    ),
    "ratio_zstd": (
        BOMB,
        {"media": LAYER_ZSTD, "blob": zstandard.compress(BOMB), "limits": Limits(ratio_from=1 << 16)},
        Refusal.COMPRESSION_RATIO,
    ),
    "ratio_in_a_later_member": (
        GOOD + BOMB,
        {
            "media": LAYER_GZIP,
            "blob": gzip.compress(GOOD[:-1024]) + gzip.compress(BOMB),
            "limits": Limits(ratio_from=1 << 16),
        },
        Refusal.COMPRESSION_RATIO,
    ),
    "entries": (
        b"".join(file(b"%d" % each) for each in range(20)) + END,
        {"limits": Limits(entries=19)},
        Refusal.ENTRY_COUNT,
    ),
    "entries_by_the_same_folder": (folder(b"d") * 20 + END, {"limits": Limits(entries=19)}, Refusal.ENTRY_COUNT),
    "entries_by_implied_folders": (chain(60, 4) + END, {"limits": Limits(entries=100)}, Refusal.ENTRY_COUNT),
    "file": (file(b"a", bytes(2048)) + END, {"limits": Limits(file=2047)}, Refusal.FILE_SIZE),
    "file_sparse_by_header": (block(b"a", size=1 << 32) + END, {"limits": Limits(file=1 << 30)}, Refusal.FILE_SIZE),
    "names": (
        b"".join(pax({b"path": b"%d" % each + b"n" * 200}) + file(b"x") for each in range(9)) + END,
        {"limits": Limits(metadata=1024)},
        Refusal.METADATA_SIZE,
    ),
    "names_of_implied_folders": (chain(60, 1) + END, {"limits": Limits(metadata=1024)}, Refusal.METADATA_SIZE),
    "attributes_of_many_folders": (
        b"".join(xattr(b"user.x", b"v" * 200) + folder(b"%d" % each) for each in range(9)) + END,
        {"limits": Limits(metadata=1024)},
        Refusal.METADATA_SIZE,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A layer that must be refused: its archive as said in the config, what ``unpack`` is told of it, and why."""

    archive: bytes
    reason: Refusal
    told: Mapping[str, object] = field(default_factory=dict)

    @property
    def blob(self) -> bytes:
        """The bytes that a registry would give."""
        return self.told.get("blob", self.archive)


CASES: Mapping[str, Case] = {
    **{name: Case(archive=archive + END, reason=reason) for name, (archive, reason) in HOSTILE.items()},
    **{f"ending_{name}": Case(archive=archive, reason=reason) for name, (archive, reason) in ENDINGS.items()},
    **{f"blob_{name}": Case(archive=GOOD, reason=reason, told=told) for name, (told, reason) in BLOBS.items()},
    **{f"bomb_{name}": Case(archive=raw, reason=reason, told=told) for name, (raw, told, reason) in BOMBS.items()},
}
"""Every hostile layer by name."""
