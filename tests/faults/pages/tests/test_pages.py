import pages


def test_second_block_is_read(tmp_path):
    (tmp_path / "data").write_bytes(b"a" * pages.SIZE + b"b" * pages.SIZE)
    assert pages.block(tmp_path / "data", 1) == b"b" * pages.SIZE


def test_first_block_is_read(tmp_path):
    (tmp_path / "data").write_bytes(b"a" * pages.SIZE)
    assert pages.block(tmp_path / "data", 0) == b"a" * pages.SIZE
