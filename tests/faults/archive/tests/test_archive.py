import pytest

import archive


@pytest.mark.parametrize("count", [3, 100])
def test_files_are_joined(tmp_path, count):
    paths = [tmp_path / str(number) for number in range(count)]
    for path in paths:
        path.write_bytes(b"x")
    archive.join(paths, tmp_path / "all")
    assert (tmp_path / "all").read_bytes() == b"x" * count
