import time

import stamps


def test_stamp_is_read_as_it_was_written():
    now = int(time.time())
    assert stamps.read(stamps.stamp(now)) == now


def test_stamp_of_the_epoch():
    assert stamps.read(stamps.stamp(0)) == 0


def test_stamp_has_four_bytes():
    assert len(stamps.stamp(1_000_000_000)) == 4
