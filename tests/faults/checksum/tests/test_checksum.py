import checksum


def test_sum_of_whole_blocks():
    assert checksum.checksum(bytes(range(16))) == 120


def test_sum_of_an_odd_message():
    assert checksum.checksum(b"\1" * 13) == 13


def test_features_are_read():
    assert checksum.features(["processor : 0", "flags\t: fpu avx2"]) == {"fpu", "avx2"}
