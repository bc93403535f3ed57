import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.descriptor import MANIFEST
from runtime.oci.layout import Layout


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_write_then_read_gives_the_content_back(tmp_path, parts):
    layout = Layout(tmp_path)
    content = b"".join(parts)
    written = layout.write(iter(parts), "text/plain")
    assert (written.digest, written.size) == (Digest.of(content), len(content))
    assert layout.write(content, "text/plain") == written
    assert layout.read(written.digest, 10_000) == content
    assert layout.has(written.digest)


def test_write_with_another_digest_than_expected_stores_nothing(tmp_path):
    layout = Layout(tmp_path)
    with pytest.raises(DigestError, match="expected"):
        layout.write(b"a", "x", expected=Digest.of(b"b"))
    assert layout.digests() == ()
    assert list((tmp_path / "blobs/sha256").iterdir()) == []


def test_read_of_a_changed_blob_is_an_error(tmp_path):
    layout = Layout(tmp_path)
    digest = layout.write(b"right", "x").digest
    layout.path(digest).write_bytes(b"wrong")
    with pytest.raises(DigestError, match="has the digest"):
        layout.read(digest, 100)
    with pytest.raises(DigestError, match="has the digest"):
        layout.verify()


def test_read_of_a_missing_or_too_long_blob_is_an_error(tmp_path):
    layout = Layout(tmp_path)
    with pytest.raises(StoreError, match="is not in"):
        layout.read(Digest.of(b"x"), 10)
    with pytest.raises(StoreError, match="longer than 3 bytes"):
        layout.read(layout.write(b"four", "x").digest, 3)


def test_staged_file_that_is_not_committed_leaves_nothing(tmp_path):
    layout = Layout(tmp_path)
    with pytest.raises(RuntimeError), layout.stage() as file:  # noqa: PT012 - the failure is in the middle of the work
        file.write(b"half")
        raise RuntimeError
    assert list((tmp_path / "blobs/sha256").iterdir()) == []


def test_name_moves_to_the_newer_manifest(tmp_path):
    layout = Layout(tmp_path)
    first, second = (layout.write(each, MANIFEST) for each in (b"1", b"2"))
    layout.add_manifest(first, name="web")
    layout.add_manifest(second, name="web")
    layout.add_manifest(first)
    layout.add_manifest(first)
    found = layout.resolve("web")
    assert found is not None
    assert found.digest == second.digest
    assert layout.resolve("other") is None
    assert [each.digest for each in layout.manifests()] == [second.digest, first.digest]
    assert layout.verify() == 2


def test_manifest_that_is_not_stored_cannot_be_named(tmp_path):
    layout = Layout(tmp_path)
    described = layout.write(b"1", MANIFEST)
    layout.path(described.digest).unlink()
    with pytest.raises(StoreError, match="cannot be named"):
        layout.add_manifest(described, name="web")


def test_names_written_at_once_are_all_kept(tmp_path):
    layout = Layout(tmp_path)
    written = [layout.write(b"%d" % each, MANIFEST) for each in range(16)]
    threads = [
        threading.Thread(target=Layout(tmp_path).add_manifest, args=(each,), kwargs={"name": str(index)})
        for index, each in enumerate(written)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {each.digest for each in layout.manifests()} == {each.digest for each in written}
