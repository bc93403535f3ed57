import shares


def test_work_is_shared_out():
    assert sum(len(each) for each in shares.share(list(range(10)))) == 10


def test_half_a_processor_is_one_share(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert shares.count(tmp_path) == 1


def test_first_version_is_not_read(tmp_path):
    assert shares.count(tmp_path) >= 1
