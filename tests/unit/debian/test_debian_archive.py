"""What is believed of an archive, and what is refused."""

from dataclasses import replace
from datetime import timedelta

import pysequoia
import pytest
from debian_archive import NOW, Archive

from pipeline.build.ecosystems.debian.archive import DebianRequest
from pipeline.build.ecosystems.debian.keyring import KEYS, PINNED, Keyring, pinned_keyring
from pipeline.build.ecosystems.debian.lock import lock_debian
from pipeline.build.fetch import Fetcher
from pipeline.declare.errors import ArchiveError, FetchError, LockError, NamedError, SpecError


@pytest.fixture(autouse=True)
def app(archive: Archive) -> None:
    archive.add("app")


def test_archive_signed_by_the_given_key_is_believed(lock) -> None:
    assert list(lock("app")) == ["app"]


@pytest.mark.parametrize("pocket", ["main", "updates", "security"])
def test_archive_tampered_release_is_refused(archive: Archive, lock, pocket: str) -> None:
    archive.publish()
    path = archive.release_path(getattr(archive, pocket))
    path.write_bytes(path.read_bytes().replace(b"Origin: Test", b"Origin: Evil"))
    with pytest.raises(ArchiveError, match="no good signature by the spec's keys"):
        lock("app", publish=False)


def test_archive_text_around_the_signature_is_not_read(archive: Archive, lock) -> None:
    archive.publish()
    path = archive.release_path(archive.main)
    forged = b"SHA256:\n " + b"0" * 64 + b" 1 main/binary-amd64/Packages.xz\n\n"
    path.write_bytes(forged + path.read_bytes() + forged)
    assert list(lock("app", publish=False)) == ["app"]


def test_archive_unsigned_release_is_refused(archive: Archive, lock) -> None:
    archive.publish()
    archive.release_path(archive.main).write_bytes(b"Codename: bookworm\nDate: Sat, 28 Feb 2026 12:00:00 UTC\n")
    with pytest.raises(ArchiveError, match="no good signature"):
        lock("app", publish=False)


def test_archive_signed_by_an_unknown_key_is_refused(lock) -> None:
    stranger = pysequoia.Tsk.generate("Stranger <stranger@example.org>").extract_certificate()
    with pytest.raises(ArchiveError, match="no good signature"):
        lock("app", keys=(bytes(stranger),))


def test_keyring_certificate_that_is_not_pinned_does_not_count(archive: Archive) -> None:
    archive.publish()
    message = archive.release_path(archive.main).read_bytes()
    other = bytes(pysequoia.Tsk.generate("Other <other@example.org>").extract_certificate())
    pinned = frozenset((pysequoia.Cert.from_bytes(other).fingerprint,))
    with pytest.raises(ArchiveError, match="no good signature by ring"):
        Keyring(name="ring", certificates=(archive.key, other), fingerprints=pinned).signed_bytes(message, "it")


def test_archive_without_given_keys_must_be_signed_by_debian(lock) -> None:
    with pytest.raises(ArchiveError, match="no good signature by a key of debian bookworm"):
        lock("app", keys=())


def test_archive_of_another_suite_is_refused(archive: Archive, lock) -> None:
    archive.main.codename = "trixie"
    with pytest.raises(ArchiveError, match="is the index of 'trixie', not of 'bookworm'"):
        lock("app")


def test_archive_expired_index_is_refused(archive: Archive, lock) -> None:
    archive.security.valid_until = NOW - timedelta(seconds=1)
    with pytest.raises(ArchiveError, match="expired on 2026-03-01 11:59 UTC, and it is 2026-03-01 12:00"):
        lock("app")


def test_archive_index_from_the_future_is_refused(archive: Archive, lock) -> None:
    archive.main.date = NOW + timedelta(days=3)
    with pytest.raises(ArchiveError, match="is dated 2026-03-04"):
        lock("app")


def test_archive_rolled_back_index_is_refused_and_the_newer_is_remembered(archive: Archive, lock) -> None:
    lock("app")
    newest = archive.updates.date
    archive.updates.date = newest - timedelta(hours=1)
    for _ in range(2):
        with pytest.raises(ArchiveError, match=r"older than 2026-02-28 12:00 seen before"):
            lock("app")
    archive.updates.date = newest
    assert list(lock("app")) == ["app"]


def test_archive_index_with_another_hash_is_refused(archive: Archive, lock) -> None:
    archive.main.wrong = ("SHA256",)
    with pytest.raises(FetchError, match="its hash is sha256:"):
        lock("app")


def test_archive_strongest_hash_counts_and_a_weaker_one_does_not_help(archive: Archive, lock) -> None:
    archive.main.hashes = ("SHA256", "SHA512")
    archive.main.wrong = ("SHA512",)
    with pytest.raises(FetchError, match="its hash is sha512:"):
        lock("app")


def test_archive_with_sha512_only_is_believed(archive: Archive, lock) -> None:
    archive.main.hashes = ("SHA512",)
    assert list(lock("app")) == ["app"]


def test_archive_with_weak_hashes_only_is_refused(archive: Archive, lock) -> None:
    archive.main.hashes = ("MD5Sum", "SHA1")
    with pytest.raises(ArchiveError, match="weaker hashes are refused"):
        lock("app")


@pytest.mark.parametrize("suffix", [".xz", ".gz", ""])
@pytest.mark.parametrize("place", ["by-hash", "plain"])
def test_archive_compressions_and_places_of_the_index_are_read(archive: Archive, lock, suffix: str, place: str) -> None:
    archive.main.suffix, archive.main.by_hash = suffix, place == "by-hash"
    assert list(lock("app")) == ["app"]


@pytest.mark.parametrize(("listed", "message"), [(10, "unpacks to more than 10 bytes"), (9999, "and 9999 are listed")])
def test_archive_index_that_unpacks_to_another_size_is_refused(
    archive: Archive, lock, listed: int, message: str
) -> None:
    archive.main.listed = listed
    with pytest.raises(ArchiveError, match=message):
        lock("app")


def test_archive_snapshot_that_was_asked_for_is_judged_by_its_own_time(archive: Archive, fetcher: Fetcher) -> None:
    archive.publish()
    for name in ("debian", "debian-security"):
        (archive.folder / name).rename(archive.folder / "whole")
        (archive.folder / name).mkdir()
        (archive.folder / "whole").rename(archive.folder / name / "20260301T000000Z")
    request = DebianRequest(
        suite="bookworm",
        packages=("app",),
        architecture="amd64",
        mirror=f"{archive.mirror}/20260301T000000Z",
        keys=(archive.key,),
    )
    assert lock_debian(request, fetcher, now=NOW + timedelta(days=300))


def test_archive_of_ones_own_needs_no_updates_and_no_security(archive: Archive, lock) -> None:
    archive.publish()
    archive.release_path(archive.updates).unlink()
    archive.release_path(archive.security).unlink()
    assert list(lock("app", publish=False)) == ["app"]


def test_archive_without_the_suite_is_refused(archive: Archive, lock) -> None:
    archive.publish()
    archive.release_path(archive.main).unlink()
    with pytest.raises(NamedError, match=r"cannot read the index of bookworm: .*: there is no such file"):
        lock("app", publish=False)


def test_archive_unknown_suite_architecture_and_component_are_refused(archive: Archive, fetcher: Fetcher) -> None:
    archive.publish()
    right = DebianRequest(
        suite="bookworm", packages=("app",), architecture="amd64", mirror=archive.mirror, keys=(archive.key,)
    )
    for wrong, message in (
        (replace(right, suite="bokworm", keys=()), "no keys are known for the Debian suite 'bokworm'"),
        (replace(right, architecture="vax"), "no architecture 'vax'; it has amd64 arm64"),
        (replace(right, components=("mian",)), "no component 'mian'; it has main contrib"),
        (replace(right, keys=(b"no key",)), "the spec's keys"),
    ):
        with pytest.raises(SpecError, match=message):
            lock_debian(wrong, fetcher, now=NOW)


def test_archive_hostile_package_path_is_refused(archive: Archive, lock) -> None:
    archive.main.packages[0]["Filename"] = "../../etc/passwd"
    with pytest.raises(LockError, match="no artifact source"):
        lock("app")


def test_archive_package_with_other_bytes_is_refused(archive: Archive, fetcher: Fetcher, lock) -> None:
    locked = lock("app")["app"].artifact
    path = archive.folder / "debian" / locked.path
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(FetchError, match=r"cannot fetch debian:pool/main/a/app/app_1_all.deb: .* is locked") as caught:
        fetcher.fetch(locked)
    assert caught.value.hint == "seatrial lock --upgrade app"


def test_keyring_files_have_the_pinned_fingerprints() -> None:
    for suite, archives in PINNED.items():
        for archive, pins in archives.items():
            for name, fingerprint in pins.items():
                assert name.startswith(suite)
                certificate = pysequoia.Cert.from_file(str(KEYS / f"{name}.asc"))
                assert certificate.fingerprint == fingerprint
                assert not certificate.is_revoked
            assert pinned_keyring(suite, archive).fingerprints == frozenset(pins.values())
