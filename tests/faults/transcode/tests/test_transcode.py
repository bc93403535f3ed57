import transcode


def test_frames_are_halved():
    assert transcode.halve([4, 8, 12]) == [2, 4, 6]


def test_quota_of_two_processors(tmp_path):
    (tmp_path / "cpu.cfs_quota_us").write_text("200000\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert transcode.threads(tmp_path) == 2


def test_no_control_group_means_every_processor(tmp_path):
    assert transcode.threads(tmp_path) >= 1
