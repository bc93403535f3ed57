import os
import signal
import time

import pytest

from runtime.oci.temporary import new_file, new_folder, scratch_folder, sweep, write_whole


def test_file_that_is_not_renamed_is_gone_and_one_that_is_stays(tmp_path):
    with new_file(tmp_path) as file:
        assert [each.name for each in tmp_path.iterdir()] == [os.path.basename(file.name)]  # noqa: PTH119
    assert list(tmp_path.iterdir()) == []
    write_whole(tmp_path / "kept", (b"a", b"b"))
    assert (tmp_path / "kept").read_bytes() == b"ab"
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


def test_failed_write_leaves_the_older_file(tmp_path):
    def parts():
        yield b"new"
        raise ZeroDivisionError

    write_whole(tmp_path / "kept", b"old")
    with pytest.raises(ZeroDivisionError):
        write_whole(tmp_path / "kept", parts())
    assert (tmp_path / "kept").read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


def test_sweep_removes_left_files_and_no_others(tmp_path):
    for name in (".new-a", ".new-b", "kept", ".other"):
        (tmp_path / name).touch()
    with new_file(tmp_path) as file:
        assert sweep(tmp_path) == 2
        assert os.path.exists(file.name)  # noqa: PTH110
    assert sorted(each.name for each in tmp_path.iterdir()) == [".other", "kept"]
    assert sweep(tmp_path / "missing") == 0


def test_sweep_leaves_a_folder_that_somebody_works_in(tmp_path):
    removed = []
    with scratch_folder(tmp_path) as folder:
        (folder / "work").touch()
        assert sweep(tmp_path, remove=removed.append) == 0
    (tmp_path / ".new-left").mkdir()
    assert sweep(tmp_path, remove=removed.append) == 1
    assert removed == [tmp_path / ".new-left"]


def test_sweep_does_not_follow_links_or_wait_for_pipes(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "kept").touch()
    (tmp_path / ".new-link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / ".new-pipe")
    assert sweep(tmp_path) == 1
    assert (tmp_path / "target" / "kept").exists()


def test_folder_belongs_to_the_children_of_a_killed_owner_until_they_end(tmp_path):
    reader, writer = os.pipe()
    owner = os.fork()
    if owner == 0:
        with new_folder(tmp_path):
            child = os.fork()
            if child:
                os.write(writer, child.to_bytes(4, "big"))
            signal.pause()
    child = int.from_bytes(os.read(reader, 4), "big")
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)
    assert sweep(tmp_path, remove=lambda path: path.rmdir()) == 0
    os.kill(child, signal.SIGKILL)
    end = time.monotonic() + 10
    while not sweep(tmp_path, remove=lambda path: path.rmdir()) and time.monotonic() < end:
        time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []
    os.close(reader)
    os.close(writer)
