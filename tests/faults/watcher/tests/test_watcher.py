import struct

import watcher


def test_new_file_is_noticed(tmp_path):
    eye = watcher.Watcher(tmp_path)
    (tmp_path / "letter").write_text("hello")
    assert eye.noticed() == ["letter"]
    eye.close()


def test_names_are_read_from_events():
    assert watcher.names(struct.pack("iIII16s", 1, 8, 0, 16, b"letter")) == ["letter"]
