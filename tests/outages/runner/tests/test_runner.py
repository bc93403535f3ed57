import runner


def test_own_server_answers():
    assert runner.ask() == b"ready"


def test_server_is_documented():
    assert runner.Ready.__doc__
