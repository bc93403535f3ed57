import logproxy


def test_log_is_kept(tmp_path):
    assert logproxy.keep(tmp_path / "log") == 0


def test_program_writes_two_mebibytes():
    assert "count=32" in logproxy.PROGRAM
