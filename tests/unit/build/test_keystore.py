"""Java's keystore: dates are clamped, everything else stays, and its digest holds."""

import hashlib
import os
import struct

import pytest

from pipeline.build.keystore import PATH, clamp_keystore, with_dates_until

NOW, EPOCH = 1_795_000_000_123, 1_700_000_000


def text(value):
    return struct.pack(">H", len(value)) + value


def entry(alias, date, certificate, tag=2):
    return (
        struct.pack(">I", tag)
        + text(alias)
        + struct.pack(">Q", date)
        + text(b"X.509")
        + struct.pack(">I", len(certificate))
        + certificate
    )


def keystore(*entries, word="changeit"):
    body = struct.pack(">III", 0xFEEDFEED, 2, len(entries)) + b"".join(entries)
    return body + hashlib.sha1(word.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()  # noqa: S324 - Java's


def test_dates_are_clamped_and_all_else_stays():
    one, other = b"certificate \x00\xff" * 99, b""
    before = keystore(entry(b"debian:one.pem", NOW, one), entry("ö".encode(), 12, other))
    after = keystore(entry(b"debian:one.pem", EPOCH * 1000, one), entry("ö".encode(), 12, other))
    assert with_dates_until(before, EPOCH * 1000) == after
    assert with_dates_until(after, EPOCH * 1000) == after


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xfe\xed\xfe\xed\x00\x00\x00\x02",
        b"PKCS12 has another form" * 9,
        keystore(entry(b"a", NOW, b"b"), word="another"),
        keystore(entry(b"a", NOW, b"b"), entry(b"key", NOW, b"k", tag=1)),
        keystore(entry(b"a", NOW, b"b"))[:-1],
        keystore(entry(b"a", NOW, b"b")[:12]),
        keystore(entry(b"a", NOW, b"b") + b"more"),
    ],
    ids=["empty", "cut", "other", "password", "key", "short", "entry-cut", "more"],
)
def test_keystore_of_another_kind_stays_as_it_is(raw):
    assert with_dates_until(raw, EPOCH * 1000) == raw


def test_keystore_of_a_tree_is_clamped_in_its_place(tmp_path):
    path = tmp_path / PATH
    path.parent.mkdir(parents=True)
    path.write_bytes(keystore(entry(b"a", NOW, b"b")))
    path.chmod(0o640)
    root = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        clamp_keystore(root, epoch=EPOCH)
        assert path.read_bytes() == keystore(entry(b"a", EPOCH * 1000, b"b"))
        assert path.stat().st_mode & 0o777 == 0o640
        path.unlink()
        clamp_keystore(root, epoch=EPOCH)
        path.symlink_to("/etc/passwd")
        with pytest.raises(OSError, match="symbolic links"):
            clamp_keystore(root, epoch=EPOCH)
    finally:
        os.close(root)
