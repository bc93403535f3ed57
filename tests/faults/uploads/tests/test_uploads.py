import stat

import uploads


def test_upload_keeps_its_content(tmp_path):
    assert uploads.keep(tmp_path, "a.png", b"pixels").read_bytes() == b"pixels"


def test_group_can_read_an_upload(tmp_path):
    mode = uploads.keep(tmp_path, "a.png", b"pixels").stat().st_mode
    assert stat.S_IMODE(mode) & stat.S_IRGRP
